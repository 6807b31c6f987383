"""What a provider says, in our words; the same whether a webhook told it or we asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from shared.money import Money

KEY_LIFE: Final = timedelta(hours=20)
"""Providers forget an idempotency key after a day (Stripe: at least 24 hours): from then on the same refund or payout, sent again, would be
another one, so what became of it is only asked about."""


@dataclass(frozen=True, slots=True)
class Paid:
    """The provider's proof that `session_id` was paid: `charge_reference` is its own and the same in every proof of this charge. `title`:
    what it says was paid for; where it tells, that must be what we asked for."""

    session_id: UUID
    charge_reference: str
    money: Money
    happened_at: datetime
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Declined:
    """The provider says that this session will not be paid."""

    session_id: UUID
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Closed:
    """The session was ended at the provider: nobody has paid it, and nobody can any more."""

    session_id: UUID
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """Something happened to the session that the event alone does not decide: the provider is asked now."""

    session_id: UUID


@dataclass(frozen=True, slots=True)
class RefundTold:
    """A refund of a charge of `session_id` as the provider has it. `refund_id` is the one that we sent along; none: made at its own site.
    `charge_reference`: which charge, where the provider tells. Many providers name no session here: then it is found by the refund or the
    charge, and what is neither's is somebody else's."""

    session_id: UUID | None
    refund_id: UUID | None
    provider_reference: str
    money: Money
    outcome: Literal["pending", "succeeded", "failed"]
    happened_at: datetime
    reason: str = ""
    charge_reference: str | None = None


@dataclass(frozen=True, slots=True)
class PayoutTold:
    """A payout as the provider has it; `returned`: the bank sent it back after it was paid."""

    withdrawal_id: UUID
    provider_reference: str
    outcome: Literal["paid", "failed", "returned"]
    happened_at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DisputeTold:
    """A dispute over the charge of `session_id`: the provider took `money` (opened), gave it back (won), or keeps it (lost). A provider
    that names no session names the charge."""

    session_id: UUID | None
    dispute_reference: str
    event: Literal["opened", "won", "lost"]
    money: Money
    happened_at: datetime
    charge_reference: str | None = None


@dataclass(frozen=True, slots=True)
class Irrelevant:
    """An event that says nothing about anything of ours; kept and ignored."""

    reason: str


SessionFact = Paid | Declined | Closed
Fact = SessionFact | Look | RefundTold | PayoutTold | DisputeTold | Irrelevant
