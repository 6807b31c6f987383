"""What each frame says, to the byte where a client could depend on it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.notifier.frames import Balance, payment_text, snapshot_text, updated_text, with_updates_truncated, withdrawal_text
from shared.contracts.payment_events import PaymentUpdated
from shared.contracts.wallet_events import BalanceChanged
from tests.payment_events import updated, withdrawn

PAYMENT = UUID("0198c0de-0000-7000-8000-000000000001")


def changed(version: int, available_minor: int, change_minor: int, *, currency: str = "rsd", **more: Any) -> BalanceChanged:
    return BalanceChanged(
        correlation_id="c-1",
        occurred_at=datetime(2026, 11, 21, 8, 0, 0, 250_000, tzinfo=UTC),
        user_id="1",
        currency=currency,
        available_minor=available_minor,
        held_minor=more.pop("held_minor", 0),
        version=version,
        change_minor=change_minor,
        kind="deposit",
        payment_id=more.pop("payment_id", PAYMENT),
    )


def read(text: bytes) -> dict[str, Any]:
    frame = json.loads(text, parse_float=Decimal)
    assert isinstance(frame, dict)
    return frame


def test_an_update_has_every_field_of_the_contract_and_exact_numbers() -> None:
    assert updated_text([changed(7, 200_000, 150_000, held_minor=5)], truncated=False) == (
        b'{"type":"balance.updated","currency":"rsd","available":2000.00,"available_minor":200000,"held":0.05,"held_minor":5,"version":7,'
        b'"change":1500.00,"change_minor":150000,"kind":"deposit","payment_id":"0198c0de-0000-7000-8000-000000000001",'
        b'"occurred_at":"2026-11-21T08:00:00.250000Z",'
        b'"changes":[{"version":7,"change_minor":150000,"kind":"deposit","payment_id":"0198c0de-0000-7000-8000-000000000001"}]}'
    )


def test_the_fields_beside_the_changes_are_the_newest_ones() -> None:
    frame = read(updated_text([changed(7, 100, 100), changed(8, 70, -30, payment_id=None)], truncated=True))
    assert (frame["version"], frame["available_minor"], frame["change_minor"], frame["change"]) == (8, 70, -30, Decimal("-0.30"))
    assert frame["payment_id"] is None
    assert [change["version"] for change in frame["changes"]] == [7, 8]
    assert frame["changes_truncated"] is True


@pytest.mark.parametrize(
    ("currency", "minor", "major"),
    [("jpy", 5000, "5000"), ("kwd", 5001, "5.001"), ("usd", 10**15 + 1, "10000000000000.01"), ("usd", -7, "-0.07")],
)
def test_major_units_have_their_currencys_decimals_and_no_rounding(currency: str, minor: int, major: str) -> None:
    assert read(updated_text([changed(1, minor, minor, currency=currency)], truncated=False))["available"] == Decimal(major)


def test_times_are_told_in_utc_with_z_whatever_zone_they_came_in() -> None:
    there = changed(1, 1, 1).model_copy(update={"occurred_at": datetime(2026, 11, 21, 9, 0, tzinfo=timezone(timedelta(hours=1)))})
    assert read(updated_text([there], truncated=False))["occurred_at"] == "2026-11-21T08:00:00Z"
    through_json = BalanceChanged.model_validate_json(there.model_dump_json())
    assert read(updated_text([through_json], truncated=False))["occurred_at"] == "2026-11-21T08:00:00Z"


def test_a_snapshot_lists_every_currency_and_an_account_that_never_moved_has_none() -> None:
    assert snapshot_text([Balance("usd", 150, 0, 2), Balance("rsd", 200_000, 100, 9)]) == (
        b'{"type":"balance.snapshot","balances":['
        b'{"currency":"rsd","available":2000.00,"available_minor":200000,"held":1.00,"held_minor":100,"version":9},'
        b'{"currency":"usd","available":1.50,"available_minor":150,"held":0.00,"held_minor":0,"version":2}]}'
    )
    assert snapshot_text([]) == b'{"type":"balance.snapshot","balances":[]}'


def test_a_payment_has_every_field_of_the_contract_and_exact_numbers() -> None:
    assert payment_text(updated("partially_refunded", payment=PAYMENT, refunded_amount_minor=2005)) == (
        b'{"type":"payment.updated","payment_id":"0198c0de-0000-7000-8000-000000000001","status":"partially_refunded","kind":"payment",'
        b'"method":"mock","amount":50.00,"amount_minor":5000,"currency":"usd","refunded_amount":20.05,"refunded_amount_minor":2005,'
        b'"updated_at":"2026-11-21T12:00:00Z"}'
    )


def test_a_withdrawal_has_every_field_of_the_contract_and_exact_numbers() -> None:
    rejected = withdrawn("rejected", withdrawal=PAYMENT, seconds=0.25, reason='no "such" account')
    assert withdrawal_text(rejected) == (
        b'{"type":"withdrawal.updated","withdrawal_id":"0198c0de-0000-7000-8000-000000000001","status":"rejected","amount":2000.50,'
        b'"amount_minor":200050,"currency":"rsd","reason":"no \\"such\\" account","updated_at":"2026-11-21T12:00:00.250000Z"}'
    )
    assert read(withdrawal_text(withdrawn("paid")))["reason"] is None


@pytest.mark.parametrize(
    ("currency", "minor", "major"), [("jpy", 5000, "5000"), ("kwd", 5001, "5.001"), ("usd", 10**15 - 1, "9999999999999.99")]
)
def test_amounts_of_payments_and_withdrawals_have_their_currencys_decimals_and_no_rounding(currency: str, minor: int, major: str) -> None:
    payment = read(payment_text(updated("refunded", amount_minor=minor, refunded_amount_minor=minor, currency=currency)))
    withdrawal = read(withdrawal_text(withdrawn("paid", amount_minor=minor, currency=currency)))
    assert (payment["amount"], payment["refunded_amount"], withdrawal["amount"]) == (Decimal(major),) * 3


def test_a_payments_time_is_told_in_utc_with_z_whatever_zone_it_came_in() -> None:
    there = updated("failed", updated_at=datetime(2026, 11, 21, 9, 0, tzinfo=timezone(timedelta(hours=1))))
    assert read(payment_text(there))["updated_at"] == "2026-11-21T08:00:00Z"
    assert read(payment_text(PaymentUpdated.model_validate_json(there.model_dump_json())))["updated_at"] == "2026-11-21T08:00:00Z"


def test_a_frame_after_others_that_were_let_go_says_so_and_nothing_else_changes() -> None:
    text = payment_text(updated("failed"))
    assert read(with_updates_truncated(text)) == read(text) | {"updates_truncated": True}
