"""The shapes of what is answered about withdrawals."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from services.gateway.answers import Amount, AmountMinor, Answer, Currency, Id, Moment, ProblemAnswer, UserId

_TIME = "2026-01-31T12:00:00Z"


class DestinationAnswer(Answer):
    """Masked: enough for its owner to recognise it. In full to an admin who looks at one withdrawal that is paid by hand."""

    type: Annotated[str, Field(examples=["bank_account"])]
    account: Annotated[str, Field(description="Its last characters; of a card, those of its payment's id.", examples=["****8995"])]
    name: Annotated[str, Field(description="Initials; empty for a card.", examples=["J*** J***"])]


class WithdrawalAnswer(Answer):
    withdrawal_id: Id
    status: Annotated[
        str,
        Field(
            description="pending (for approval), approved, sending, paid, rejected, canceled, failed, or returned (the bank sent it back: "
            "credited again).",
            examples=["pending"],
        ),
    ]
    amount: Amount
    amount_minor: AmountMinor
    currency: Currency
    user_id: UserId
    method: Annotated[str, Field(description="How it is paid out.", examples=["mock"])]
    destination: DestinationAnswer
    reference: Annotated[str | None, Field(description="The payout's own, once it is known.", examples=["po_0199d3a28f1a"])]
    reason: Annotated[str | None, Field(description="Why it was rejected, canceled or failed.", examples=[None])]
    external_id: Annotated[str | None, Field(examples=[None])]
    metadata: Annotated[dict[str, str], Field(examples=[{}])]
    created_at: Moment
    updated_at: Moment
    decision: Annotated[str | None, Field(default=None, description="approve, reject or cancel; for admins.", examples=["approve"])]
    decided_by: Annotated[
        str | None, Field(default=None, description="Who decided, or auto: under the limit; for admins.", examples=["user:9"])
    ]
    decided_at: Annotated[datetime | None, Field(default=None, description="For admins.", examples=[_TIME])]
    decision_reason: Annotated[str | None, Field(default=None, description="For admins.", examples=[None])]
    problem: Annotated[ProblemAnswer | None, Field(default=None, description="Why it was refused, when it was refused after a 202.")]


class WithdrawalsAnswer(Answer):
    items: list[WithdrawalAnswer]
    next_cursor: Annotated[str | None, Field(description="For the next page; null on the last.", examples=[None])]


class AcceptedWithdrawal(Answer):
    """The request is safe, its answer is not there yet: poll the Location."""

    withdrawal_id: Id
    status: Annotated[Literal["accepted"], Field(examples=["accepted"])]


class FailedWithdrawal(Answer):
    """Accepted with a 202, but never received: nothing was done."""

    withdrawal_id: Id
    status: Annotated[Literal["failed"], Field(examples=["failed"])]
    problem: ProblemAnswer
