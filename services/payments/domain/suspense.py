"""Money that does not fit: what of a provider's proof is kept apart, whose it may become, and what that moves in the book."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from services.payments.domain.facts import KEY_LIFE, Paid
from services.payments.domain.payments import Decision, Mismatch, Moved, Payment, Status, completed
from shared.contracts.base import new_id
from shared.contracts.wallet_commands import Account, EntryKind, Leg, MoveFunds
from shared.money import Money

Part = Literal["all", "rest"]
ItemStatus = Literal["open", "assigned", "refunded", "written_off"]
ItemDecision = Literal["assign_user", "assign_payment", "refund", "write_off"]
RefundState = Literal["sent", "pending", "settled"]
"""It may have reached the provider; the provider has it and tells later; the money has left there."""

BY_RULE: Final = "system"
"""Who decided that a second charge belongs to the payer whom we know."""

STATUS_OF: Final[dict[ItemDecision, ItemStatus]] = {
    "assign_user": "assigned",
    "assign_payment": "assigned",
    "refund": "refunded",
    "write_off": "written_off",
}

_REVENUE: Final = Account(kind="revenue", owner="platform")
_FEES: Final = Account(kind="fees", owner="platform")


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of an item, and by whose word. `decision_id` names it: a refund's key at the provider."""

    decision: ItemDecision
    decision_id: UUID
    by: str
    at: datetime
    user_id: str | None = None
    payment_id: UUID | None = None
    reference: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """`part` of the charge: all of it, or the rest beyond what was asked for. `session_id` is what the provider named as ours.
    `received`: the book has the money in suspense."""

    item_id: UUID
    provider: str
    charge_reference: str
    part: Part
    session_id: UUID
    payment_id: UUID | None
    money: Money
    reason: str
    correlation_id: str
    created_at: datetime
    status: ItemStatus = "open"
    received: bool = False
    decided: Decided | None = None
    refund_state: RefundState | None = None
    refund_reference: str | None = None
    refund_sent_at: datetime | None = None

    @property
    def reference(self) -> str:
        """Wallet's name of it; what moves its money is named after it."""
        return f"suspense:{self.item_id}"


# ---- what is kept apart


def kept(fact: Paid, decision: Decision, payment: Payment | None, provider: str, correlation_id: str, now: datetime) -> Item | None:
    """What of a proof of payment has found no place, if anything. A second charge of a payer whom we know is theirs by rule."""
    match decision:
        case Mismatch(reason):
            part: Part = "all"
            money = fact.money
        case Moved(_, rest_minor) if rest_minor > 0:
            part, reason = "rest", "more_than_asked"
            money = Money(rest_minor, fact.money.currency)
        case _:
            return None
    item = Item(
        item_id=new_id(),
        provider=provider,
        charge_reference=fact.charge_reference,
        part=part,
        session_id=fact.session_id,
        payment_id=None if payment is None else payment.payment_id,
        money=money,
        reason=reason,
        correlation_id=correlation_id,
        created_at=now,
    )
    if reason == "second_payment" and payment is not None and payment.user_id is not None:
        return replace(item, decided=Decided("assign_user", new_id(), BY_RULE, now, user_id=payment.user_id))
    return item


def come_back(item: Item, reason: str, now: datetime) -> Item:
    """The provider has failed a refund of the item after it had succeeded: the same money is there again, under the refund's reference."""
    assert item.refund_reference is not None
    return Item(
        item_id=new_id(),
        provider=item.provider,
        charge_reference=item.refund_reference,
        part="all",
        session_id=item.session_id,
        payment_id=item.payment_id,
        money=item.money,
        reason=reason,
        correlation_id=item.correlation_id,
        created_at=now,
    )


# ---- what may be decided


def why_not_assignable(item: Item, payment: Payment) -> str | None:
    """The refusal's code, in the contract's words; None when the item can pay the payment. Another provider's money cannot: a refund of
    the payment would be asked for where nobody has its charge."""
    if payment.status is Status.COMPLETED:
        return "already_paid"
    if payment.refusal is not None or payment.session_id is None or payment.provider != item.provider:
        return "payment_not_assignable"
    if payment.money != item.money:
        return "amount_mismatch"
    return None


def paid_by(item: Item, payment: Payment, now: datetime) -> Payment:
    """The payment as the item completes it: booked out of suspense, under the item's name."""
    return replace(completed(payment, item.charge_reference, now), booked_as=assigned_reference(item))


def may_be_sent_again(item: Item, now: datetime) -> bool:
    """Does the provider still know the refund's key?"""
    return item.refund_sent_at is None or now < item.refund_sent_at + KEY_LIFE


# ---- what moves in the book


def assigned_reference(item: Item) -> str:
    return f"{item.reference}:assigned"


def received(item: Item) -> MoveFunds:
    """The money enters the book."""
    return _move(item, "received", "adjustment", _leg(_clearing(item), _suspense(item), item.money.amount_minor))


def left(item: Item, decided: Decided, payment: Payment | None) -> MoveFunds:
    """The money leaves suspense as it was decided; `payment`: the one that it is assigned to."""
    amount_minor = item.money.amount_minor
    match decided.decision:
        case "assign_user":
            assert decided.user_id is not None
            to_user = _leg(_suspense(item), Account(kind="user", owner=decided.user_id), amount_minor)
            return _move(item, "assigned", "adjustment", to_user)
        case "assign_payment":
            assert payment is not None
            return _pays(item, payment)
        case "refund":
            return _move(item, "refunded", "refund", _leg(_suspense(item), _clearing(item), amount_minor))
        case "write_off":
            return _move(item, "written-off", "adjustment", _leg(_suspense(item), _REVENUE, amount_minor))


def _pays(item: Item, payment: Payment) -> MoveFunds:
    """As the payment's completion is booked, but out of suspense."""
    owner = payment.credited_id
    target = _REVENUE if owner is None else Account(kind="user", owner=owner)
    legs = [_leg(_suspense(item), target, payment.money.amount_minor - payment.fee_minor)]
    if payment.fee_minor:
        legs.append(_leg(_suspense(item), _FEES, payment.fee_minor, "fee"))
    kind: EntryKind = "deposit" if payment.kind == "deposit" else "payment"
    return _move(item, "assigned", kind, *legs).model_copy(update={"payment_id": payment.payment_id, "description": payment.description})


def _move(item: Item, step: str, kind: EntryKind, *legs: Leg) -> MoveFunds:
    return MoveFunds(
        reference=f"{item.reference}:{step}",
        kind=kind,
        currency=item.money.currency,
        legs=legs,
        payment_id=item.payment_id,
        correlation_id=item.correlation_id,
    )


def _leg(source: Account, target: Account, amount_minor: int, kind: EntryKind | None = None) -> Leg:
    return Leg(source=source, target=target, amount_minor=amount_minor, kind=kind)


def _clearing(item: Item) -> Account:
    return Account(kind="clearing", owner=item.provider)


def _suspense(item: Item) -> Account:
    return Account(kind="suspense", owner=item.provider)
