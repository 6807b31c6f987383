"""The shapes of what is answered about suspense, transfers and the mock's controls."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from services.gateway.answers import Amount, AmountMinor, Answer, Currency, Id, Moment, ProblemAnswer, SessionId, UserId

_TIME = "2026-01-31T12:00:00Z"
_ID = "0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"


class SuspenseItemAnswer(Answer):
    id: Id
    provider: Annotated[str, Field(examples=["mock"])]
    reference: Annotated[str, Field(description="The provider's own, of the charge.", examples=["ch_0199d3a28f1a"])]
    payment_id: Annotated[str | None, Field(description="The payment that it was meant for, if we have it.", examples=[_ID])]
    amount: Amount
    amount_minor: AmountMinor
    currency: Currency
    reason: Annotated[
        str,
        Field(
            description="currency_mismatch, less_than_asked, more_than_asked (this is the rest), unknown_reference, refused_payment, "
            "second_payment, something_else_paid (not what we asked for), reference_in_use (another payment is booked under the charge's "
            "reference), or refund_failed (it came back).",
            examples=["second_payment"],
        ),
    ]
    status: Annotated[str, Field(description="open, assigned, refunded or written_off: told when the money has moved.", examples=["open"])]
    created_at: Moment
    session_id: Annotated[str, Field(description="What the provider named as ours.", examples=["0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4"])]
    assigned_user_id: Annotated[str | None, Field(examples=[None])]
    assigned_payment_id: Annotated[str | None, Field(examples=[None])]
    decided_by: Annotated[str | None, Field(description="Who decided, or system: a second charge is its payer's.", examples=["user:9"])]
    decided_at: Annotated[datetime | None, Field(examples=[_TIME])]
    decision_reference: Annotated[str | None, Field(examples=[None])]
    decision_reason: Annotated[str | None, Field(examples=["asked by the payer"])]


class SuspenseItemsAnswer(Answer):
    items: Annotated[list[SuspenseItemAnswer], Field(description="Newest first.")]
    next_cursor: Annotated[str | None, Field(description="For the next page; null on the last.", examples=[None])]


class AcceptedSuspenseItem(Answer):
    """The decision is safe, its outcome is not there yet: poll the Location."""

    id: Id
    status: Annotated[Literal["accepted"], Field(examples=["accepted"])]


class FailedSuspenseItem(Answer):
    """Accepted with a 202, but never received: nothing was done."""

    id: Id
    status: Annotated[Literal["failed"], Field(examples=["failed"])]
    problem: ProblemAnswer


class TransferAnswer(Answer):
    transfer_id: Id
    status: Annotated[str, Field(description="completed: both balances show it; pending or failed after a 202.", examples=["completed"])]
    amount: Amount
    amount_minor: AmountMinor
    currency: Currency
    from_user_id: UserId
    to_user_id: Annotated[str, Field(examples=["3"])]
    reason: Annotated[str, Field(examples=["a gift"])]
    external_id: Annotated[str | None, Field(examples=[None])]
    metadata: Annotated[dict[str, str], Field(examples=[{}])]
    created_at: Moment
    updated_at: Moment
    problem: Annotated[ProblemAnswer | None, Field(default=None, description="Why it failed, when it failed after a 202.")]


class AcceptedTransfer(Answer):
    """The request is safe, its answer is not there yet: poll the Location."""

    transfer_id: Id
    status: Annotated[Literal["accepted"], Field(examples=["accepted"])]


class FailedTransfer(Answer):
    """Accepted with a 202, but never received: nothing was done."""

    transfer_id: Id
    status: Annotated[Literal["failed"], Field(examples=["failed"])]
    problem: ProblemAnswer


class MockEventAnswer(Answer):
    """One event that will take the road of every provider's webhook."""

    payment_id: Id
    session_id: SessionId
    event_id: Annotated[str, Field(examples=["evt_0199d3a28f147b0a8c2d11aa52e0f9c4"])]
    times: Annotated[int, Field(description="How often the same event is told.", examples=[1])]
    due_at: Annotated[datetime, Field(description="When it is told.", examples=[_TIME])]
