"""What a payment may become, and why: pure decisions over immutable values, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from shared.contracts.payment_commands import FieldProblem, Refused
from shared.money import Money

METHODS: Final = ("mock", "stripe", "allsecure", "prodamus")


class Status(StrEnum):
    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment: what is to be paid by whom through which provider, and how far it is."""

    payment_id: UUID
    session_id: UUID | None
    user_id: str
    kind: str
    provider: str
    money: Money
    status: Status
    locale: str
    correlation_id: str
    created_at: datetime
    updated_at: datetime
    payment_url: str | None = None
    description: str = ""
    charge_reference: str | None = None
    refusal: Refused | None = None
    expires_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def credit_reference(self) -> str | None:
        """Wallet's dedupe key: the provider and its own charge reference."""
        return f"{self.provider}:{self.charge_reference}" if self.charge_reference else None

    def status_at(self, now: datetime) -> Status:
        """The status as it is told: a session past its end that nobody paid has expired, even before anything wrote that down."""
        if self.status is Status.PENDING and self.expires_at is not None and now >= self.expires_at:
            return Status.EXPIRED
        return self.status


# ---- what a provider says, in our words


@dataclass(frozen=True, slots=True)
class Paid:
    """The provider's proof that `session_id` was paid: `charge_reference` is its own and the same in every proof of this charge."""

    session_id: UUID
    charge_reference: str
    money: Money
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Declined:
    """The provider says that this session will not be paid."""

    session_id: UUID
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Irrelevant:
    """An event that says nothing about a payment of ours; kept and ignored."""

    reason: str


Fact = Paid | Declined | Irrelevant


# ---- what that means for a payment


@dataclass(frozen=True, slots=True)
class Moved:
    """The payment has a new state; `completed` ones are told to wallet."""

    payment: Payment


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Known already, or overtaken by a stronger fact."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The event is authentic but does not fit what we know; it is kept with this reason, and moves nothing."""

    reason: str


Decision = Moved | Unchanged | Mismatch


def expire(payment: Payment, now: datetime) -> Decision:
    """The provider says that nobody can pay the session any more."""
    if payment.status is Status.PENDING:
        return Moved(replace(payment, status=Status.EXPIRED, updated_at=now))
    return Unchanged()


def settle(payment: Payment | None, fact: Paid | Declined) -> Decision:
    """What `fact` does to `payment`. A proof of payment beats failed, expired and canceled; a refusal beats only pending."""
    if payment is None:
        return Mismatch("unknown_reference")
    match fact:
        case Paid():
            if fact.money.currency != payment.money.currency:
                return Mismatch("currency_mismatch")
            if payment.status is Status.COMPLETED:
                return Unchanged() if payment.charge_reference == fact.charge_reference else Mismatch("second_payment")
            if fact.money.amount_minor != payment.money.amount_minor:
                return Mismatch("amount_mismatch")
            if payment.refusal is not None:
                return Mismatch("refused_payment")
            return Moved(
                replace(
                    payment,
                    status=Status.COMPLETED,
                    charge_reference=fact.charge_reference,
                    completed_at=fact.happened_at,
                    updated_at=fact.happened_at,
                )
            )
        case Declined():
            if payment.status is Status.PENDING:
                return Moved(replace(payment, status=Status.FAILED, updated_at=fact.happened_at))
            return Unchanged()


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


class TooLate(Exception):
    """The command came after its deadline. It leaves no trace: its key is free for a repeat, a receipt says that nothing was received."""


# ---- refusals, in the words of the contract


def method_refused(enabled: Sequence[str], request_id: str) -> Refused:
    on = ", ".join(enabled) or "none"
    return Refused(
        code="method_not_available",
        detail=f"This method is not available; available: {on}.",
        errors=(FieldProblem(loc=("body", "method"), msg=f"must be one of: {on}"),),
        request_id=request_id,
    )


def too_late(request_id: str) -> Refused:
    return Refused(
        code="deadline_passed", detail="The request was not worked on in time and was refused; nothing happened.", request_id=request_id
    )


def key_reused(request_id: str) -> Refused:
    return Refused(code="idempotency_key_reused", detail="This Idempotency-Key was used with another request.", request_id=request_id)


def key_in_use(request_id: str) -> Refused:
    return Refused(
        code="idempotency_key_in_use", detail="A request with this Idempotency-Key is still being worked on.", request_id=request_id
    )


def payment_not_found(request_id: str) -> Refused:
    return Refused(code="payment_not_found", detail="There is no such payment.", request_id=request_id)
