"""What a withdrawal is, and what each of its steps leads to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from shared.contracts.payment_commands import Refused
from shared.money import Money

MANUAL: Final = "manual"
"""The payout method of an operator who pays at the bank and tells what came of it."""

AUTO: Final = "auto"
"""Who decided when nobody had to: under the limit that is set for a user and day."""


class Status(StrEnum):
    """As it is told: what was decided is told when wallet has done its part of it."""

    PENDING = "pending"
    APPROVED = "approved"
    SENDING = "sending"
    PAID = "paid"
    REJECTED = "rejected"
    CANCELED = "canceled"
    FAILED = "failed"
    RETURNED = "returned"


class Step(StrEnum):
    """What is done next. WAITING (for a decision) and DONE are at rest; so is SENDING by hand."""

    RESERVING = "reserving"
    WAITING = "waiting"
    APPROVED = "approved"
    SENDING = "sending"
    SETTLING = "settling"
    RELEASING = "releasing"
    RETURNING = "returning"
    DONE = "done"


UNSENT: Final = (Step.RESERVING, Step.WAITING, Step.APPROVED)
"""Nothing has been sent: it can still be called off."""

Decision = Literal["approve", "reject", "cancel"]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """`destination` is sealed, and gone some time after the end; `account_masked` and `name_masked` may be shown. `outcome`: what the
    status becomes when the step is through. `decided_by`: user:9, or auto. `return_reference`: it came back, or is known to."""

    withdrawal_id: UUID
    user_id: str
    money: Money
    destination: bytes | None
    destination_type: str
    account_masked: str
    name_masked: str
    payout_method: str
    status: Status
    step: Step
    caller: str
    correlation_id: str
    created_at: datetime
    updated_at: datetime
    outcome: Status | None = None
    decision: Decision | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None
    reference: str | None = None
    return_reference: str | None = None
    failure_reason: str | None = None
    unknown_since: datetime | None = None
    refusal: Refused | None = None
    external_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def hold_reference(self) -> str:
        return f"withdrawal:{self.withdrawal_id}"

    @property
    def return_transfer_reference(self) -> str:
        return f"withdrawal:{self.withdrawal_id}:returned"

    @property
    def reason(self) -> str | None:
        """Why it did not get through."""
        return self.failure_reason or (self.decision_reason if self.decision in ("reject", "cancel") else None)

    @property
    def resting(self) -> bool:
        """Nothing is to be done until somebody says something."""
        return self.step in (Step.WAITING, Step.DONE) or (self.step is Step.SENDING and self.payout_method == MANUAL)


def masked_account(account: str) -> str:
    """The last four letters and digits; of a short one fewer, so that most of it stays hidden."""
    told = "".join(character for character in account if character.isalnum())
    return f"****{told[len(told) - min(4, len(told) // 2) :]}"


def masked_name(name: str) -> str:
    """The initials."""
    return " ".join(f"{word[0]}***" for word in name.split())


# ---- what the saga's steps lead to


def held(withdrawal: Withdrawal, now: datetime, *, automatic: bool) -> Withdrawal:
    """The money is held; `automatic`: nobody needs to decide."""
    if not automatic:
        return replace(withdrawal, step=Step.WAITING, updated_at=now)
    return approved(withdrawal, AUTO, now)


def refused(withdrawal: Withdrawal, refusal: Refused, now: datetime) -> Withdrawal:
    """Nothing was held."""
    return replace(withdrawal, status=Status.FAILED, step=Step.DONE, refusal=refusal, updated_at=now)


def sending(withdrawal: Withdrawal, now: datetime) -> Withdrawal:
    """From here on money may have left."""
    return replace(withdrawal, status=Status.SENDING, step=Step.SENDING, updated_at=now)


def paid_out(withdrawal: Withdrawal, reference: str | None, now: datetime) -> Withdrawal:
    return replace(
        withdrawal, status=Status.SENDING, step=Step.SETTLING, outcome=Status.PAID, reference=reference, unknown_since=None, updated_at=now
    )


def not_paid_out(withdrawal: Withdrawal, reason: str, now: datetime) -> Withdrawal:
    """Nothing has left; the hold is released."""
    return replace(
        withdrawal, step=Step.RELEASING, outcome=Status.FAILED, failure_reason=reason[:500] or None, unknown_since=None, updated_at=now
    )


def through(withdrawal: Withdrawal, now: datetime) -> Withdrawal:
    """Wallet has settled, released or credited again: what was decided is told. One that is known to have come back goes on to that."""
    assert withdrawal.outcome is not None
    if withdrawal.step is Step.SETTLING and withdrawal.return_reference is not None:
        return replace(withdrawal, status=Status.PAID, step=Step.RETURNING, outcome=Status.RETURNED, updated_at=now)
    return replace(withdrawal, status=withdrawal.outcome, step=Step.DONE, outcome=None, updated_at=now)


# ---- what a decision makes of it


def approved(withdrawal: Withdrawal, by: str, now: datetime) -> Withdrawal:
    """It may be sent."""
    decided = replace(withdrawal, decision="approve", decided_by=by, decided_at=now)
    return replace(decided, status=Status.APPROVED, step=Step.APPROVED, updated_at=now)


def called_off(withdrawal: Withdrawal, decision: Literal["reject", "cancel"], by: str, reason: str | None, now: datetime) -> Withdrawal:
    """Nothing of it was sent, and nothing will be; the hold is released."""
    assert withdrawal.step in UNSENT
    decided = replace(withdrawal, decision=decision, decided_by=by, decided_at=now, decision_reason=reason)
    return replace(decided, step=Step.RELEASING, outcome=Status.REJECTED if decision == "reject" else Status.CANCELED, updated_at=now)


def coming_back(withdrawal: Withdrawal, reference: str, now: datetime) -> Withdrawal:
    """It was paid, and is on its way back."""
    returning = replace(withdrawal, return_reference=reference, updated_at=now)
    if withdrawal.step is Step.SETTLING:
        return returning  # it has to have left first: see `through`
    return replace(returning, step=Step.RETURNING, outcome=Status.RETURNED)
