"""Kiosk's objects as far as they say anything to us, and what its notifications mean."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, StringConstraints, ValidationError

from services.payments.domain.facts import Closed, DisputeTold, Fact, Irrelevant, Paid, RefundTold
from services.payments.providers.base import ProviderEvent
from shared.delivery.errors import Permanent
from shared.money import Money, MoneyError, parse_major

_Id = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,255}\z")]
_Text = Annotated[str, StringConstraints(max_length=500)]


class _Sum(BaseModel):
    id: _Id
    amount: _Text
    currency: _Text
    changed_at: AwareDatetime

    @property
    def money(self) -> Money:
        """MoneyError when it is not a whole number of our minor units."""
        return parse_major(self.amount, self.currency)


class Payment(_Sum):
    reference: _Text
    state: Literal["open", "paid", "cancelled"]
    pay_url: _Text


class Refund(_Sum):
    reference: _Text | None
    payment: _Id
    state: Literal["pending", "done", "failed"]
    reason: _Text


class Dispute(_Sum):
    payment: _Id


class _Notification(BaseModel):
    id: _Id
    type: _Text
    at: AwareDatetime
    about: dict[str, object]


def read_event(body: bytes) -> ProviderEvent:
    """Permanent when it cannot be read."""
    try:
        told = _Notification.model_validate_json(body)
        return ProviderEvent(told.id, _fact(told))
    except (ValidationError, MoneyError) as error:
        raise Permanent("not a notification of Kiosk") from error


def our_id(reference: str) -> UUID | None:
    """Our ids are UUIDs as we write them; anything else is another system's on the same account."""
    try:
        parsed = UUID(reference)
    except ValueError:
        return None
    return parsed if str(parsed) == reference else None


def _fact(told: _Notification) -> Fact:
    match told.type:
        case "payment.paid" | "payment.cancelled":
            payment = Payment.model_validate(told.about)
            session_id = our_id(payment.reference)
            if session_id is None:
                return Irrelevant("no payment of ours")
            return Paid(session_id, payment.id, payment.money, told.at) if told.type == "payment.paid" else Closed(session_id, told.at)
        case "payment.declined":
            return Irrelevant("attempt declined")
        case "refund.done" | "refund.failed":
            refund = Refund.model_validate(told.about)
            refund_id = None if refund.reference is None else our_id(refund.reference)
            if refund.reference is not None and refund_id is None:
                return Irrelevant("no refund of ours")
            outcome: Literal["succeeded", "failed"] = "succeeded" if told.type == "refund.done" else "failed"
            # Kiosk names its payment only, which says whose it is: the session is found by it.
            return RefundTold(None, refund_id, refund.id, refund.money, outcome, told.at, refund.reason, refund.payment)
        case "dispute.opened" | "dispute.won" | "dispute.lost":
            dispute = Dispute.model_validate(told.about)
            events: dict[str, Literal["opened", "won", "lost"]] = {"opened": "opened", "won": "won", "lost": "lost"}
            return DisputeTold(None, dispute.id, events[told.type.rpartition(".")[2]], dispute.money, told.at, dispute.payment)
        case kind:
            return Irrelevant(f"type {kind[:40]}")
