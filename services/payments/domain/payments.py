"""What a payment is and may become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from services.payments.domain.facts import Closed, Declined, Paid, SessionFact
from shared.contracts.payment_commands import Refused
from shared.methods import METHODS
from shared.money import Money

PAID_FROM_BALANCE: Final = "balance"
"""The provider's name of payments from the payer's own balance: wallet moves the money, nobody else is asked."""


class Status(StrEnum):
    """How far the paying is. What became of the money afterwards (refunds, a dispute) is told beside it, see Payment.told_at."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELED = "canceled"


Kind = Literal["deposit", "payment", "order"]
DisputeStatus = Literal["open", "won", "lost"]


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment: what is to be paid by whom through which provider, and how far it is. `user_id` is the payer, none for a guest.
    `refunding_minor` is on its way back, `refunded_minor` is back. `caller` scopes `external_id`, as it scopes idempotency keys.
    `booked_as`: the dedupe key that wallet was told; the charge's own reference may have come to be known only later.
    `provider_reference`: the provider's own name of the session. `sealed_url`, `client_secret`: the payer's next step, sealed;
    `unsealed_url`: the link of a payment that was made before links were sealed."""

    payment_id: UUID
    session_id: UUID | None
    user_id: str | None
    kind: Kind
    provider: str
    money: Money
    status: Status
    locale: str
    correlation_id: str
    created_at: datetime
    updated_at: datetime
    sealed_url: bytes | None = field(default=None, repr=False)
    unsealed_url: str | None = field(default=None, repr=False)
    description: str = ""
    charge_reference: str | None = None
    refusal: Refused | None = None
    expires_at: datetime | None = None
    completed_at: datetime | None = None
    mentor_id: str | None = None
    coaching_session_id: str | None = None
    order_id: UUID | None = None
    fee_minor: int = 0
    refunding_minor: int = 0
    refunded_minor: int = 0
    dispute_status: DisputeStatus | None = None
    caller: str = ""
    external_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    booked_as: str | None = None
    provider_reference: str | None = None
    client_secret: bytes | None = field(default=None, repr=False)

    @property
    def was_opened(self) -> bool:
        """The provider has its session."""
        return self.sealed_url is not None or self.unsealed_url is not None

    @property
    def title(self) -> str:
        """What it is for, in one line: as the provider shows it to the payer, and as it must come back from there."""
        return " ".join(self.description.split())[:200] or f"{self.kind.capitalize()} {str(self.payment_id)[:13]}"

    @property
    def credited_id(self) -> str | None:
        """Whose balance a completion credits, and whom money that goes back is taken from; none: the platform's revenue."""
        match self.kind:
            case "deposit":
                return self.user_id
            case "payment":
                return self.mentor_id
            case "order":
                return None

    @property
    def credit_reference(self) -> str | None:
        """Wallet's dedupe key: the provider and its own charge reference."""
        if self.booked_as is not None:
            return self.booked_as
        return f"{self.provider}:{self.charge_reference}" if self.charge_reference else None

    def told_at(self, now: datetime) -> str:
        """The status as it is told: a session past its end that nobody paid has expired, even before anything wrote that down; paid money
        may be disputed or back."""
        if self.status is Status.PENDING and self.expires_at is not None and now >= self.expires_at:
            return Status.EXPIRED.value
        if self.status is Status.COMPLETED:
            if self.dispute_status in ("open", "lost"):
                return "disputed"
            if self.refunded_minor:
                return "refunded" if self.refunded_minor == self.money.amount_minor else "partially_refunded"
        return self.status.value


@dataclass(frozen=True, slots=True)
class NextStep:
    """What leads the payer on to paying: the provider's link, which may name the payer, and the secret for the provider's form. Nobody
    else is to read them."""

    url: str | None = field(default=None, repr=False)
    client_secret: str | None = field(default=None, repr=False)


# ---- what that means for a payment


@dataclass(frozen=True, slots=True)
class Moved:
    """The payment has a new state; `completed` ones are told to wallet. `rest_minor` was paid beyond what was asked for."""

    payment: Payment
    rest_minor: int = 0


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Known already, or overtaken by a stronger fact."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The event is authentic but does not fit what we know: the payment does not move, and money that it tells of goes to suspense."""

    reason: str


Decision = Moved | Unchanged | Mismatch


def expire(payment: Payment, now: datetime) -> Decision:
    """The provider says that nobody can pay the session any more."""
    if payment.status is Status.PENDING:
        return Moved(replace(payment, status=Status.EXPIRED, updated_at=now))
    return Unchanged()


def cancel(payment: Payment, now: datetime) -> Decision:
    """The payer gave it up, and the provider will take no money for it any more."""
    if payment.status is Status.PENDING:
        return Moved(replace(payment, status=Status.CANCELED, updated_at=now))
    return Unchanged()


def settle(payment: Payment | None, fact: SessionFact) -> Decision:
    """What `fact` does to `payment`. A proof of payment beats failed, expired and canceled; a refusal beats only pending. Whoever pays more
    than was asked for has paid; the rest is theirs."""
    if payment is None:
        return Mismatch("unknown_reference")
    match fact:
        case Paid():
            if fact.money.currency != payment.money.currency:
                return Mismatch("currency_mismatch")
            if payment.status is Status.COMPLETED:
                return Unchanged() if payment.charge_reference == fact.charge_reference else Mismatch("second_payment")
            if payment.refusal is not None:
                return Mismatch("refused_payment")
            if fact.title is not None and fact.title != payment.title:
                return Mismatch("something_else_paid")
            rest_minor = fact.money.amount_minor - payment.money.amount_minor
            if rest_minor < 0:
                return Mismatch("less_than_asked")
            return Moved(completed(payment, fact.charge_reference, fact.happened_at), rest_minor)
        case Declined():
            if payment.status is Status.PENDING:
                return Moved(replace(payment, status=Status.FAILED, updated_at=fact.happened_at))
            return Unchanged()
        case Closed():
            over = payment.expires_at is not None and fact.happened_at >= payment.expires_at
            return expire(payment, fact.happened_at) if over else cancel(payment, fact.happened_at)


def completed(payment: Payment, charge_reference: str, at: datetime) -> Payment:
    return replace(payment, status=Status.COMPLETED, charge_reference=charge_reference, completed_at=at, updated_at=at)


def refuse(payment: Payment, refusal: Refused) -> Payment:
    """A payment that is refused before anything was done for it."""
    return replace(payment, refusal=refusal, session_id=None, expires_at=None, status=Status.FAILED)


def choose_method(asked: str | None, enabled: Sequence[str], *, production: bool) -> str | None:
    """The provider that plays `asked` (none: the first one on), or None when none may. Outside production the mock stands in for a known
    method that has no credentials."""
    if asked is None:
        return enabled[0] if enabled else None
    if asked in enabled:
        return asked
    if not production and asked in METHODS and "mock" in enabled:
        return "mock"
    return None
