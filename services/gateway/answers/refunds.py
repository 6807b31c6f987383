"""The shapes of what is answered about refunds."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field, WithJsonSchema

from services.gateway.answers import Amount, AmountMinor, Answer, Currency, Id, Moment, ProblemAnswer

_TIME = "2026-01-31T12:00:00Z"

RefundStatus = Annotated[
    Literal["pending", "succeeded", "failed"],
    Field(description="failed: the money is where it was before; that can come after succeeded.", examples=["succeeded"]),
]
PaymentStatus = Annotated[str, Field(description="The payment's.", examples=["partially_refunded"])]
Refunded = Annotated[
    Decimal, WithJsonSchema({"type": "number", "description": "What of the payment is back: major units, exact.", "examples": [25.0]})
]
RefundedMinor = Annotated[int, Field(examples=[2500])]
Reason = Annotated[str, Field(description="As it was given.", examples=["The lesson did not take place"])]
FailureReason = Annotated[str | None, Field(description="Why it failed, in the provider's words or a code of ours.", examples=[None])]
Origin = Annotated[
    Literal["request", "provider", "manual"],
    Field(description="Asked for here, made at the provider's own site, or recorded by hand.", examples=["request"]),
]


class RefundMadeAnswer(Answer):
    """`pending` only if the provider says so; `status` and `refunded_amount` count what is back."""

    payment_id: Id
    refund_id: Id
    refund_status: RefundStatus
    status: PaymentStatus
    refunded_amount: Refunded
    refunded_amount_minor: RefundedMinor
    amount: Amount
    amount_minor: AmountMinor
    currency: Currency
    reason: Reason
    failure_reason: FailureReason
    external_id: Annotated[str | None, Field(examples=[None])]
    metadata: Annotated[dict[str, str], Field(examples=[{}])]
    created_at: Moment


class _Refund(BaseModel):
    payment_id: Id
    refund_id: Id
    refund_status: RefundStatus
    amount: Amount
    amount_minor: AmountMinor
    currency: Currency
    origin: Origin
    reason: Reason
    failure_reason: FailureReason
    external_id: Annotated[str | None, Field(examples=[None])]
    metadata: Annotated[dict[str, str], Field(examples=[{}])]
    created_at: Moment
    updated_at: Moment
    settled_at: Annotated[datetime | None, Field(description="When it had succeeded.", examples=[_TIME])]


class RefundItemAnswer(_Refund, Answer):
    """A refund among those of its payment."""


class RefundAnswer(_Refund, Answer):
    """A refund, and how far its payment is."""

    status: PaymentStatus
    refunded_amount: Refunded
    refunded_amount_minor: RefundedMinor
    problem: Annotated[ProblemAnswer | None, Field(default=None, description="Why it failed, when that was a decision of ours.")]


class RefundsAnswer(Answer):
    items: Annotated[list[RefundItemAnswer], Field(description="Newest first; without requests that were refused.")]
    next_cursor: Annotated[str | None, Field(description="For the next page; null on the last.", examples=[None])]


class AcceptedRefund(Answer):
    """The request is safe, its answer is not there yet: poll the Location."""

    payment_id: Annotated[str | None, Field(default=None, examples=["0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"])]
    refund_id: Id
    status: Annotated[Literal["accepted"], Field(examples=["accepted"])]


class FailedRefund(Answer):
    """Accepted with a 202, and refused or never received: nothing was done."""

    refund_id: Id
    status: Annotated[Literal["failed"], Field(examples=["failed"])]
    problem: ProblemAnswer
