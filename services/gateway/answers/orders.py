"""The shapes of what is answered about orders."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from services.gateway.answers import Amount, AmountMinor, Answer, Currency, Id, Moment, ProblemAnswer, SessionId

_ORDER = "4f0a1c9e-6b1d-8c3e-9a51-6f6d2f0c1b7e"
_SESSION = "0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4"
_URL = f"http://localhost:8000/payment/mock?session_id={_SESSION}&amount=990.00&currency=rsd&order_id={_ORDER}"

OrderId = Annotated[str, Field(description="Opaque, and the order's secret: whoever knows it sees the order.", examples=[_ORDER])]


class OrderCreatedAnswer(Answer):
    order_id: OrderId
    payment_id: Id
    session_id: SessionId
    payment_url: Annotated[str, Field(description="Where the payer goes on.", examples=[_URL])]
    status: Annotated[Literal["pending"], Field(examples=["pending"])]
    amount: Amount
    amount_minor: AmountMinor
    currency: Currency
    method: Annotated[str, Field(description="What really runs.", examples=["mock"])]
    expires_at: Moment


class OrderAnswer(Answer):
    order_id: OrderId
    status: Annotated[
        str,
        Field(
            description="pending, paid, fulfilled, fulfilment_failed, failed (refused after a 202), expired, partially_refunded, refunded "
            "or disputed. After a failed or expired payment another one may be made.",
            examples=["fulfilled"],
        ),
    ]
    product: Annotated[str, Field(examples=["chakras"])]
    title: Annotated[str, Field(examples=["Chakra reading"])]
    payment_id: Annotated[str, Field(description="Of the payment that paid it, else of the newest.", examples=[_ORDER])]
    session_id: Annotated[str | None, Field(examples=[_SESSION])]
    payment_status: Annotated[str, Field(description="That payment's.", examples=["completed"])]
    payment_url: Annotated[str | None, Field(examples=[_URL])]
    method: Annotated[str, Field(examples=["mock"])]
    amount: Amount
    amount_minor: AmountMinor
    currency: Currency
    refunded_amount: Annotated[Decimal, WithJsonSchema({"type": "number", "description": "Major units, exact.", "examples": [0.0]})]
    refunded_amount_minor: Annotated[int, Field(examples=[0])]
    locale: Annotated[str, Field(examples=["sr"])]
    email: Annotated[str | None, Field(description="Masked.", examples=["a***@example.rs"])]
    phone: Annotated[str | None, Field(description="Masked.", examples=["***4567"])]
    external_id: Annotated[str | None, Field(examples=[None])]
    metadata: Annotated[dict[str, str], Field(examples=[{}])]
    expires_at: Annotated[datetime | None, Field(examples=["2026-01-31T12:00:00Z"])]
    created_at: Moment
    updated_at: Moment
    problem: Annotated[ProblemAnswer | None, Field(default=None, description="Why it was refused, when it was refused after a 202.")]


class AcceptedOrder(Answer):
    """The request is safe, its answer is not there yet: poll the Location."""

    order_id: OrderId
    status: Annotated[Literal["accepted"], Field(examples=["accepted"])]


class FailedOrder(Answer):
    """Accepted with a 202, but never received: nothing was done."""

    order_id: OrderId
    status: Annotated[Literal["failed"], Field(examples=["failed"])]
    problem: ProblemAnswer


class OrderMarkedPaidAnswer(Answer):
    order_id: OrderId
    payment_id: Id
    status: Annotated[Literal["paid"], Field(examples=["paid"])]
    reference: Annotated[str, Field(examples=["777123"])]
    amount: Amount
    amount_minor: AmountMinor
    currency: Currency


class OrderNotPaidAnswer(ProblemAnswer):
    """A problem with a short text of its own, for pages that look for that alone."""

    model_config = ConfigDict(title="Order not paid", extra="allow")
    error: Annotated[str, Field(examples=["Order not paid"])]


class InterpretationAnswer(Answer):
    message: Annotated[str, Field(description="Plain text, paragraphs apart by an empty line.", examples=["Chakra reading\n\nWelcome."])]
