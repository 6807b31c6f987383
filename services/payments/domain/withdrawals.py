"""What a withdrawal is, who may decide what about it, and what each step of it leads to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from services.payments.domain.facts import PayoutTold
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

BACK: Final = (Status.REJECTED, Status.CANCELED, Status.FAILED)
"""The money is the user's again and never left."""

Decision = Literal["approve", "reject", "cancel"]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """`destination` is sealed; `account_masked` and `name_masked` may be shown. `outcome`: what the status becomes when the step is
    through. `decided_by`: user:9, or auto. `return_reference`: it came back, or is known to."""

    withdrawal_id: UUID
    user_id: str
    money: Money
    destination: bytes
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
    """The last four characters; of a short one fewer, so that most of it stays hidden."""
    return f"****{account[-min(4, len(account) // 2) :]}"


def masked_name(name: str) -> str:
    """The initials."""
    return " ".join(f"{word[0]}***" for word in name.split())


# ---- what the saga's steps lead to


def held(withdrawal: Withdrawal, now: datetime, *, automatic: bool) -> Withdrawal:
    """The money is held; `automatic`: nobody needs to decide."""
    if not automatic:
        return replace(withdrawal, step=Step.WAITING, updated_at=now)
    return _approved(withdrawal, AUTO, now)


def refused(withdrawal: Withdrawal, refusal: Refused, now: datetime) -> Withdrawal:
    """Nothing was held."""
    return replace(withdrawal, status=Status.FAILED, step=Step.DONE, refusal=refusal, updated_at=now)


def sending(withdrawal: Withdrawal, now: datetime) -> Withdrawal:
    """From here on money may have left."""
    return replace(withdrawal, status=Status.SENDING, step=Step.SENDING, updated_at=now)


def unknown(withdrawal: Withdrawal, now: datetime) -> Withdrawal:
    """Whoever pays out does not tell."""
    return replace(withdrawal, unknown_since=withdrawal.unknown_since or now)


def paid_out(withdrawal: Withdrawal, reference: str, now: datetime) -> Withdrawal:
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


# ---- what people decide, and what providers tell


@dataclass(frozen=True, slots=True)
class Moved:
    """The withdrawal has a new state."""

    withdrawal: Withdrawal


@dataclass(frozen=True, slots=True)
class Known:
    """The same was decided, or told, before."""


