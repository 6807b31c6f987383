"""What a refund is, who may ask for it, and what it takes from whom; what each step leads to is in refund_steps.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from services.payments.domain import refusals
from services.payments.domain.facts import RefundTold
from services.payments.domain.fees import fee_share
from services.payments.domain.payments import PAID_FROM_BALANCE, Payment, Status
from shared.contracts.payment_commands import FieldProblem, Refused
from shared.money import Money

Origin = Literal["request", "provider", "manual"]


class State(StrEnum):
    """The step that comes next, or how it ended. FREEING: a forced one looks whether the owner's unsent withdrawals have to give way.
    PENDING: the provider has it and tells later. REVERSING: the provider failed it after it had succeeded."""

    FREEING = "freeing"
    RESERVING = "reserving"
    SENDING = "sending"
    PENDING = "pending"
    SETTLING = "settling"
    SUCCEEDED = "succeeded"
    RELEASING = "releasing"
    REVERSING = "reversing"
    FAILED = "failed"


IN_FLIGHT: Final = frozenset({State.FREEING, State.RESERVING, State.SENDING, State.PENDING, State.SETTLING, State.RELEASING})
BACK: Final = frozenset({State.SUCCEEDED, State.REVERSING})
AT_REST: Final = frozenset({State.SUCCEEDED, State.FAILED})


@dataclass(frozen=True, slots=True)
class Refund:
    """`money` goes back to the payer: `fee_minor` of it is the platform's fee, the rest is wanted of the owner of the credit (none: the
    platform's revenue), who had `held_minor` of it; the platform bears `loss_minor` and, of what a provider sent back beyond all that was
    left, `excess_minor`. `told_at` is the moment of the newest thing that the provider told of it."""

    refund_id: UUID
    payment_id: UUID
    provider: str
    money: Money
    fee_minor: int
    owner_id: str | None
    state: State
    origin: Origin
    forced: bool
    correlation_id: str
    created_at: datetime
    updated_at: datetime
    reason: str = ""
    held_minor: int | None = None
    loss_minor: int | None = None
    excess_minor: int = 0
    provider_reference: str | None = None
    failure_reason: str | None = None
    sent_at: datetime | None = None
    told_at: datetime | None = None
    refusal: Refused | None = None
    requested_by: str | None = None
    caller: str = ""
    external_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    settled_at: datetime | None = None

    @property
    def wanted_minor(self) -> int:
        return self.money.amount_minor - self.fee_minor

    @property
    def needs_hold(self) -> bool:
        """Is there somebody's balance to take it from?"""
        return self.owner_id is not None and self.wanted_minor > 0

    @property
    def reference(self) -> str:
        """Wallet's name of the hold; what settles and reverses it is named after it."""
        return f"refund:{self.refund_id}"

    @property
    def status(self) -> Literal["pending", "succeeded", "failed"]:
        """As it is told: what was decided is told when wallet has done its part of it."""
        return "pending" if self.state in IN_FLIGHT else "succeeded" if self.state in BACK else "failed"

    @property
    def told_minor(self) -> int:
        return self.money.amount_minor + self.excess_minor


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a refund; `amount_minor` none: all that is left."""

    refund_id: UUID
    requested_by: str
    is_admin: bool
    amount_minor: int | None
    reason: str
    force: bool
    manual_reference: str | None
    caller: str
    external_id: str | None
    metadata: Mapping[str, str]
    correlation_id: str


# ---- beginning


def left_minor(payment: Payment) -> int:
    """What is neither back nor on its way back."""
    return payment.money.amount_minor - payment.refunding_minor - payment.refunded_minor


def fee_back(payment: Payment, amount_minor: int, given_back_minor: int) -> int:
    """The fee's share in another `amount_minor`; `given_back_minor` of it went with the others. Never more than the refund itself: what
    failed refunds leave of the roundings goes with the next ones."""
    back_minor = payment.refunding_minor + payment.refunded_minor + amount_minor
    return min(amount_minor, fee_share(payment.fee_minor, payment.money.amount_minor, back_minor, given_back_minor))


def begin(payment: Payment | None, asked: Asked, fee_given_back_minor: int, *, sendable: bool, now: datetime) -> Refund | Refused:
    """A new refund, or why there is none. `sendable`: its provider can send money back."""
    if payment is None or not _may_know(payment, asked):
        return refusals.payment_not_found(asked.correlation_id)
    refusal = _refusal(payment, asked, sendable=sendable)
    if refusal is not None:
        return refusal
    amount_minor = left_minor(payment) if asked.amount_minor is None else asked.amount_minor
    return _first_step(
        Refund(
            refund_id=asked.refund_id,
            payment_id=payment.payment_id,
            provider=payment.provider,
            money=Money(amount_minor, payment.money.currency),
            fee_minor=fee_back(payment, amount_minor, fee_given_back_minor),
            owner_id=payment.credited_id,
            state=State.RESERVING,
            origin="request" if asked.manual_reference is None else "manual",
            forced=asked.force or asked.manual_reference is not None,
            correlation_id=asked.correlation_id,
            created_at=now,
            updated_at=now,
            reason=asked.reason,
            provider_reference=asked.manual_reference,
            requested_by=asked.requested_by,
            caller=asked.caller,
            external_id=asked.external_id,
            metadata=asked.metadata,
        )
    )


def made_elsewhere(
    payment: Payment,
    told: RefundTold,
    refund_id: UUID,
    fee_given_back_minor: int,
    *,
    takeable_minor: int,
    correlation_id: str,
    now: datetime,
) -> Refund:
    """A refund that the provider made without being asked by us: as much of it as is left, the rest is the platform's loss.
    `takeable_minor`: what of that may be taken from those who have it."""
    amount_minor = max(0, min(told.money.amount_minor, left_minor(payment), takeable_minor))
    return _first_step(
        Refund(
            refund_id=refund_id,
            payment_id=payment.payment_id,
            provider=payment.provider,
            money=Money(amount_minor, payment.money.currency),
            fee_minor=fee_back(payment, amount_minor, fee_given_back_minor),
            owner_id=payment.credited_id,
            state=State.RESERVING,
            origin="provider",
            forced=True,
            correlation_id=correlation_id,
            created_at=now,
            updated_at=now,
            reason=told.reason[:500],
            excess_minor=told.money.amount_minor - amount_minor,
            provider_reference=told.provider_reference,
            told_at=told.happened_at,
        )
    )


def failed_elsewhere(payment: Payment, told: RefundTold, refund_id: UUID, *, correlation_id: str, now: datetime) -> Refund:
    """A refund made at the provider's own site of which the first thing told is that it failed."""
    return Refund(
        refund_id=refund_id,
        payment_id=payment.payment_id,
        provider=payment.provider,
        money=told.money,
        fee_minor=0,
        owner_id=payment.credited_id,
        state=State.FAILED,
        origin="provider",
        forced=True,
        correlation_id=correlation_id,
        created_at=now,
        updated_at=now,
        provider_reference=told.provider_reference,
        failure_reason=told.reason[:500] or "declined",
        told_at=told.happened_at,
    )


