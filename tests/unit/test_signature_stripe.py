"""Stripe's webhooks: what one of our endpoints' secrets signed just now is taken, any other byte is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stripe import WebhookSignature

from services.gateway.signatures.base import Received, SignatureError, VerifiedEvent
from services.gateway.signatures.stripe import TOLERANCE_SECONDS, verify
from tests.signing import STRIPE_SECRET, Headers, replaced, stripe_headers, without

NEW_SECRET = "whsec_another_secret_of_these_tests"
NOW = 1_800_000_000
BODY = b'{"id":"evt_1",  "object":"event"}\n'
SIGNATURE = b"stripe-signature"


def checked(headers: Headers, body: bytes = BODY, *, now: float = NOW, secrets: tuple[str, ...] = (STRIPE_SECRET,)) -> VerifiedEvent:
    return verify(Received(headers, body), secrets, now)


def reason(headers: Headers, body: bytes = BODY, *, now: float = NOW, secrets: tuple[str, ...] = (STRIPE_SECRET,)) -> str:
    with pytest.raises(SignatureError) as raised:
        checked(headers, body, now=now, secrets=secrets)
    return str(raised.value)


def signature(headers: Headers) -> bytes:
    return dict(headers)[SIGNATURE]


def test_the_vendors_vector() -> None:
    header = b"t=1700000000,v1=14c4f43763339dcb1c15f41a1ff31a94f2f09f8de278f8b4392ca0d7cbcd257e"
    headers = [(b"content-type", b"application/json"), (SIGNATURE, header)]
    assert checked(headers, b'{"id":"evt_test"}', now=1_700_000_000, secrets=("whsec_test",)).body == b'{"id":"evt_test"}'


def test_what_the_vendors_own_library_signs_is_taken() -> None:
    header = WebhookSignature.generate_signature_header(BODY.decode(), STRIPE_SECRET, NOW)
    assert checked(replaced(stripe_headers(b"", 0), SIGNATURE, header.encode())).body == BODY


def test_what_was_signed_is_taken_whole_with_the_headers_that_matter() -> None:
    event = checked([*stripe_headers(BODY, NOW), (b"x-forwarded-for", b"192.0.2.1"), (b"user-agent", b"Stripe/1.0")])
    assert event.body == BODY
    assert event.headers == {
        "content-type": "application/json; charset=utf-8",
        "stripe-signature": signature(stripe_headers(BODY, NOW)).decode(),
    }


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff\xfe", b'"text"', b"{"])
def test_an_authentic_body_that_makes_no_sense_is_for_its_reader_to_refuse(body: bytes) -> None:
    assert checked(stripe_headers(body, NOW), body).body == body


@pytest.mark.parametrize("ours", [(STRIPE_SECRET,), (NEW_SECRET,), (STRIPE_SECRET, NEW_SECRET), ("whsec_of_the_cli_tool", NEW_SECRET)])
@pytest.mark.parametrize("theirs", [(STRIPE_SECRET, NEW_SECRET), (NEW_SECRET, STRIPE_SECRET)])
def test_a_secret_is_rolled_in_either_order(ours: tuple[str, ...], theirs: tuple[str, ...]) -> None:
    assert checked(stripe_headers(BODY, NOW, *theirs), secrets=ours).body == BODY


def test_each_of_our_secrets_is_tried_and_no_other() -> None:
    headers = stripe_headers(BODY, NOW, NEW_SECRET)
    assert checked(headers, secrets=(STRIPE_SECRET, NEW_SECRET)).body == BODY
    assert reason(headers) == "forged"
    assert reason(headers, secrets=()) == "forged"
    # The key is the whole secret.
    assert reason(stripe_headers(BODY, NOW, STRIPE_SECRET.removeprefix("whsec_"))) == "forged"


@pytest.mark.parametrize(
    ("age", "taken"), [(0, True), (TOLERANCE_SECONDS, True), (TOLERANCE_SECONDS + 1, False), (-TOLERANCE_SECONDS, True), (-301, False)]
)
def test_five_minutes_either_way(age: int, taken: bool) -> None:
    headers = stripe_headers(BODY, NOW - age)
    if taken:
        checked(headers)
    else:
        assert reason(headers) == "stale"


def test_only_v1_counts() -> None:
    good = signature(stripe_headers(BODY, NOW))
    for scheme in (b"v0=", b"v2=", b"V1=", b" v1=", b"v1 =", b"v1", b"v11="):
        assert reason(replaced(stripe_headers(BODY, NOW), SIGNATURE, good.replace(b"v1=", scheme))) == "forged"
    assert checked(replaced(stripe_headers(BODY, NOW), SIGNATURE, good + b",v0=" + b"0" * 64 + b",v1=" + b"1" * 64)).body == BODY


@pytest.mark.parametrize(
    "change", [bytes.upper, lambda hexed: hexed[:-1], lambda hexed: hexed + b"0", lambda hexed: b"", lambda hexed: hexed + b"=1"]
)
def test_the_signature_has_one_spelling(change: object) -> None:
    assert callable(change)
    head, _, hexed = signature(stripe_headers(BODY, NOW)).rpartition(b"v1=")
    assert reason(replaced(stripe_headers(BODY, NOW), SIGNATURE, head + b"v1=" + change(hexed))) == "forged"


@pytest.mark.parametrize(
    "stamp", [b"", b"t=,", b"t=x,", b"t=-1,", b"t=1e9,", b"t=1800000000.0,", b"t= 1800000000,", b"t=" + b"9" * 13 + b",", b"T=1800000000,"]
)
def test_a_time_that_is_no_number_is_garbled(stamp: bytes) -> None:
    good = signature(stripe_headers(BODY, NOW))
    assert reason(replaced(stripe_headers(BODY, NOW), SIGNATURE, stamp + good.partition(b",")[2])) == "garbled_header"


def test_of_two_times_none_is_believed() -> None:
    good = signature(stripe_headers(BODY, NOW))
    old = signature(stripe_headers(BODY, NOW - 1_000))
    for header in (good + b",t=1", old + b"," + good, good + b"," + good):
        assert reason(replaced(stripe_headers(BODY, NOW), SIGNATURE, header)) == "garbled_header"


@given(st.integers(min_value=0, max_value=len(BODY) * 8 - 1))
def test_any_flipped_bit_of_the_body_is_forged(bit: int) -> None:
    changed = bytearray(BODY)
    changed[bit // 8] ^= 1 << bit % 8
    assert reason(stripe_headers(BODY, NOW), bytes(changed)) == "forged"


def test_the_time_is_signed_and_its_dot_cannot_be_moved() -> None:
    headers = stripe_headers(b"7.x", 180_000_000)
    moved = replaced(headers, SIGNATURE, signature(headers).replace(b"t=180000000", b"t=1800000007"))
    assert reason(moved, b"x", now=1_800_000_007) == "forged"
    later = replaced(stripe_headers(BODY, NOW), SIGNATURE, signature(stripe_headers(BODY, NOW)).replace(b"t=1800000000", b"t=1800000001"))
    assert reason(later) == "forged"


@pytest.mark.parametrize("name", [SIGNATURE, b"content-type"])
def test_each_header_must_be_there_once_and_be_plain(name: bytes) -> None:
    good = stripe_headers(BODY, NOW)
    assert reason(without(good, name)) == "missing_header"
    assert reason([*good, (name, dict(good)[name])]) == "repeated_header"
    for value in (b"", b"\xff", "é".encode(), b"x\ny", b"x\0", b"x\ty", b"x" * 1_001):
        assert reason(replaced(good, name, value)) == "garbled_header"


def test_only_uncompressed_json() -> None:
    for kind in (b"text/plain", b"application/x-www-form-urlencoded", b"application/jsonx", b"application/json, text/plain"):
        assert reason(replaced(stripe_headers(BODY, NOW), b"content-type", kind)) == "content_type"
    for coding in (b"gzip", b"identity", b""):
        assert reason([*stripe_headers(BODY, NOW), (b"content-encoding", coding)]) == "content_encoding"
