"""AllSecure's callbacks: the vendor's vectors, the content type and target as they were signed, and no other byte."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.signatures.allsecure import Connector, verify
from services.gateway.signatures.base import Received, SignatureError, VerifiedEvent
from tests.signing import ALLSECURE_SECRET, ALLSECURE_TARGET, DATE, Headers, allsecure_headers, replaced, without

OURS = Connector(ALLSECURE_SECRET, ALLSECURE_TARGET.decode())
OLDER = Connector(ALLSECURE_SECRET, ALLSECURE_TARGET.decode(), accept_md5=True)
BODY = b'{"result":"OK","uuid":"d94c0d72f3a36e21f16e","merchantTransactionId":"ord-42"}'
JSON = "application/json; charset=utf-8"

DEBIT_BODY = (
    b'{"merchantTransactionId":"ord-42","amount":"9.99","currency":"EUR","successUrl":"https://shop.example/ok",'
    b'"cancelUrl":"https://shop.example/cancel","errorUrl":"https://shop.example/err","callbackUrl":"https://shop.example/webhooks/allsecure"}'
)
CALLBACK_BODY = (
    b'{"result":"OK","uuid":"d94c0d72f3a36e21f16e","merchantTransactionId":"ord-42","purchaseId":"20261120-d94c0d72f3a36e21f16e",'
    b'"transactionType":"DEBIT","paymentMethod":"Creditcard","amount":"9.99","currency":"EUR"}'
)
DEBIT = "/api/v3/transaction/my-api-key/debit"
SHOP = "/webhooks/allsecure?tenant=1"
PLAIN = "application/json"
UTC = "Fri, 20 Nov 2026 12:00:00 UTC"
VECTORS = {
    "1": (DEBIT_BODY, JSON, UTC, DEBIT, "LywS5FliHP3YuLfaJDV/MIJ8l5P/KDqLCu/emoHHflD/ERvdhXLJDAR2gBBNxsoOaEpmE4g88ZoE737ut4EYVg=="),
    "2": (DEBIT_BODY, JSON, DATE, DEBIT, "2dImJqk+y23VYlhWHX3WDTsWCFhRH0nddw/CagtNAfWSgYqZamtKgMvcXC8+65A2ZqiTl9pQElGgX6lqCvLX4g=="),
    "3 (MD5)": (DEBIT_BODY, JSON, UTC, DEBIT, "uMMp/ECI40dGcxH/A4PcNHP97UXf/c2syO0NGTNUzB4L4b7TR92ZwCaSK2AFtcJ6h0kTLNC/Zi3+EDoAecztmw=="),
    "5": (CALLBACK_BODY, JSON, DATE, SHOP, "CBhigUeEObDIpwSI6cjSGUO+RVUF1slgAXtHCVRdDQbDBbB7reP29MCvCV0rmQ4vKvGDPooKwtegs4KicpUU4Q=="),
    "6": (CALLBACK_BODY, PLAIN, DATE, SHOP, "W5E0G/mHh32OyXrixvpSWvAdqcQSMDmgmiSW6vPGFhFEJMWC3Dt8WcH6MAXeykfPwPNaIkJ9z1ewehhfQdOdHA=="),
}
READING = "/IO12WJZ3o+et1d64sIPw+PaCgP+g9aaPbts/Co9owBl40pwlJ0WpOlNCGWlXT5ksz14zuxJvsOVgQoirmEwyw=="
"""Vector 4: a question with GET, by which nothing can be posted."""


def checked(headers: Headers, body: bytes = BODY, query: bytes = b"", connector: Connector = OURS) -> VerifiedEvent:
    return verify(Received(headers, body, query), connector)


def reason(headers: Headers, body: bytes = BODY, query: bytes = b"", connector: Connector = OURS) -> str:
    with pytest.raises(SignatureError) as raised:
        checked(headers, body, query, connector)
    return str(raised.value)


def callback(kind: str, date: str, signature: str) -> Headers:
    return [(b"content-type", kind.encode()), (b"x-date", date.encode()), (b"x-signature", signature.encode())]


@pytest.mark.parametrize("name", VECTORS)
def test_every_vector_of_the_vendor(name: str) -> None:
    body, kind, date, target, signature = VECTORS[name]
    path, _, query = target.partition("?")
    older = "MD5" in name
    headers = callback(kind, date, signature)
    assert checked(headers, body, query.encode(), Connector("test", path, accept_md5=older)).body == body
    if older:
        assert reason(headers, body, query.encode(), Connector("test", path)) == "forged"


def test_the_signature_of_a_question_is_none_of_a_callback() -> None:
    path = "/api/v3/status/my-api-key/getByMerchantTransactionId/ord-42"
    assert reason(callback(JSON, UTC, READING), b"", connector=Connector("test", path, accept_md5=True)) == "forged"


def test_what_was_signed_is_taken_whole_with_the_headers_that_matter() -> None:
    headers = allsecure_headers(BODY)
    event = checked([*headers, (b"x-forwarded-for", b"192.0.2.1")])
    assert event.body == BODY
    assert event.headers == {name.decode(): value.decode() for name, value in headers}


@pytest.mark.parametrize("content_type", [JSON, "application/json", "application/json;charset=UTF-8", "Application/JSON"])
def test_the_received_content_type_or_what_the_vendor_always_signs(content_type: str) -> None:
    assert checked(allsecure_headers(BODY, content_type=content_type)).body == BODY
    assert checked(allsecure_headers(BODY, content_type=content_type, signed_type=JSON)).body == BODY


def test_no_other_content_type_is_tried() -> None:
    assert reason(allsecure_headers(BODY, content_type=JSON, signed_type="application/json")) == "forged"
    for kind in ("text/plain", "text/xml; charset=utf-8", "application/x-www-form-urlencoded"):
        assert reason(allsecure_headers(BODY, content_type=kind)) == "content_type"
        assert reason(allsecure_headers(BODY, content_type=kind, signed_type=JSON)) == "content_type"


def test_the_older_hash_only_where_it_is_allowed() -> None:
    for signed_type in (None, JSON):
        headers = allsecure_headers(BODY, content_type="application/json", signed_type=signed_type, body_hash="md5")
        assert reason(headers) == "forged"
        assert checked(headers, connector=OLDER).body == BODY
    assert checked(allsecure_headers(BODY), connector=OLDER).body == BODY
    assert reason(allsecure_headers(BODY, body_hash="sha1"), connector=OLDER) == "forged"


def test_x_date_is_what_counts_when_a_proxy_has_changed_date() -> None:
    headers = allsecure_headers(BODY)
    assert checked(replaced(headers, b"date", b"Sat, 21 Nov 2026 00:00:00 GMT")).body == BODY
    assert checked(without(headers, b"date")).body == BODY
    assert checked(without(headers, b"x-date")).body == BODY
    assert reason(replaced(headers, b"x-date", b"Sat, 21 Nov 2026 00:00:00 GMT")) == "forged"
    assert reason(without(without(headers, b"date"), b"x-date")) == "missing_header"


@pytest.mark.parametrize("date", ["Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 2100 00:00:00 UTC", "yesterday"])
def test_a_repeat_of_days_later_is_taken_with_its_first_date(date: str) -> None:
    assert checked(allsecure_headers(BODY, date=date)).headers["x-date"] == date


def test_the_target_is_the_address_that_we_told_with_its_prefix_and_query() -> None:
    prefixed = Connector(ALLSECURE_SECRET, "/shop" + ALLSECURE_TARGET.decode())
    headers = allsecure_headers(BODY, target=b"/shop" + ALLSECURE_TARGET + b"?tenant=1&x=%20")
    assert checked(headers, query=b"tenant=1&x=%20", connector=prefixed).body == BODY
    assert reason(headers, query=b"tenant=1&x=%20") == "forged"
    for query in (b"", b"tenant=2&x=%20", b"tenant=1&x=+", b"x=%20&tenant=1"):
        assert reason(headers, query=query, connector=prefixed) == "forged"


@pytest.mark.parametrize("change", [bytes.lower, lambda text: text.rstrip(b"="), lambda text: b" " + text, lambda text: text[:-3] + b"h=="])
def test_the_signature_has_one_spelling(change: Any) -> None:
    # Of the last character before the padding only some bits count: a lenient reader would take several.
    headers = allsecure_headers(BODY)
    assert reason(replaced(headers, b"x-signature", change(dict(headers)[b"x-signature"]))) == "forged"


@given(st.integers(min_value=0, max_value=len(BODY) * 8 - 1))
def test_any_flipped_bit_of_the_body_is_forged(bit: int) -> None:
    changed = bytearray(BODY)
    changed[bit // 8] ^= 1 << bit % 8
    assert reason(allsecure_headers(BODY), bytes(changed), connector=OLDER) == "forged"


def test_another_secret_is_forged_and_the_secret_itself_is_no_signature() -> None:
    assert reason(allsecure_headers(BODY, secret="another secret")) == "forged"
    assert reason(replaced(allsecure_headers(BODY), b"x-signature", ALLSECURE_SECRET.encode())) == "forged"


@pytest.mark.parametrize("name", [b"x-signature", b"content-type", b"date", b"x-date"])
def test_no_header_that_counts_may_be_there_twice_or_hold_more_than_a_line(name: bytes) -> None:
    good = allsecure_headers(BODY)
    assert reason([*good, (name, dict(good)[name])]) == "repeated_header"
    for value in (b"", b"\xff", b"x\ny", b"x" * 1_001):
        assert reason(replaced(good, name, value)) == "garbled_header"


@pytest.mark.parametrize("name", [b"x-signature", b"content-type"])
def test_what_must_be_there(name: bytes) -> None:
    assert reason(without(allsecure_headers(BODY), name)) == "missing_header"


def test_a_compressed_body_is_refused() -> None:
    assert reason([*allsecure_headers(BODY), (b"content-encoding", b"gzip")]) == "content_encoding"
