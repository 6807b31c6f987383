"""The mock's webhooks: what was signed is taken, any other byte is not."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.signatures import mock
from services.gateway.signatures.base import Received, SignatureError, VerifiedEvent
from services.gateway.signatures.mock import TOLERANCE_SECONDS

KEY = b"k" * 32
OLD_KEY = b"o" * 32
NOW = 1_800_000_000
BODY = b'{"id":"evt_1","type":"session.paid"}'

Headers = list[tuple[bytes, bytes]]


def verify(headers: Headers, body: bytes, keys: Sequence[bytes], now: float) -> VerifiedEvent:
    return mock.verify(Received(headers, body), keys, now)


def signed(body: bytes = BODY, *, key: bytes = KEY, event_id: bytes = b"evt_1", at: int = NOW) -> Headers:
    digest = hmac.digest(key, event_id + b"." + str(at).encode() + b"." + body, sha256)
    return [
        (b"content-type", b"application/json"),
        (b"webhook-id", event_id),
        (b"webhook-timestamp", str(at).encode()),
        (b"webhook-signature", b"v1," + base64.b64encode(digest)),
    ]


def replaced(headers: Headers, name: bytes, value: bytes) -> Headers:
    return [(key, value if key == name else old) for key, old in headers]


def reason(headers: Headers, body: bytes = BODY, now: float = NOW) -> str:
    with pytest.raises(SignatureError) as raised:
        verify(headers, body, (KEY, OLD_KEY), now)
    return str(raised.value)


def test_what_was_signed_is_taken_whole() -> None:
    event = verify([*signed(), (b"x-forwarded-for", b"192.0.2.1"), (b"cookie", b"a=b")], BODY, (KEY, OLD_KEY), NOW)
    assert event.body == BODY
    assert set(event.headers) == {"content-type", "webhook-id", "webhook-timestamp", "webhook-signature"}


def test_either_key_is_accepted_while_it_is_rolled() -> None:
    assert verify(signed(key=OLD_KEY), BODY, (KEY, OLD_KEY), NOW).body == BODY
    assert reason(signed(key=b"x" * 32)) == "forged"


def test_one_of_several_signatures_is_enough() -> None:
    good = dict(signed())[b"webhook-signature"]
    assert verify(replaced(signed(), b"webhook-signature", b"v1,AAAA v2,other " + good), BODY, (KEY,), NOW).body == BODY


@given(st.integers(min_value=0, max_value=len(BODY) * 8 - 1))
def test_any_flipped_bit_of_the_body_is_forged(bit: int) -> None:
    changed = bytearray(BODY)
    changed[bit // 8] ^= 1 << bit % 8
    assert reason(signed(), bytes(changed)) == "forged"


@given(st.binary(max_size=60))
def test_any_other_body_is_forged(body: bytes) -> None:
    if body != BODY:
        assert reason(signed(), body) == "forged"


def test_the_id_and_the_time_are_signed_too() -> None:
    assert reason(replaced(signed(), b"webhook-id", b"evt_2")) == "forged"
    assert reason(replaced(signed(), b"webhook-timestamp", str(NOW + 1).encode())) == "forged"
    # The dots between the parts cannot be moved.
    assert reason(signed(event_id=b"evt"), b"x." + BODY) == "forged"


@pytest.mark.parametrize(
    ("age", "taken"), [(TOLERANCE_SECONDS, True), (TOLERANCE_SECONDS + 1, False), (-TOLERANCE_SECONDS, True), (-301, False)]
)
def test_five_minutes_either_way(age: int, taken: bool) -> None:
    headers = signed(at=NOW - age)
    if taken:
        verify(headers, BODY, (KEY,), NOW)
    else:
        assert reason(headers) == "stale"


@pytest.mark.parametrize("name", [b"webhook-id", b"webhook-timestamp", b"webhook-signature", b"content-type"])
def test_each_header_must_be_there_once(name: bytes) -> None:
    assert reason([header for header in signed() if header[0] != name]) == "missing_header"
    assert reason([*signed(), (name, dict(signed())[name])]) == "repeated_header"
    assert reason(replaced(signed(), name, b"")) == "garbled_header"
    assert reason(replaced(signed(), name, b"\xff")) == "garbled_header"
    assert reason(replaced(signed(), name, b"x" * 1_001)) == "garbled_header"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (b"webhook-timestamp", b"1e9", "garbled_header"),
        (b"webhook-timestamp", b"-1", "garbled_header"),
        (b"webhook-timestamp", b"9" * 13, "garbled_header"),
        (b"webhook-id", b"evt 1", "garbled_header"),
        (b"webhook-signature", b"AAAA", "forged"),
        (b"webhook-signature", b"v1,", "forged"),
        (b"content-type", b"text/plain", "content_type"),
    ],
)
def test_garbled_headers(name: bytes, value: bytes, expected: str) -> None:
    assert reason(replaced(signed(), name, value)) == expected


def test_a_compressed_body_is_refused() -> None:
    assert reason([*signed(), (b"content-encoding", b"gzip")]) == "content_encoding"


def test_no_key_accepts_nothing() -> None:
    with pytest.raises(SignatureError):
        verify(signed(), BODY, (), NOW)
