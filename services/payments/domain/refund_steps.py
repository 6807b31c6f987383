"""What each step of a refund leads to, what a provider's word does to it, and what moves in the book for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from services.payments.domain import refusals
from services.payments.domain.facts import KEY_LIFE, RefundTold
from services.payments.domain.payments import PAID_FROM_BALANCE
from services.payments.domain.refunds import BACK, IN_FLIGHT, Refund, State
from shared.contracts.wallet_commands import Account, Leg
from shared.money import Money


def freed(refund: Refund) -> Refund:
    """The owner's unsent withdrawals gave way as far as they had to: what there is now is taken."""
    return replace(refund, state=State.RESERVING)


def reserved(refund: Refund, held_minor: int | None, now: datetime) -> Refund:
    """`held_minor` of what is wanted is held; none: nobody's balance is touched. Nobody is asked where the money has left already, or only
    goes from one balance to another."""
    asks = refund.origin == "request" and refund.provider != PAID_FROM_BALANCE
    return replace(
        refund,
        state=State.SENDING if asks else State.SETTLING,
        sent_at=now if asks else None,
        held_minor=held_minor,
        loss_minor=None if held_minor is None else refund.wanted_minor - held_minor,
    )


def may_be_sent_again(refund: Refund, now: datetime) -> bool:
    """Providers forget a key after a day (Stripe: at least 24 hours): from then on the same order would be another refund."""
    return refund.sent_at is None or now < refund.sent_at + KEY_LIFE


def not_covered(refund: Refund) -> Refund:
    """The owner's balance does not cover it. Wallet refuses a hold for good: an earlier attempt that is still under way holds nothing."""
    refusal = refusals.insufficient_funds(refund.correlation_id)
    return replace(refund, state=State.FAILED, refusal=refusal, failure_reason=refusal.code)


def taken(refund: Refund, provider_reference: str) -> Refund:
    """The provider has it and tells later what becomes of it."""
    return replace(refund, state=State.PENDING, provider_reference=provider_reference)


def made(refund: Refund, provider_reference: str) -> Refund:
    """The money is on its way to the payer."""
    return replace(refund, state=State.SETTLING, provider_reference=provider_reference)


def declined(refund: Refund, reason: str, seen_at: datetime | None = None) -> Refund:
    """`seen_at`: when the provider had it as failed; none: it refuses to make it."""
    return replace(refund, state=State.RELEASING, failure_reason=reason[:500] or "declined", told_at=seen_at or refund.told_at)


def settled(refund: Refund, now: datetime) -> Refund:
    """Taken from its owner for good; unless the provider has failed it meanwhile."""
    return replace(refund, state=State.SUCCEEDED if refund.failure_reason is None else State.REVERSING, settled_at=now)


def ended(refund: Refund) -> Refund:
    """Everything that was taken for it is where it was."""
    return replace(refund, state=State.FAILED)


def counted(before: Refund | None, after: Refund) -> tuple[int, int]:
    """How much of the payment is more (or less, below zero) on its way back, and back."""
    amount_minor = after.money.amount_minor
    return (
        amount_minor * ((after.state in IN_FLIGHT) - (before is not None and before.state in IN_FLIGHT)),
        amount_minor * ((after.state in BACK) - (before is not None and before.state in BACK)),
    )


# ---- what a provider tells


class Told(StrEnum):
    """What came of it, when it did not move the refund. EARLY: what is under way has to end first. ELSEWHERE: money left that none of our
    refunds accounts for."""

    UNCHANGED = "unchanged"
    EARLY = "early"
    ELSEWHERE = "elsewhere"
    MISMATCH = "refund_mismatch"


def tell(refund: Refund, told: RefundTold) -> Refund | Told:
    """What `told` does to the refund that it names. What is older than the newest thing told comes too late."""
    if told.money != Money(refund.told_minor, refund.money.currency):
        return Told.MISMATCH
    if refund.told_at is not None and told.happened_at < refund.told_at:
        return Told.UNCHANGED
    if refund.told_at == told.happened_at and refund.failure_reason is not None and told.outcome != "failed":
        # Providers' times are seconds. What failed had perhaps succeeded just before; the reverse is not heard of.
        return Told.UNCHANGED
    refund = replace(refund, told_at=told.happened_at)
    asked = refund.state in (State.SENDING, State.PENDING)
    match told.outcome:
        case "pending":
            return taken(refund, told.provider_reference) if refund.state is State.SENDING else Told.UNCHANGED
        case "succeeded" if asked:
            return made(refund, told.provider_reference)
        case "succeeded" if refund.state in (State.RELEASING, State.REVERSING):
            return Told.EARLY
        case "succeeded":
            # Known already; but from now on what is older comes too late.
            return Told.ELSEWHERE if refund.state is State.FAILED else refund
        case "failed" if asked:
            return declined(replace(refund, provider_reference=told.provider_reference), told.reason)
        case "failed" if refund.state is State.SUCCEEDED:
            return replace(declined(refund, told.reason), state=State.REVERSING)
        case "failed" if refund.state is State.SETTLING or (refund.origin != "request" and refund.state in IN_FLIGHT):
            # Wallet may be at it: it is settled, then reversed.
            return replace(declined(refund, told.reason), state=refund.state)
        case "failed" if refund.state is State.FAILED:
            # Known already; but from now on a success that is older comes too late.
            return refund
        case _:
            return Told.UNCHANGED


# ---- what moves in the book


def settling_legs(refund: Refund, payer_id: str | None) -> tuple[Leg, ...]:
    """What leaves beside the hold. The payer of a payment from the balance gets it at once, for that is where it goes."""
    provider = clearing(refund)
    legs = [Leg(source=source, target=provider, amount_minor=amount) for source, amount in _sources(refund)]
    if refund.provider == PAID_FROM_BALANCE:
        assert payer_id is not None
        legs.append(Leg(source=provider, target=Account(kind="user", owner=payer_id), amount_minor=refund.money.amount_minor))
    return tuple(legs)


def reversing_legs(refund: Refund) -> tuple[Leg, ...]:
    """All of it goes back as it was taken."""
    taken_from = [*_sources(refund)]
    if refund.held_minor:
        assert refund.owner_id is not None
        taken_from.insert(0, (Account(kind="user", owner=refund.owner_id), refund.held_minor))
    return tuple(Leg(source=clearing(refund), target=source, amount_minor=amount) for source, amount in taken_from)


def clearing(refund: Refund) -> Account:
    return Account(kind="clearing", owner=refund.provider)


def _sources(refund: Refund) -> list[tuple[Account, int]]:
    sources = (
        (Account(kind="revenue", owner="platform"), refund.wanted_minor if refund.owner_id is None else 0),
        (Account(kind="fees", owner="platform"), refund.fee_minor),
        (Account(kind="loss", owner="platform"), (refund.loss_minor or 0) + refund.excess_minor),
    )
    return [(account, amount_minor) for account, amount_minor in sources if amount_minor > 0]
