"""Disputes: who bears what the provider takes out of a charge, what moves in the book, and what the payment is told to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from services.payments.domain.facts import DisputeTold
from services.payments.domain.fees import fee_share
from services.payments.domain.payments import DisputeStatus, Payment
from shared.contracts.base import new_id
from shared.contracts.wallet_commands import Account, Leg, MoveFunds
from shared.money import Money

Outcome = Literal["won", "lost"]


class State(StrEnum):
    """What comes next: FREEING waits until it is known what refunds under way take, and looks whether the owner's unsent withdrawals have
    to give way; OPENING takes the money, CLOSING gives it back. OPEN, WON and LOST are at rest."""

    FREEING = "freeing"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    WON = "won"
    LOST = "lost"


AT_REST: Final = frozenset({State.OPEN, State.WON, State.LOST})


@dataclass(frozen=True, slots=True)
class Dispute:
    """`money` is what the provider took: `owner_minor` of it from whoever was credited (`owner_id` none: the platform's revenue),
    `fee_minor` out of the fee, `loss_minor` the platform's. `outcome`: how the provider says that it has ended."""

    dispute_id: UUID
    payment_id: UUID
    provider: str
    dispute_reference: str
    money: Money
    owner_id: str | None
    owner_minor: int
    fee_minor: int
    loss_minor: int
    state: State
    correlation_id: str
    outcome: Outcome | None = None

    @property
    def reference(self) -> str:
        return f"dispute:{self.dispute_id}"


@dataclass(frozen=True, slots=True)
class GoneBefore:
    """What of a payment has gone back with refunds (also those under way) and with other disputes that are not won; `fee_minor` of the
    fee with them. `uncertain`: a refund is under way, and may fail yet."""

    amount_minor: int
    fee_minor: int
    uncertain: bool = False


def begin(payment: Payment, told: DisputeTold, gone: GoneBefore, correlation_id: str) -> Dispute:
    """A dispute whose end is told before its beginning begins all the same."""
    amount_minor, owner_id = told.money.amount_minor, payment.credited_id
    begun = Dispute(
        dispute_id=new_id(),
        payment_id=payment.payment_id,
        provider=payment.provider,
        dispute_reference=told.dispute_reference,
        money=told.money,
        owner_id=owner_id,
        owner_minor=0,
        fee_minor=0,
        loss_minor=amount_minor,
        state=State.FREEING,
        correlation_id=correlation_id,
        outcome=None if told.event == "opened" else told.event,
    )
    dispute = divided(begun, payment, gone)
    waits = gone.uncertain or (owner_id is not None and dispute.owner_minor)
    return dispute if waits else replace(dispute, state=State.OPENING)


def divided(dispute: Dispute, payment: Payment, gone: GoneBefore) -> Dispute:
    """Who bears it: the owner at most what is not back, less the fee's share in it; the platform the rest."""
    open_minor = max(0, min(dispute.money.amount_minor, payment.money.amount_minor - gone.amount_minor))
    fee_minor = min(open_minor, fee_share(payment.fee_minor, payment.money.amount_minor, gone.amount_minor + open_minor, gone.fee_minor))
    return replace(dispute, owner_minor=open_minor - fee_minor, fee_minor=fee_minor, loss_minor=dispute.money.amount_minor - open_minor)


def told(dispute: Dispute, event: Literal["opened", "won", "lost"]) -> Dispute | None:
    """What the provider's word makes of a dispute that we know; None: nothing. A lost one may be won after all; never the reverse."""
    if event == "opened" or event == dispute.outcome or dispute.outcome == "won":
        return None
    ended = replace(dispute, outcome=event)
    if dispute.state in (State.OPEN, State.LOST):
        return replace(ended, state=State.CLOSING if event == "won" else State.LOST)
    return ended  # the money has to be taken first


def contradicts(dispute: Dispute, event: Literal["opened", "won", "lost"]) -> bool:
    """Somebody has to look: what was won is said to be lost."""
    return dispute.outcome == "won" and event == "lost"


def through(dispute: Dispute) -> Dispute:
    """The step that `state` names has been taken."""
    match dispute.state:
        case State.FREEING:
            return replace(dispute, state=State.OPENING)
        case State.OPENING if dispute.outcome is None:
            return replace(dispute, state=State.OPEN)
        case State.OPENING:
            return replace(dispute, state=State.CLOSING if dispute.outcome == "won" else State.LOST)
        case State.CLOSING:
            return replace(dispute, state=State.WON)
        case _:
            return dispute


def payment_with(payment: Payment, disputes: Sequence[Dispute], now: datetime) -> Payment:
    """The payment as it is told with all of its disputes: won only when the money is back."""
    status: DisputeStatus | None = None
    if disputes:
        lost, won_back = [one.outcome == "lost" for one in disputes], [one.state is State.WON for one in disputes]
        status = "won" if all(won_back) else "lost" if all(a or b for a, b in zip(lost, won_back, strict=True)) else "open"
    return replace(payment, dispute_status=status, updated_at=now)


# ---- what moves in the book


def opened(dispute: Dispute, credit_reference: str | None) -> MoveFunds:
    """The provider has taken the money; the owner may go below zero for it. Waits for the credit that it takes back."""
    return _move(dispute, "opened", [_leg(account, _clearing(dispute), minor) for account, minor in _borne(dispute)], credit_reference)


def won(dispute: Dispute) -> MoveFunds:
    """The opposite: the provider has given the money back."""
    return _move(dispute, "won", [_leg(_clearing(dispute), account, minor) for account, minor in _borne(dispute)], None)


def _borne(dispute: Dispute) -> list[tuple[Account, int]]:
    """Who bears how much of it; nobody who bears nothing."""
    owner = Account(kind="revenue", owner="platform") if dispute.owner_id is None else Account(kind="user", owner=dispute.owner_id)
    fees, loss = Account(kind="fees", owner="platform"), Account(kind="loss", owner="platform")
    borne = [(owner, dispute.owner_minor), (fees, dispute.fee_minor), (loss, dispute.loss_minor)]
    return [(account, minor) for account, minor in borne if minor]


def _move(dispute: Dispute, step: str, legs: list[Leg], after: str | None) -> MoveFunds:
    return MoveFunds(
        reference=f"{dispute.reference}:{step}",
        kind="dispute",
        currency=dispute.money.currency,
        legs=tuple(legs),
        payment_id=dispute.payment_id,
        after=after,
        correlation_id=dispute.correlation_id,
    )


def _leg(source: Account, target: Account, amount_minor: int) -> Leg:
    return Leg(source=source, target=target, amount_minor=amount_minor)


def _clearing(dispute: Dispute) -> Account:
    return Account(kind="clearing", owner=dispute.provider)