def _first_step(refund: Refund) -> Refund:
    return replace(refund, state=State.FREEING) if refund.forced and refund.needs_hold else refund


def _may_know(payment: Payment, asked: Asked) -> bool:
    return asked.is_admin or asked.requested_by in (payment.user_id, payment.mentor_id)


def _refusal(payment: Payment, asked: Asked, *, sendable: bool) -> Refused | None:
    request_id = asked.correlation_id
    if not asked.is_admin and asked.requested_by != payment.mentor_id:
        return Refused(code="forbidden", detail="Only the mentor who was paid, or an admin, may refund this.", request_id=request_id)
    if not asked.is_admin and (asked.force or asked.manual_reference is not None):
        return Refused(code="forbidden", detail="Only an admin may use force or manual_reference.", request_id=request_id)
    if asked.manual_reference is not None and payment.provider == PAID_FROM_BALANCE:
        return Refused(
            code="invalid_request",
            detail="What was paid from a balance goes back to it; there is nothing to record.",
            errors=(FieldProblem(loc=("body", "manual_reference"), msg="not for a payment from the balance"),),
            request_id=request_id,
        )
    if payment.status is not Status.COMPLETED:
        return Refused(code="payment_not_refundable", detail="The payment is not paid.", request_id=request_id)
    if payment.dispute_status in ("open", "lost"):
        return Refused(
            code="payment_disputed", detail="The payment is disputed; the bank decides where its money goes.", request_id=request_id
        )
    if not sendable and asked.manual_reference is None:
        return Refused(
            code="refund_not_supported",
            detail=f"{payment.provider} has no operation refund; what is sent back at its own site is recorded with manual_reference.",
            request_id=request_id,
        )
    left = left_minor(payment)
    if left == 0:
        return Refused(code="already_refunded", detail="All of it is back, or on its way back.", request_id=request_id)
    if asked.amount_minor is not None and asked.amount_minor > left:
        text = Money(left, payment.money.currency)
        return Refused(
            code="refund_exceeds_payment", detail=f"At most {text.major} {text.currency} can still go back.", request_id=request_id
        )
    return None


def reference_reused(request_id: str) -> Refused:
    return Refused(
        code="refund_reference_reused",
        detail="This refund of the provider's is recorded already.",
        errors=(FieldProblem(loc=("body", "manual_reference"), msg="is recorded"),),
        request_id=request_id,
    )


def refund_not_found(request_id: str) -> Refused:
    return Refused(code="refund_not_found", detail="There is no such refund.", request_id=request_id)
