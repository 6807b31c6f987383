"""A day of our book beside what a provider says of it: where the two differ, in words for whoever has to look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.payments.domain.payments import Payment, Status
from shared.money import Money


@dataclass(frozen=True, slots=True)
class Difference:
    """`what`: paid there and not here, completed here and not paid there, another sum, another charge, refunded there and not here, or
    refunded here and not there. `reference`: the provider's where it is known, else ours."""

    what: str
    reference: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class OurRefund:
    """A refund as we have it. `charged`: the charge that it sends back."""

    refund_id: UUID
    provider_reference: str | None
    charged: str | None
    money: Money
    state: str
    created_at: datetime

    @property
    def is_back(self) -> bool:
        return self.state in ("succeeded", "reversing")


def charge(ours: Payment | None, reference: str, money: Money, *, elsewhere: str | None = None) -> Difference | None:
    """One charge that was paid there under our reference; `elsewhere`: where else its money is with us (suspense)."""
    if ours is None or ours.status is not Status.COMPLETED:
        return None if elsewhere is not None else Difference("paid there and not here", reference, _told(ours), _money(money))
    if ours.charge_reference != reference:
        return None if elsewhere is not None else Difference("another charge", reference, ours.charge_reference or "none", reference)
    if ours.money != money and elsewhere is None:
        return Difference("another sum", reference, _money(ours.money), _money(money))
    return None


def missing_charge(ours: Payment) -> Difference:
    """Completed here, and the provider does not know it as paid."""
    return Difference("completed here and not paid there", ours.charge_reference or str(ours.session_id), _told(ours), "nothing")


def refund(ours: OurRefund | None, reference: str, theirs: str, money: Money) -> Difference | None:
    """One refund as the provider has it."""
    if theirs == "succeeded" and (ours is None or not ours.is_back):
        return Difference("refunded there and not here", reference, "nothing" if ours is None else ours.state, _money(money))
    if theirs == "failed" and ours is not None and ours.is_back:
        return Difference("refunded here and not there", reference, ours.state, theirs)
    if theirs == "succeeded" and ours is not None and ours.money != money:
        return Difference("another sum", reference, _money(ours.money), _money(money))
    return None


def missing_refund(ours: OurRefund) -> Difference:
    """Back here, and the provider lists no such refund."""
    return Difference("refunded here and not there", ours.provider_reference or str(ours.refund_id), _money(ours.money), "nothing")


def _told(payment: Payment | None) -> str:
    return "nothing" if payment is None else f"{payment.status.value}, {_money(payment.money)}"


def _money(money: Money) -> str:
    return f"{money.major} {money.currency}"