@dataclass(frozen=True, slots=True)
class Against:
    """It may not be decided, for the reason that `code` names in the contract."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class NotHeldYet:
    """Wallet has not told yet whether the money is held."""


Verdict = Moved | Known | Against | NotHeldYet


@dataclass(frozen=True, slots=True)
class Actor:
    user_id: str
    is_admin: bool

    @property
    def name(self) -> str:
        return f"user:{self.user_id}"


def approve(withdrawal: Withdrawal, actor: Actor, now: datetime) -> Verdict:
    if (against := _not_theirs_to_decide(withdrawal, actor)) is not None:
        return against
    if withdrawal.decision == "approve":
        return Known()
    if withdrawal.step is Step.RESERVING:
        return NotHeldYet()
    if withdrawal.step is Step.WAITING:
        return Moved(_approved(withdrawal, actor.name, now))
    return _too_late(withdrawal)


def reject(withdrawal: Withdrawal, actor: Actor, reason: str, now: datetime) -> Verdict:
    if (against := _not_theirs_to_decide(withdrawal, actor)) is not None:
        return against
    if withdrawal.decision == "reject":
        return Known()
    if withdrawal.step in (Step.RESERVING, Step.WAITING):
        return Moved(_called_off(withdrawal, "reject", actor.name, reason, now))
    return _too_late(withdrawal)


def cancel(withdrawal: Withdrawal, actor: Actor, now: datetime) -> Verdict:
    if actor.user_id != withdrawal.user_id:
        return Against("forbidden", "Only its owner may cancel a withdrawal.")
    if withdrawal.decision == "cancel":
        return Known()
    if withdrawal.step in (Step.RESERVING, Step.WAITING):
        return Moved(_called_off(withdrawal, "cancel", actor.name, None, now))
    return _too_late(withdrawal)


def call_off(withdrawal: Withdrawal, actor: str, reason: str, now: datetime) -> Withdrawal:
    """The money is needed elsewhere: for one that is not sent, approved or not."""
    assert withdrawal.step in UNSENT
    return _called_off(withdrawal, "cancel", actor, reason, now)


def mark_paid(withdrawal: Withdrawal, actor: Actor, reference: str, now: datetime) -> Verdict:
    """An operator has paid by hand."""
    if (against := _not_by_hand(withdrawal, actor)) is not None:
        return against
    return _told_paid(withdrawal, reference, now)


def mark_failed(withdrawal: Withdrawal, actor: Actor, reason: str, now: datetime) -> Verdict:
    """An operator could not pay."""
    if (against := _not_by_hand(withdrawal, actor)) is not None:
        return against
    return _told_failed(withdrawal, reason, now)


def mark_returned(withdrawal: Withdrawal, actor: Actor, reference: str, now: datetime) -> Verdict:
    """The bank sent back what an operator had paid."""
    if (against := _not_by_hand(withdrawal, actor)) is not None:
        return against
    if withdrawal.return_reference is not None:
        return Known() if withdrawal.return_reference == reference else _final(withdrawal)
    if withdrawal.step is Step.SETTLING or withdrawal.status is Status.PAID:
        return Moved(_coming_back(withdrawal, reference, now))
    if withdrawal.step is Step.DONE:
        return _final(withdrawal)
    return Against("withdrawal_not_paid", f"The withdrawal is {withdrawal.status}: nothing was paid that could come back.")


def resolve(
    withdrawal: Withdrawal,
    actor: Actor,
    outcome: Literal["paid", "failed"],
    *,
    reference: str | None,
    reason: str | None,
    unknown_before: datetime,
    now: datetime,
) -> Verdict:
    """An operator has found out what became of a payout that has been unknown since before `unknown_before`."""
    if (against := _not_theirs_to_decide(withdrawal, actor)) is not None:
        return against
    if withdrawal.step is Step.SENDING and (withdrawal.unknown_since is None or withdrawal.unknown_since > unknown_before):
        return Against("payout_not_overdue", "Only a payout whose outcome has been unknown for a day is resolved by hand.")
    if outcome == "paid":
        return _told_paid(withdrawal, reference or withdrawal.hold_reference, now)
    return _told_failed(withdrawal, reason or "resolved as failed", now)


def told(withdrawal: Withdrawal, fact: PayoutTold, now: datetime) -> Verdict:
    """What the provider says of the payout. Against: money has moved in a way that ours says it cannot have; somebody has to look."""
    match fact.outcome:
        case "paid":
            verdict = _told_paid(withdrawal, fact.provider_reference, now)
            # One that was resolved by hand has the operator's reference; a repeat of the outcome is no news.
            paid_before = withdrawal.status in (Status.PAID, Status.RETURNED) or withdrawal.step is Step.SETTLING
            return Known() if paid_before else verdict
        case "failed" if withdrawal.step is Step.SENDING:
            return Moved(not_paid_out(withdrawal, fact.reason or "the provider could not pay it out", now))
        case "failed" if Status.FAILED in (withdrawal.status, withdrawal.outcome):
            return Known()
        case _:
            return _told_returned(withdrawal, fact, now)


def _told_returned(withdrawal: Withdrawal, fact: PayoutTold, now: datetime) -> Verdict:
    """It came back; so did one that failed after it was paid."""
    if withdrawal.return_reference is not None:
        return Known()
    if withdrawal.step is Step.SENDING:
        # Returned before anybody told that it was paid: first it left.
        return Moved(replace(paid_out(withdrawal, fact.provider_reference, now), return_reference=fact.provider_reference))
    if withdrawal.step is Step.SETTLING or withdrawal.status is Status.PAID:
        return Moved(_coming_back(withdrawal, fact.provider_reference, now))
    return Against("payout_of_another_state", f"The withdrawal is {withdrawal.status}.")


def _told_paid(withdrawal: Withdrawal, reference: str, now: datetime) -> Verdict:
    by_hand = withdrawal.payout_method == MANUAL and withdrawal.step is Step.APPROVED
    if withdrawal.step is Step.SENDING or by_hand:
        return Moved(paid_out(withdrawal, reference, now))
    if Status.PAID in (withdrawal.status, withdrawal.outcome):
        return Known() if withdrawal.reference == reference else _final(withdrawal)
    return _not_sent(withdrawal)


def _told_failed(withdrawal: Withdrawal, reason: str, now: datetime) -> Verdict:
    by_hand = withdrawal.payout_method == MANUAL and withdrawal.step is Step.APPROVED
    if withdrawal.step is Step.SENDING or by_hand:
        return Moved(not_paid_out(withdrawal, reason, now))
    if Status.FAILED in (withdrawal.status, withdrawal.outcome) and withdrawal.refusal is None:
        return Known()
    return _not_sent(withdrawal)


def _approved(withdrawal: Withdrawal, by: str, now: datetime) -> Withdrawal:
    decided = replace(withdrawal, decision="approve", decided_by=by, decided_at=now)
    return replace(decided, status=Status.APPROVED, step=Step.APPROVED, updated_at=now)


def _called_off(withdrawal: Withdrawal, decision: Literal["reject", "cancel"], by: str, reason: str | None, now: datetime) -> Withdrawal:
    decided = replace(withdrawal, decision=decision, decided_by=by, decided_at=now, decision_reason=reason)
    return replace(decided, step=Step.RELEASING, outcome=Status.REJECTED if decision == "reject" else Status.CANCELED, updated_at=now)


def _coming_back(withdrawal: Withdrawal, reference: str, now: datetime) -> Withdrawal:
    returning = replace(withdrawal, return_reference=reference, updated_at=now)
    if withdrawal.step is Step.SETTLING:
        return returning  # it has to have left first: see `through`
    return replace(returning, step=Step.RETURNING, outcome=Status.RETURNED)


def _not_theirs_to_decide(withdrawal: Withdrawal, actor: Actor) -> Against | None:
    if not actor.is_admin:
        return Against("forbidden", "Only an admin may do this.")
    if actor.user_id == withdrawal.user_id:
        return Against("forbidden", "It is your own withdrawal: another admin has to decide.")
    return None


def _not_by_hand(withdrawal: Withdrawal, actor: Actor) -> Against | None:
    if (against := _not_theirs_to_decide(withdrawal, actor)) is not None:
        return against
    if withdrawal.payout_method != MANUAL:
        return Against("payout_not_manual", "Only payouts that are made by hand are marked by hand.")
    return None


def _not_sent(withdrawal: Withdrawal) -> Against:
    if withdrawal.step in (*UNSENT, Step.SENDING):
        return Against("withdrawal_not_sent", f"The withdrawal is {withdrawal.status}: nothing was sent.")
    return _final(withdrawal)


def _too_late(withdrawal: Withdrawal) -> Against:
    if withdrawal.step in (Step.APPROVED, Step.SENDING):
        return Against("withdrawal_not_pending", f"The withdrawal is {withdrawal.status}.")
    return _final(withdrawal)


def _final(withdrawal: Withdrawal) -> Against:
    return Against("withdrawal_final", f"It was decided otherwise: the withdrawal is {withdrawal.outcome or withdrawal.status}.")
