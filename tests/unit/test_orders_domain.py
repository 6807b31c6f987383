"""What an order's payments and its delivery make of it, in words; and what is shown of whom to reach."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.payments.domain import orders
from services.payments.domain.facts import Declined, Paid
from services.payments.domain.orders import Matched, Order
from services.payments.domain.payments import Mismatch, Moved, Payment, Status, Unchanged
from shared.contracts.payment_commands import Refused
from shared.money import Money

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SUM = Money(99_000, "rsd")
ORDER = Order(
    order_id=UUID(int=1),
    product="chakras",
    caller="guest:x",
    user_id=None,
    title="Reading",
    money=SUM,
    locale="en",
    fulfilment="waiting",
    correlation_id="r",
    created_at=NOW,
    updated_at=NOW,
)


def session(number: int, status: Status = Status.PENDING, **changes: object) -> Payment:
    made = Payment(
        payment_id=UUID(int=10 + number),
        session_id=UUID(int=20 + number),
        user_id=None,
        kind="order",
        provider="mock",
        money=SUM,
        status=status,
        locale="en",
        correlation_id="r",
        created_at=NOW + timedelta(minutes=number),
        updated_at=NOW,
        expires_at=NOW + timedelta(hours=1),
        order_id=ORDER.order_id,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def proof(of: Payment, charge: str = "ch_1", money: Money = SUM) -> Paid:
    assert of.session_id is not None
    return Paid(of.session_id, charge, money, NOW)


PAID = session(1, Status.COMPLETED, charge_reference="ch_1", completed_at=NOW)
PAID_ORDER = orders.paid_by(ORDER, PAID)
MARKED = replace(PAID_ORDER, marked_reference="ch_1")


@pytest.mark.parametrize(
    ("sessions", "told"),
    [
        ([session(1)], "pending"),
        ([session(1, Status.FAILED)], "pending"),
        ([session(1, Status.CANCELED)], "pending"),
        ([session(1, Status.EXPIRED)], "expired"),
        ([session(1, expires_at=NOW)], "expired"),
        ([session(1, Status.EXPIRED), session(2)], "pending"),
        ([session(1), session(2, Status.EXPIRED)], "pending"),
        ([session(1, Status.FAILED), session(2, Status.EXPIRED)], "expired"),
    ],
)
def test_a_failed_session_is_not_the_orders_end(sessions: list[Payment], told: str) -> None:
    assert orders.told_at(ORDER, sessions, NOW) == told


@pytest.mark.parametrize(
    ("fulfilment", "told"), [("none", "paid"), ("due", "paid"), ("fulfilled", "fulfilled"), ("failed", "fulfilment_failed")]
)
def test_a_paid_orders_status_is_its_deliverys(fulfilment: orders.Fulfilment, told: str) -> None:
    sessions = [PAID, session(2, Status.EXPIRED)]
    assert orders.told_at(replace(PAID_ORDER, fulfilment=fulfilment), sessions, NOW) == told
    assert orders.told_at(replace(PAID_ORDER, fulfilment=fulfilment), [replace(PAID, refunded_minor=1)], NOW) == "partially_refunded"


def test_a_refused_order_is_failed_and_nothing_is_due_of_it() -> None:
    refused = orders.refuse(ORDER, Refused(code="method_not_available", detail="none", request_id="r"))
    assert orders.told_at(refused, [session(1, Status.FAILED)], NOW) == "failed"
    assert refused.fulfilment == "none"


def test_the_first_proof_pays_the_order() -> None:
    decision = orders.settle(ORDER, None, session(1), proof(session(1)))
    assert isinstance(decision, Moved)
    assert decision.payment.status is Status.COMPLETED
    assert orders.paid_by(ORDER, decision.payment).fulfilment == "due"
    assert orders.paid_by(replace(ORDER, fulfilment="none"), decision.payment).fulfilment == "none"


def test_another_session_of_a_paid_order_does_not_complete() -> None:
    other = session(2)
    assert orders.settle(PAID_ORDER, PAID, other, proof(other, "ch_2")) == Mismatch("second_payment")
    assert orders.settle(PAID_ORDER, PAID, PAID, proof(PAID, "ch_2")) == Mismatch("second_payment")
    assert orders.settle(PAID_ORDER, PAID, PAID, proof(PAID)) == Unchanged()
    declined = orders.settle(PAID_ORDER, PAID, other, Declined(UUID(int=22), NOW))
    assert isinstance(declined, Moved), "a refusal still ends its own session"


@pytest.mark.parametrize("charge", ["ch_1", "ch_real"])
@pytest.mark.parametrize("through", [PAID, session(2)], ids=["its own session", "an earlier one"])
def test_a_marked_orders_first_proof_is_its_match_and_keeps_its_booking(charge: str, through: Payment) -> None:
    decision = orders.settle(MARKED, PAID, through, proof(through, charge))
    assert isinstance(decision, Matched)
    assert (decision.payment.payment_id, decision.payment.charge_reference) == (PAID.payment_id, charge)
    assert decision.payment.credit_reference == PAID.credit_reference == "mock:ch_1"


@pytest.mark.parametrize(
    ("order", "through", "money", "reason"),
    [
        (replace(MARKED, matched=True), PAID, SUM, "second_payment"),
        (MARKED, session(2, provider="other"), SUM, "second_payment"),
        (MARKED, session(2), Money(1, "rsd"), "less_than_asked"),
        (MARKED, session(2), Money(99_000, "usd"), "currency_mismatch"),
    ],
)
def test_what_is_no_match(order: Order, through: Payment, money: Money, reason: str) -> None:
    assert orders.settle(order, PAID, through, proof(through, "ch_2", money)) == Mismatch(reason)


@pytest.mark.parametrize(("email", "shown"), [("ana@example.rs", "a***@example.rs"), ("a@b.rs", "a***@b.rs"), (None, None)])
def test_an_address_is_masked(email: str | None, shown: str | None) -> None:
    assert orders.masked_email(email) == shown


@pytest.mark.parametrize(("phone", "shown"), [("+381 60 123-45-67", "***4567"), ("12345", "***2345"), ("", None), (None, None)])
def test_a_phone_is_masked(phone: str | None, shown: str | None) -> None:
    assert orders.masked_phone(phone) == shown
