"""What of a provider's proof finds no place, whose it may become, and what that moves in the book."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from services.payments.domain import payments, suspense
from services.payments.domain.facts import Declined, Paid
from services.payments.domain.payments import Mismatch, Moved, Payment, Status, Unchanged
from services.payments.domain.suspense import Decided, Item
from shared.contracts.base import new_id
from shared.contracts.payment_commands import Refused
from shared.money import Money

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
REFUSED = Refused(code="method_not_available", detail="no", request_id="r")


def a_payment(**changes: Any) -> Payment:
    fields: dict[str, Any] = {
        "payment_id": new_id(),
        "session_id": new_id(),
        "user_id": "1",
        "kind": "deposit",
        "provider": "mock",
        "money": Money(5_000, "usd"),
        "status": Status.PENDING,
        "locale": "en",
        "correlation_id": "request-1",
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Payment(**(fields | changes))


def paid(payment: Payment, amount_minor: int = 5_000, currency: str = "usd", charge: str = "ch_1") -> Paid:
    assert payment.session_id is not None
    return Paid(payment.session_id, charge, Money(amount_minor, currency), NOON)


def kept(payment: Payment, fact: Paid) -> Item | None:
    return suspense.kept(fact, payments.settle(payment, fact), payment, payment.provider, "event-1", NOON)


def an_item(**changes: Any) -> Item:
    payment = a_payment()
    item = kept(payment, paid(payment, 4_000))
    assert item is not None
    return replace(item, **changes)


@pytest.mark.parametrize("status", [Status.PENDING, Status.FAILED, Status.EXPIRED, Status.CANCELED])
def test_money_as_asked_completes_whatever_the_payment_was_and_leaves_nothing(status: Status) -> None:
    payment = a_payment(status=status)

    decision = payments.settle(payment, paid(payment))

    assert isinstance(decision, Moved)
    assert (decision.payment.status, decision.payment.charge_reference, decision.rest_minor) == (Status.COMPLETED, "ch_1", 0)
    assert kept(payment, paid(payment)) is None


@pytest.mark.parametrize(
    ("changes", "fact", "reason"),
    [
        ({}, (5_000, "eur"), "currency_mismatch"),
        ({}, (9_000, "eur"), "currency_mismatch"),
        ({}, (4_999, "usd"), "less_than_asked"),
        ({"status": Status.EXPIRED}, (1, "usd"), "less_than_asked"),
        ({"status": Status.FAILED, "refusal": REFUSED}, (5_000, "usd"), "refused_payment"),
        ({"user_id": None, "kind": "order", "status": Status.COMPLETED, "charge_reference": "ch_0"}, (5_000, "usd"), "second_payment"),
    ],
)
def test_money_that_does_not_fit_is_kept_whole_and_open(changes: dict[str, Any], fact: tuple[int, str], reason: str) -> None:
    payment = a_payment(**changes)

    item = kept(payment, paid(payment, *fact))

    assert item is not None
    assert (item.reason, item.part, item.status, item.decided) == (reason, "all", "open", None)
    assert (item.money, item.payment_id, item.charge_reference) == (Money(*fact), payment.payment_id, "ch_1")
    assert payments.settle(payment, paid(payment, *fact)) == Mismatch(reason)


def test_of_more_than_was_asked_the_payment_is_completed_and_the_rest_is_kept() -> None:
    payment = a_payment()

    decision = payments.settle(payment, paid(payment, 7_500))
    item = kept(payment, paid(payment, 7_500))

    assert isinstance(decision, Moved)
    assert decision.payment.money == Money(5_000, "usd"), "credited as it was asked for"
    assert item is not None
    assert (item.money.amount_minor, item.part, item.reason, item.decided) == (2_500, "rest", "more_than_asked", None)


def test_what_names_nothing_of_ours_is_kept_without_a_payment_and_a_refusal_of_it_is_no_money() -> None:
    stranger = a_payment()
    fact = paid(stranger)
    assert stranger.session_id is not None

    item = suspense.kept(fact, payments.settle(None, fact), None, "mock", "event-1", NOON)

    assert item is not None
    assert (item.reason, item.payment_id, item.session_id) == ("unknown_reference", None, stranger.session_id)
    assert payments.settle(None, Declined(stranger.session_id, NOON)) == Mismatch("unknown_reference")


def test_a_second_charge_of_somebody_we_know_is_theirs_by_rule_whatever_its_sum() -> None:
    payment = a_payment(status=Status.COMPLETED, charge_reference="ch_0")

    item = kept(payment, paid(payment, 1_234))

    assert item is not None
    assert item.decided is not None
    assert (item.decided.decision, item.decided.user_id, item.decided.by) == ("assign_user", "1", "system")
    assert payments.settle(payment, paid(payment, 1_234, charge="ch_0")) == Unchanged(), "the same charge again is no second one"


def test_what_an_item_can_pay() -> None:
    item = an_item()
    fits = a_payment(money=item.money)

    assert suspense.why_not_assignable(item, fits) is None
    assert suspense.why_not_assignable(item, replace(fits, status=Status.EXPIRED)) is None
    assert suspense.why_not_assignable(item, replace(fits, status=Status.COMPLETED)) == "already_paid"
    assert suspense.why_not_assignable(item, replace(fits, money=Money(4_001, "usd"))) == "amount_mismatch"
    assert suspense.why_not_assignable(item, replace(fits, money=Money(4_000, "eur"))) == "amount_mismatch"
    assert suspense.why_not_assignable(item, replace(fits, provider="stripe")) == "payment_not_assignable"
    assert suspense.why_not_assignable(item, replace(fits, refusal=REFUSED)) == "payment_not_assignable"


def test_a_payment_that_an_item_pays_has_the_items_charge_and_its_name_in_the_book() -> None:
    item = an_item()

    done = suspense.paid_by(item, a_payment(money=item.money, status=Status.EXPIRED), NOON)

    assert (done.status, done.charge_reference, done.credit_reference) == (
        Status.COMPLETED,
        item.charge_reference,
        f"suspense:{item.item_id}:assigned",
    )


def decided(decision: Any, **changes: Any) -> Decided:
    return Decided(decision, new_id(), "user:9", NOON, **changes)


def legs_of(item: Item, choice: Decided, payment: Payment | None = None) -> tuple[str, list[tuple[str, str, int]]]:
    command = suspense.left(item, choice, payment)
    legs = [(f"{leg.source.kind}:{leg.source.owner}", f"{leg.target.kind}:{leg.target.owner}", leg.amount_minor) for leg in command.legs]
    return command.reference.removeprefix(f"suspense:{item.item_id}"), legs


def test_the_money_enters_suspense_and_leaves_it_as_it_was_decided() -> None:
    item = an_item()
    mentors = a_payment(kind="payment", mentor_id="2", coaching_session_id="1", money=item.money, fee_minor=400)
    order = a_payment(kind="order", order_id=new_id(), user_id=None, money=item.money)

    assert suspense.received(item).reference == f"suspense:{item.item_id}:received"
    assert [(leg.source.kind, leg.target.kind, leg.amount_minor) for leg in suspense.received(item).legs] == [
        ("clearing", "suspense", 4_000)
    ]
    assert legs_of(item, decided("assign_user", user_id="7")) == (":assigned", [("suspense:mock", "user:7", 4_000)])
    assert legs_of(item, decided("assign_payment", payment_id=mentors.payment_id), mentors) == (
        ":assigned",
        [("suspense:mock", "user:2", 3_600), ("suspense:mock", "fees:platform", 400)],
    )
    assert legs_of(item, decided("assign_payment"), order) == (":assigned", [("suspense:mock", "revenue:platform", 4_000)])
    assert legs_of(item, decided("refund")) == (":refunded", [("suspense:mock", "clearing:mock", 4_000)])
    assert legs_of(item, decided("write_off")) == (":written-off", [("suspense:mock", "revenue:platform", 4_000)])
