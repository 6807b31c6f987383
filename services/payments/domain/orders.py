"""What an order is and may become: paid once, by whichever of its sessions or by an admin's word; then delivered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID

from services.payments.domain import payments
from services.payments.domain.facts import Paid, SessionFact
from services.payments.domain.payments import Decision, Mismatch, Moved, Payment, Status, Unchanged
from shared.contracts.payment_commands import Refused
from shared.money import Money

Fulfilment = Literal["none", "waiting", "due", "fulfilled", "failed"]

SESSIONS_MAX: Final = 20
"""Of one order: whoever has tried so often needs somebody to help them."""


@dataclass(frozen=True, slots=True)
class Form:
    """The personal part of an order: whom to reach, and what the product is made from."""

    email: str | None
    phone: str | None
    birth_date: date | None = None
    points: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """An order without its personal data, which is gone when it is `pruned`. `marked_reference`: paid by an admin's word under it;
    `matched`: the provider has told since."""

    order_id: UUID
    product: str
    caller: str
    user_id: str | None
    title: str
    money: Money
    locale: str
    fulfilment: Fulfilment
    correlation_id: str
    created_at: datetime
    updated_at: datetime
    failure: str | None = None
    paid_payment_id: UUID | None = None
    marked_reference: str | None = None
    matched: bool = False
    external_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    refusal: Refused | None = None
    pruned: bool = False


def in_log(order_id: UUID) -> str:
    """What a log shows of an order's id: enough to find the order by. All of it opens what was bought."""
    return str(order_id)[:18]


@dataclass(frozen=True, slots=True)
class Matched:
    """The provider's own word on a payment that an admin had marked as paid: booked already, now under the charge's real reference."""

    payment: Payment


def refuse(order: Order, refusal: Refused) -> Order:
    """An order that is refused before anything was done for it."""
    return replace(order, refusal=refusal, fulfilment="none")


def paid_by(order: Order, payment: Payment) -> Order:
    return replace(order, paid_payment_id=payment.payment_id, fulfilment="due" if order.fulfilment == "waiting" else order.fulfilment)


def settle(order: Order, paid: Payment | None, payment: Payment, fact: SessionFact) -> Decision | Matched:
    """What `fact` does to `payment`, one of the order's sessions; `paid` is the one that has paid the order, if one has."""
    decision = payments.settle(payment, fact)
    if paid is None or not isinstance(fact, Paid):
        return decision
    if paid.provider == payment.provider:
        if order.marked_reference is not None and not order.matched and fact.money == paid.money:
            return Matched(replace(paid, charge_reference=fact.charge_reference, booked_as=paid.credit_reference))
        if paid.charge_reference == fact.charge_reference:
            return Unchanged()
    return Mismatch("second_payment") if isinstance(decision, Moved) else decision


def told_at(order: Order, sessions: Sequence[Payment], now: datetime) -> str:
    """The order's status as it is told; `sessions` in the order in which they were made."""
    if order.refusal is not None:
        return "failed"
    paid = next((one for one in sessions if one.payment_id == order.paid_payment_id), None)
    if paid is not None:
        told = paid.told_at(now)
        if told != Status.COMPLETED:
            return told
        return {"fulfilled": "fulfilled", "failed": "fulfilment_failed"}.get(order.fulfilment, "paid")
    statuses = [one.told_at(now) for one in sessions]
    # A declined or canceled attempt is not the order's end: it waits for another.
    return "expired" if statuses and statuses[-1] == Status.EXPIRED and Status.PENDING not in statuses else "pending"


def masked_email(email: str | None) -> str | None:
    """t***@user.rs: enough for its owner to know it again."""
    if email is None:
        return None
    name, _, host = email.partition("@")
    return f"{name[:1]}***@{host}"


def masked_phone(phone: str | None) -> str | None:
    """***4567."""
    digits = "".join(character for character in phone or "" if character.isdigit())
    return f"***{digits[-4:]}" if digits else None
