"""Prodamus's notifications: signed over all fields as PHP reads them, however the form was written down."""

from __future__ import annotations

from typing import Any

import pytest

from services.gateway.signatures.base import Received, SignatureError, VerifiedEvent
from services.gateway.signatures.prodamus import demo_keys, verify
from tests.signing import (
    PRODAMUS_KEY,
    Headers,
    flat,
    multipart,
    prodamus_headers,
    prodamus_signature,
    replaced,
    urlencoded,
    without,
)
from tests.unit.test_php_forms import LINK, NOTIFICATION

FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=----WebKitFormBoundary7MA4"
NEW_KEY = "another page key of these tests"
BODIES = {FORM: urlencoded(flat(NOTIFICATION)), PARTS: multipart(flat(NOTIFICATION), "----WebKitFormBoundary7MA4")}
BODY = BODIES[FORM]


def checked(headers: Headers, body: bytes = BODY, *keys: str) -> VerifiedEvent:
    return verify(Received(headers, body), keys or (PRODAMUS_KEY,))


def reason(headers: Headers, body: bytes = BODY, *keys: str) -> str:
    with pytest.raises(SignatureError) as raised:
        checked(headers, body, *keys)
    return str(raised.value)


@pytest.mark.parametrize("content_type", BODIES)
def test_the_vendors_vector_in_either_form(content_type: str) -> None:
    sign = b"4021ca4f2aad5465fe663f088bfa8ac5d8e40bd3c5aa5a172f3b831f1c403286"
    headers = [(b"content-type", content_type.encode()), (b"sign", sign), (b"user-agent", b"x")]
    event = checked(headers, BODIES[content_type], "test")
    assert event.body == BODIES[content_type]
    # The boundary is needed to read the body again.
    assert event.headers == {"content-type": content_type, "sign": sign.decode()}


@pytest.mark.parametrize("content_type", BODIES)
@pytest.mark.parametrize("field", ["unknown_field", "_param_x", "customer_extra"])
def test_unknown_fields_are_signed_too(content_type: str, field: str) -> None:
    tree = {**NOTIFICATION, field: "a/b"}
    body = urlencoded(flat(tree)) if content_type == FORM else multipart(flat(tree), "----WebKitFormBoundary7MA4")
    assert checked(prodamus_headers(tree, content_type), body).body == body
    assert reason(prodamus_headers(NOTIFICATION, content_type), body) == "forged"
    assert reason(prodamus_headers(tree, content_type), BODIES[content_type]) == "forged"


def test_lists_of_more_than_ten_products_and_lists_with_gaps() -> None:
    many: dict[str, Any] = {**NOTIFICATION, "products": [{"name": f"n{n}", "price": "1.00"} for n in range(12)]}
    gaps: dict[str, Any] = {**NOTIFICATION, "products": {"10": {"name": "ten"}, "2": {"name": "two"}}}
    for tree in (many, gaps):
        body = urlencoded(flat(tree))
        assert checked(prodamus_headers(tree, FORM), body).body == body


def test_two_keys_while_one_is_exchanged() -> None:
    for key in (PRODAMUS_KEY, NEW_KEY):
        assert checked(prodamus_headers(NOTIFICATION, FORM, key), BODY, PRODAMUS_KEY, NEW_KEY).body == BODY
    assert reason(prodamus_headers(NOTIFICATION, FORM, "somebody else's key"), BODY, PRODAMUS_KEY, NEW_KEY) == "forged"
    assert reason(prodamus_headers(NOTIFICATION, FORM, NEW_KEY)) == "forged"


def test_a_page_that_only_plays_is_believed_only_when_that_is_asked_for() -> None:
    played = prodamus_headers(NOTIFICATION, FORM, PRODAMUS_KEY + "demo")
    assert reason(played) == "forged"
    assert checked(played, BODY, *demo_keys([PRODAMUS_KEY])).body == BODY
    assert checked(prodamus_headers(NOTIFICATION, FORM), BODY, *demo_keys([PRODAMUS_KEY])).body == BODY


def test_the_hex_may_be_written_large_or_small() -> None:
    headers = prodamus_headers(NOTIFICATION, FORM)
    assert checked(replaced(headers, b"sign", dict(headers)[b"sign"].upper())).body == BODY
    for sign in (dict(headers)[b"sign"][:-1], dict(headers)[b"sign"] + b"0", b" " + dict(headers)[b"sign"], b"0x" + b"0" * 62, b"g" * 64):
        assert reason(replaced(headers, b"sign", sign)) == "garbled_header"


def test_a_link_to_the_page_that_is_posted_back_is_no_event() -> None:
    """Every payer has one, with its signature by the same key."""
    signature = prodamus_signature(LINK)
    headers = [(b"content-type", FORM.encode()), (b"sign", signature.encode())]
    assert reason(headers, urlencoded(flat(LINK))) == "link"
    added = urlencoded([*flat(LINK), ("payment_status", "success")])
    assert reason(headers, added) == "forged"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (urlencoded([*flat(NOTIFICATION), ("sum", "21.00")]), None),
        (urlencoded([("sum", "1.00"), *flat(NOTIFICATION)]), None),
        (urlencoded([*flat(NOTIFICATION), ("sum", "1.00")]), "forged"),
        (urlencoded(flat(NOTIFICATION)).replace(b"%20", b"+"), None),
        (urlencoded(list(reversed(flat(NOTIFICATION)))), None),
        (urlencoded(flat(NOTIFICATION))[:-6], "forged"),
        (urlencoded([*flat(NOTIFICATION), ("x", "")]), "forged"),
        (b"", "forged"),
    ],
)
def test_the_same_fields_written_otherwise_are_the_same_event_and_others_are_not(body: bytes, expected: str | None) -> None:
    headers = prodamus_headers(NOTIFICATION, FORM)
    if expected is None:
        assert checked(headers, body).body == body
    else:
        assert reason(headers, body) == expected


def test_json_is_not_what_we_asked_for() -> None:
    assert reason(prodamus_headers(NOTIFICATION, "application/json"), b'{"order_id":"1"}') == "content_type"


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        (FORM, b"a=%ff", "not_utf8"),
        (FORM, b"a=%00", "nul"),
        (FORM, b"&".join([b"a[]=1"] * 201), "too_many_fields"),
        (FORM, b"a" + b"[b]" * 9 + b"=1", "nested_too_deep"),
        ("multipart/form-data", BODIES[PARTS], "boundary"),
        ("multipart/form-data; boundary=other", BODIES[PARTS], "garbled_form"),
        (PARTS, BODIES[PARTS].replace(b'name="sum"', b'name="sum"; filename="sum"'), "file"),
    ],
)
def test_what_is_no_form_is_refused_before_it_is_signed(content_type: str, body: bytes, expected: str) -> None:
    assert reason(prodamus_headers(NOTIFICATION, content_type), body) == expected


@pytest.mark.parametrize("name", [b"sign", b"content-type"])
def test_each_header_must_be_there_once(name: bytes) -> None:
    good = prodamus_headers(NOTIFICATION, FORM)
    assert reason(without(good, name)) == "missing_header"
    assert reason([*good, (name, dict(good)[name])]) == "repeated_header"
    for value in (b"", b"\xff", b"x" * 1_001):
        assert reason(replaced(good, name, value)) == "garbled_header"


def test_a_compressed_body_is_refused() -> None:
    assert reason([*prodamus_headers(NOTIFICATION, FORM), (b"content-encoding", b"gzip")]) == "content_encoding"
