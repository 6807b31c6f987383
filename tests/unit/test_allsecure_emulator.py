"""AllSecure's emulator without its server: the sheet's signatures, sums as text, validation and the limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.emulators.allsecure.amounts import BadAmount, amount_text, minor_units
from tests.emulators.allsecure.callbacks import Signer
from tests.emulators.allsecure.connectors import Behaviour
from tests.emulators.allsecure.limits import Window
from tests.emulators.allsecure.signing import BodyHash, date_text, read_date, sign, signed_by
from tests.emulators.allsecure.transactions import Kind, Refusal
from tests.emulators.allsecure.validation import read_request
from tests.emulators.deliveries import Attempt

SECRET = "test"
JSON = "application/json; charset=utf-8"
UTC_DATE = "Fri, 20 Nov 2026 12:00:00 UTC"
GMT_DATE = "Fri, 20 Nov 2026 12:00:00 GMT"
DEBIT = "/api/v3/transaction/my-api-key/debit"
BODY_B = (
    b'{"merchantTransactionId":"ord-42","amount":"9.99","currency":"EUR","successUrl":"https://shop.example/ok",'
    b'"cancelUrl":"https://shop.example/cancel","errorUrl":"https://shop.example/err","callbackUrl":"https://shop.example/webhooks/allsecure"}'
)
BODY_C = (
    b'{"result":"OK","uuid":"d94c0d72f3a36e21f16e","merchantTransactionId":"ord-42","purchaseId":"20261120-d94c0d72f3a36e21f16e",'
    b'"transactionType":"DEBIT","paymentMethod":"Creditcard","amount":"9.99","currency":"EUR"}'
)
CALLBACK = "/webhooks/allsecure?tenant=1"
VECTORS = {
    "1: a debit, dated UTC": (
        ("POST", BODY_B, JSON, UTC_DATE, DEBIT, BodyHash.SHA512),
        "LywS5FliHP3YuLfaJDV/MIJ8l5P/KDqLCu/emoHHflD/ERvdhXLJDAR2gBBNxsoOaEpmE4g88ZoE737ut4EYVg==",
    ),
    "2: the same, dated GMT": (
        ("POST", BODY_B, JSON, GMT_DATE, DEBIT, BodyHash.SHA512),
        "2dImJqk+y23VYlhWHX3WDTsWCFhRH0nddw/CagtNAfWSgYqZamtKgMvcXC8+65A2ZqiTl9pQElGgX6lqCvLX4g==",
    ),
    "3: with the older body hash": (
        ("POST", BODY_B, JSON, UTC_DATE, DEBIT, BodyHash.MD5),
        "uMMp/ECI40dGcxH/A4PcNHP97UXf/c2syO0NGTNUzB4L4b7TR92ZwCaSK2AFtcJ6h0kTLNC/Zi3+EDoAecztmw==",
    ),
    "4: a question of status": (
        ("GET", b"", JSON, UTC_DATE, "/api/v3/status/my-api-key/getByMerchantTransactionId/ord-42", BodyHash.SHA512),
        "/IO12WJZ3o+et1d64sIPw+PaCgP+g9aaPbts/Co9owBl40pwlJ0WpOlNCGWlXT5ksz14zuxJvsOVgQoirmEwyw==",
    ),
    "5: a callback": (
        ("POST", BODY_C, JSON, GMT_DATE, CALLBACK, BodyHash.SHA512),
        "CBhigUeEObDIpwSI6cjSGUO+RVUF1slgAXtHCVRdDQbDBbB7reP29MCvCV0rmQ4vKvGDPooKwtegs4KicpUU4Q==",
    ),
    "6: a callback without a charset": (
        ("POST", BODY_C, "application/json", GMT_DATE, CALLBACK, BodyHash.SHA512),
        "W5E0G/mHh32OyXrixvpSWvAdqcQSMDmgmiSW6vPGFhFEJMWC3Dt8WcH6MAXeykfPwPNaIkJ9z1ewehhfQdOdHA==",
    ),
}
Signed = tuple[str, bytes, str, str, str, BodyHash]


@pytest.mark.parametrize("name", VECTORS)
def test_signatures_are_those_of_the_sheet(name: str) -> None:
    (method, body, content_type, date, target, body_hash), signature = VECTORS[name]
    parts: dict[str, Any] = {"method": method, "body": body, "content_type": content_type, "date": date, "target": target}

    assert sign(SECRET, **parts, body_hash=body_hash) == signature
    assert signed_by(SECRET, signature, **parts, allows_md5=True) is body_hash


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: parts | {"method": "PUT"},
        lambda parts: parts | {"body": parts["body"] + b" "},
        lambda parts: parts | {"content_type": "application/json"},
        lambda parts: parts | {"date": GMT_DATE},
        lambda parts: parts | {"target": DEBIT + "?a=1"},
    ],
    ids=["method", "body", "content type", "date", "target"],
)
def test_a_signature_holds_for_nothing_else(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    (method, body, content_type, date, target, _), signature = VECTORS["1: a debit, dated UTC"]
    parts: dict[str, Any] = {"method": method, "body": body, "content_type": content_type, "date": date, "target": target}

    assert signed_by(SECRET, signature, **parts, allows_md5=True) is BodyHash.SHA512
    assert signed_by(SECRET, signature, **change(parts), allows_md5=True) is None
    assert signed_by("another", signature, **parts, allows_md5=True) is None


def test_the_older_body_hash_is_taken_only_where_it_is_allowed() -> None:
    (method, body, content_type, date, target, _), signature = VECTORS["3: with the older body hash"]

    assert (
        signed_by(SECRET, signature, method=method, body=body, content_type=content_type, date=date, target=target, allows_md5=False)
        is None
    )


def test_dates_end_in_gmt_and_are_read_in_either_form() -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)

    assert date_text(noon) == GMT_DATE
    assert read_date(GMT_DATE) == read_date(UTC_DATE) == noon
    assert read_date("noon") is None


@pytest.mark.parametrize(("renews_date", "dates"), [(True, 2), (False, 1)])
def test_a_repeated_callback_has_a_new_date_or_the_first_ones(renews_date: bool, dates: int) -> None:
    signer = Signer(secret=SECRET, behaviour=Behaviour(renews_date=renews_date), body_hash=BodyHash.SHA512, body=BODY_C, target=CALLBACK)
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()

    first, second = (signer(Attempt(number, noon + number, forged=False, stale=False))[0] for number in (0, 60))

    assert first == {"Content-Type": JSON, "Date": GMT_DATE, "X-Date": GMT_DATE, "X-Signature": VECTORS["5: a callback"][1]}
    assert len({first["Date"], second["Date"]}) == dates


@pytest.mark.parametrize(
    ("text", "currency", "amount_minor", "written"),
    [
        ("9.99", "EUR", 999, "9.99"),
        ("9.9", "EUR", 990, "9.90"),
        ("9", "RSD", 900, "9.00"),
        ("0.05", "RSD", 5, "0.05"),
        ("500", "JPY", 500, "500"),
        ("500.00", "JPY", 500, "500"),
        ("1.234", "KWD", 1234, "1.234"),
        ("9.990", "EUR", 999, "9.99"),
    ],
)
def test_a_sum_is_text_with_the_decimals_of_its_currency(text: str, currency: str, amount_minor: int, written: str) -> None:
    assert minor_units(text, currency) == amount_minor
    assert amount_text(amount_minor, currency) == written


@pytest.mark.parametrize(
    ("text", "currency"),
    [("9.999", "EUR"), ("500.50", "JPY"), ("-1", "EUR"), ("1,5", "EUR"), ("1e3", "EUR"), (".5", "EUR"), ("5.", "EUR"), ("1" * 11, "EUR")],
)
def test_other_texts_are_no_sums(text: str, currency: str) -> None:
    with pytest.raises(BadAmount):
        minor_units(text, currency)


def debit_fields(**changes: object) -> dict[str, object]:
    fields: dict[str, object] = json.loads(BODY_B)
    return {name: value for name, value in (fields | changes).items() if value is not None}


@pytest.mark.parametrize(
    "changes",
    [
        {"merchantTransactionId": None},
        {"merchantTransactionId": "x" * 51},
        {"amount": 9.99},
        {"amount": 999},
        {"amount": None},
        {"amount": "0.00"},
        {"amount": "9.999"},
        {"currency": "eur"},
        {"currency": "EURO"},
        {"successUrl": None},
        {"callbackUrl": "ftp://shop.example/"},
        {"description": "x" * 256},
        {"customer": {"identification": "x" * 37}},
        {"customer": {"billingCountry": "srb"}},
        {"customer": {"birthDate": "1.1.1990"}},
        {"extraData": {"number": 1}},
        {"transactionIndicator": "SOMETIMES"},
        {"language": "srp"},
        {"withRegister": "yes"},
    ],
    ids=str,
)
def test_what_does_not_fit_is_a_validation_error(changes: dict[str, object]) -> None:
    with pytest.raises(Refusal) as refused:
        read_request(Kind.DEBIT, json.dumps(debit_fields(**changes)).encode())

    assert refused.value.code == 1002


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'"text"', b"\xff", b"[" * 100_000], ids=["empty", "list", "cut", "text", "bytes", "deep"]
)
def test_what_is_no_object_is_a_validation_error(body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        read_request(Kind.DEBIT, body)

    assert refused.value.code == 1002


def test_each_call_needs_what_it_refers_to() -> None:
    for kind in (Kind.CAPTURE, Kind.VOID, Kind.REFUND, Kind.DEREGISTER, Kind.PAYOUT):
        with pytest.raises(Refusal, match="referenceUuid"):
            read_request(kind, json.dumps(debit_fields()).encode())


def test_a_window_takes_so_many_and_says_when_the_next_may_come() -> None:
    window = Window(2, 60.0)

    assert [window.retry_after_seconds("a", now) for now in (0.0, 10.0, 20.0)] == [None, None, 40]
    assert window.retry_after_seconds("b", 20.0) is None
    assert window.retry_after_seconds("a", 60.0) is None, "the first has left the window, and what was refused never counted"
