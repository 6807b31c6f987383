"""What AllSecure's callbacks say, read from their bytes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.payments.domain.facts import Closed, Declined, DisputeTold, Fact, Irrelevant, Look, Paid, PayoutTold, RefundTold
from services.payments.providers.allsecure.events import REPEATED_FOR, read_event
from shared.contracts.base import utc_now
from shared.delivery.errors import Permanent
from shared.money import Money

OURS = UUID("0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HEADERS = {"x-date": "Fri, 20 Nov 2026 12:00:00 GMT", "date": "Sat, 21 Nov 2026 12:00:00 GMT"}
DEBIT = {
    "result": "OK",
    "uuid": "d94c0d72f3a36e21f16e",
    "merchantTransactionId": str(OURS),
    "purchaseId": "20261120-d94c0d72f3a36e21f16e",
    "transactionType": "DEBIT",
    "paymentMethod": "Creditcard",
    "amount": "9.99",
    "currency": "EUR",
}
CHARGEBACK = DEBIT | {
    "uuid": "a0000000000000000001",
    "merchantTransactionId": "auto-2026112012",
    "transactionType": "CHARGEBACK",
    "chargebackData": {
        "originalUuid": "d94c0d72f3a36e21f16e",
        "originalMerchantTransactionId": str(OURS),
        "amount": "9.99",
        "currency": "EUR",
        "reason": "Fraudulent transaction",
        "chargebackDateTime": "2026-11-18 08:30:00 UTC",
    },
}


def fact(told: dict[str, Any], headers: dict[str, str] = HEADERS) -> Fact:
    return read_event(headers, json.dumps(told).encode()).fact


def test_a_debit_that_went_well_is_a_proof_under_their_uuid() -> None:
    event = read_event(HEADERS, json.dumps(DEBIT | {"extraData": {"authCode": "1"}, "returnData": {"_TYPE": "cardData"}}).encode())
    assert event.event_id == "d94c0d72f3a36e21f16e:DEBIT:OK"
    assert event.fact == Paid(OURS, "d94c0d72f3a36e21f16e", Money(999, "eur"), NOON)


@pytest.mark.parametrize("naming", [("errorCode", "errorMessage", int), ("code", "message", str)])
@pytest.mark.parametrize(("code", "kind"), [(2003, Declined), (2006, Declined), (2021, Declined), (2002, Closed), (2005, Closed)])
def test_a_debit_that_did_not_is_told_by_its_code_under_either_name(
    naming: tuple[str, str, type], code: int, kind: type[Declined | Closed]
) -> None:
    code_name, message_name, as_what = naming
    told = DEBIT | {"result": "ERROR", code_name: as_what(code), message_name: "no", "adapterCode": "05"}
    assert fact(told) == kind(OURS, NOON)


def test_an_error_without_any_error_is_a_decline() -> None:
    assert fact(DEBIT | {"result": "ERROR"}) == Declined(OURS, NOON)


def test_what_a_bank_decides_later_is_asked_about_at_once() -> None:
    assert read_event(HEADERS, json.dumps(DEBIT | {"result": "PENDING"}).encode()).fact == Look(OURS)


@pytest.mark.parametrize(
    "change",
    [
        {"result": "INVALID_REQUEST"},
        {"transactionType": "PREAUTHORIZE"},
        {"transactionType": "CAPTURE"},
        {"transactionType": "VOID"},
        {"transactionType": "REGISTER"},
        {"transactionType": "SOMETHING-NEW"},
        {"transactionType": "PAYOUT", "result": "PENDING"},
        {"transactionType": "CHARGEBACK", "result": "PENDING"},
        {"merchantTransactionId": "ord-42"},
        {"merchantTransactionId": None},
        {"merchantTransactionId": OURS.hex},
        {"merchantTransactionId": f"{{{OURS}}}"},
        {"merchantTransactionId": "ord-42", "transactionType": "PAYOUT"},
        {"merchantTransactionId": "ord-42", "transactionType": "REFUND"},
    ],
)
def test_what_says_nothing_or_is_not_ours_is_kept_and_ignored(change: dict[str, Any]) -> None:
    event = read_event(HEADERS, json.dumps(DEBIT | change).encode())
    assert isinstance(event.fact, Irrelevant)
    told = DEBIT | change
    assert event.event_id == f"{told['uuid']}:{told['transactionType']}:{told['result']}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"[]",
        b"\xff",
        b'{"result":"OK"}',
        json.dumps(DEBIT | {"uuid": None}).encode(),
        json.dumps(DEBIT | {"uuid": "x" * 65}).encode(),
        json.dumps(DEBIT | {"uuid": "a:b"}).encode(),
        json.dumps(DEBIT | {"result": {"a": 1}}).encode(),
        json.dumps(DEBIT | {"transactionType": "T" * 41}).encode(),
        json.dumps(DEBIT | {"amount": "9.999"}).encode(),
        json.dumps(DEBIT | {"amount": None}).encode(),
        json.dumps(DEBIT | {"currency": "XXX"}).encode(),
        json.dumps(DEBIT).replace('"9.99"', "9.9900000000000002").encode(),
        json.dumps(DEBIT).replace('"9.99"', "1e999999999").encode(),
        json.dumps(DEBIT).replace('"9.99"', "NaN").encode(),
        b'{"a":' * 100_000,
        b'{"amount":' + b"9" * 100_000 + b"}",
        json.dumps(CHARGEBACK | {"chargebackData": {"amount": "9.99"}}).encode(),
        json.dumps(CHARGEBACK | {"chargebackData": None}).encode(),
        json.dumps(CHARGEBACK | {"transactionType": "CHARGEBACK-REVERSAL", "chargebackReversalData": {"originalUuid": "abc"}}).encode(),
    ],
)
def test_what_cannot_be_read_or_not_exactly_is_never_guessed(body: bytes) -> None:
    with pytest.raises(Permanent):
        read_event(HEADERS, body)


@pytest.mark.parametrize("number", ["9.99", "9.990", "10", "10.0"])
def test_a_number_is_read_from_its_own_text(number: str) -> None:
    body = json.dumps(DEBIT).replace('"9.99"', number).encode()
    told = read_event(HEADERS, body).fact
    assert isinstance(told, Paid)
    assert told.money == Money(1000 if number.startswith("1") else 999, "eur")


# ---- refunds and payouts


def test_a_refund_of_ours_and_one_of_theirs() -> None:
    told = DEBIT | {"transactionType": "REFUND", "uuid": "b1"}
    assert fact(told) == RefundTold(None, OURS, "b1", Money(999, "eur"), "succeeded", NOON - REPEATED_FOR)
    for name in ("referenceUuid", "originalUuid"):
        theirs = fact(told | {"merchantTransactionId": "auto-1", name: "d94c0d72f3a36e21f16e"})
        assert theirs == RefundTold(None, None, "b1", Money(999, "eur"), "succeeded", NOON - REPEATED_FOR, "", "d94c0d72f3a36e21f16e")


def test_a_refunds_failure_is_later_than_its_success_however_often_and_late_that_is_repeated() -> None:
    told = DEBIT | {"transactionType": "REFUND", "uuid": "b1"}
    failed = fact(told | {"result": "ERROR", "errorCode": 1003, "errorMessage": "card closed"})
    assert isinstance(failed, RefundTold)
    assert (failed.outcome, failed.reason, failed.happened_at) == ("failed", "card closed", NOON)
    a_week_later = {"x-date": (NOON + timedelta(days=7)).strftime("%a, %d %b %Y %H:%M:%S GMT")}
    for result in ("OK", "PENDING"):
        repeated = fact(told | {"result": result}, a_week_later)
        assert isinstance(repeated, RefundTold)
        assert repeated.happened_at < failed.happened_at


def test_payouts() -> None:
    told = DEBIT | {"transactionType": "PAYOUT", "uuid": "c1"}
    assert fact(told) == PayoutTold(OURS, "c1", "paid", NOON)
    assert fact(told | {"result": "ERROR", "message": "card closed"}) == PayoutTold(OURS, "c1", "failed", NOON, "card closed")


# ---- chargebacks


@pytest.mark.parametrize("label", ["CHARGEBACK", "DISPUTE"])
@pytest.mark.parametrize("amount", ['"3.33"', "3.33"])
def test_a_chargeback_is_a_transaction_of_its_own_over_our_charge(label: str, amount: str) -> None:
    data = CHARGEBACK["chargebackData"] | {"amount": "THE-AMOUNT"}  # type: ignore[operator]
    body = json.dumps(CHARGEBACK | {"transactionType": label, "chargebackData": data}).replace('"THE-AMOUNT"', amount)
    event = read_event(HEADERS, body.encode())
    assert event.event_id == f"a0000000000000000001:{label}:OK"
    at = datetime(2026, 11, 18, 8, 30, tzinfo=UTC)
    assert event.fact == DisputeTold(OURS, "a0000000000000000001", "opened", Money(333, "eur"), at, "d94c0d72f3a36e21f16e")


@pytest.mark.parametrize("label", ["CHARGEBACK-REVERSAL", "DISPUTE-REVERSAL"])
def test_its_reversal_wins_the_dispute_that_it_opened(label: str) -> None:
    data = {
        "originalUuid": "d94c0d72f3a36e21f16e",
        "originalMerchantTransactionId": "not-ours",
        "chargebackUuid": "a0000000000000000001",
        "amount": 9.99,
        "currency": "EUR",
        "reversalDateTime": "2026-11-19T08:30:00+01:00",
    }
    told = DEBIT | {"uuid": "a2", "merchantTransactionId": "auto-2", "transactionType": label, "chargebackReversalData": data}
    at = datetime(2026, 11, 19, 7, 30, tzinfo=UTC)
    assert fact(told) == DisputeTold(None, "a0000000000000000001", "won", Money(999, "eur"), at, "d94c0d72f3a36e21f16e")


@pytest.mark.parametrize("moment", [None, "", "yesterday", "2026-13-40 00:00:00 UTC", "20 Nov 2026"])
def test_a_chargeback_without_a_time_happened_when_it_was_told(moment: str | None) -> None:
    data = CHARGEBACK["chargebackData"] | {"chargebackDateTime": moment, "amount": None}  # type: ignore[operator]
    told = fact(CHARGEBACK | {"chargebackData": data})
    assert isinstance(told, DisputeTold)
    assert (told.happened_at, told.money) == (NOON, Money(999, "eur"))


# ---- when


@pytest.mark.parametrize(
    ("headers", "at"),
    [
        ({"date": "Fri, 20 Nov 2026 12:00:00 GMT"}, NOON),
        ({"x-date": "Fri, 20 Nov 2026 12:00:00 UTC"}, NOON),
        ({"x-date": "noon", "date": "Fri, 20 Nov 2026 12:00:00 GMT"}, NOON),
        ({"x-date": "Fri, 20 Nov 2026 13:00:00 +0100"}, NOON),
    ],
)
def test_it_happened_when_it_was_signed(headers: dict[str, str], at: datetime) -> None:
    told = fact(DEBIT, headers)
    assert isinstance(told, Paid)
    assert told.happened_at == at


@pytest.mark.parametrize("headers", [{}, {"date": "noon"}, {"x-date": "Fri, 20 Nov 2099 12:00:00 GMT"}])
def test_without_a_date_or_with_one_ahead_of_us_it_happened_now(headers: dict[str, str]) -> None:
    before = utc_now()
    told = fact(DEBIT, headers)
    assert isinstance(told, Paid)
    assert before <= told.happened_at <= utc_now()
