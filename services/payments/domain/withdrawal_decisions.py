"""Who may decide what about a withdrawal, and what a provider's word about its payout means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from services.payments.domain.facts import PayoutTold
from services.payments.domain.withdrawals import (
    MANUAL,
    UNSENT,
    Status,
    Step,
    Withdrawal,
    approved,
    called_off,
    coming_back,
    not_paid_out,
    paid_out,
)


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


AdminsDecision = Literal["approve", "reject", "mark_paid", "mark_failed", "mark_returned", "resolve_paid", "resolve_failed"]

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
        return Moved(approved(withdrawal, actor.name, now))
    return _too_late(withdrawal)


def reject(withdrawal: Withdrawal, actor: Actor, reason: str, now: datetime) -> Verdict:
    if (against := _not_theirs_to_decide(withdrawal, actor)) is not None:
        return against
    if withdrawal.decision == "reject":
        return Known()
    if withdrawal.step in (Step.RESERVING, Step.WAITING):
        return Moved(called_off(withdrawal, "reject", actor.name, reason, now))
    return _too_late(withdrawal)


def cancel(withdrawal: Withdrawal, actor: Actor, now: datetime) -> Verdict:
    if actor.user_id != withdrawal.user_id:
        return Against("forbidden", "Only its owner may cancel a withdrawal.")
    if withdrawal.decision == "cancel":
        return Known()
    if withdrawal.step in (Step.RESERVING, Step.WAITING):
        return Moved(called_off(withdrawal, "cancel", actor.name, None, now))
    return _too_late(withdrawal)


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
        return Moved(coming_back(withdrawal, reference, now))
    if withdrawal.step is Step.DONE:
        return _final(withdrawal)
    return Against("withdrawal_not_paid", f"The withdrawal is {withdrawal.status}: nothing was paid that could come back.")


def resolve_paid(withdrawal: Withdrawal, actor: Actor, reference: str | None, *, unknown_before: datetime, now: datetime) -> Verdict:
    """An operator has found out that a payout was made whose outcome has been unknown since before `unknown_before`."""
    return _not_overdue(withdrawal, actor, unknown_before) or _told_paid(withdrawal, reference, now)


def resolve_failed(withdrawal: Withdrawal, actor: Actor, reason: str, *, unknown_before: datetime, now: datetime) -> Verdict:
    """Likewise, that nothing has left."""
    return _not_overdue(withdrawal, actor, unknown_before) or _told_failed(withdrawal, reason, now)


def possible(withdrawal: Withdrawal, *, unknown_before: datetime, now: datetime) -> tuple[AdminsDecision, ...]:
    """What an admin who is not its owner may decide now."""
    admin = Actor("", is_admin=True)
    verdicts: dict[AdminsDecision, Verdict] = {
        "approve": approve(withdrawal, admin, now),
        "reject": reject(withdrawal, admin, "", now),
    }
    if withdrawal.payout_method == MANUAL:
        verdicts |= {
            "mark_paid": mark_paid(withdrawal, admin, "", now),
            "mark_failed": mark_failed(withdrawal, admin, "", now),
            "mark_returned": mark_returned(withdrawal, admin, "", now),
        }
    else:
        verdicts |= {
            "resolve_paid": resolve_paid(withdrawal, admin, None, unknown_before=unknown_before, now=now),
            "resolve_failed": resolve_failed(withdrawal, admin, "", unknown_before=unknown_before, now=now),
        }
    return tuple(decision for decision, verdict in verdicts.items() if isinstance(verdict, Moved))


def told(withdrawal: Withdrawal, fact: PayoutTold, now: datetime) -> Verdict:
    """What the provider says of the payout. Against: money has moved in a way that ours says it cannot have; somebody has to look."""
    match fact.outcome:
        case "paid":
            # One that was resolved by hand has the operator's reference, or none; that it was paid is no news.
            return Known() if _was_paid(withdrawal) else _told_paid(withdrawal, fact.provider_reference, now)
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
        return Moved(coming_back(withdrawal, fact.provider_reference, now))
    return Against("payout_of_another_state", f"The withdrawal is {withdrawal.status}.")


def _told_paid(withdrawal: Withdrawal, reference: str | None, now: datetime) -> Verdict:
    by_hand = withdrawal.payout_method == MANUAL and withdrawal.step is Step.APPROVED
    if withdrawal.step is Step.SENDING or by_hand:
        return Moved(paid_out(withdrawal, reference, now))
    if _was_paid(withdrawal):
        return Known() if withdrawal.reference == reference else _final(withdrawal)
    return _not_sent(withdrawal)


def _told_failed(withdrawal: Withdrawal, reason: str, now: datetime) -> Verdict:
    by_hand = withdrawal.payout_method == MANUAL and withdrawal.step is Step.APPROVED
    if withdrawal.step is Step.SENDING or by_hand:
        return Moved(not_paid_out(withdrawal, reason, now))
    if Status.FAILED in (withdrawal.status, withdrawal.outcome) and withdrawal.refusal is None:
        return Known()
    return _not_sent(withdrawal)


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


def _not_overdue(withdrawal: Withdrawal, actor: Actor, unknown_before: datetime) -> Against | None:
    if (against := _not_theirs_to_decide(withdrawal, actor)) is not None:
        return against
    # A crash, or a provider that is off by now, may have kept us from noting it: then it is unknown since it began to be sent.
    since = withdrawal.unknown_since or (None if withdrawal.payout_method == MANUAL else withdrawal.updated_at)
    if withdrawal.step is Step.SENDING and (since is None or since > unknown_before):
        return Against("payout_not_overdue", "Only a payout whose outcome has been unknown for a day is resolved by hand.")
    return None


def _was_paid(withdrawal: Withdrawal) -> bool:
    return withdrawal.step is Step.SETTLING or withdrawal.status in (Status.PAID, Status.RETURNED)


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
