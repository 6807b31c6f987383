"""The shapes of the answers, for the OpenAPI document; rendering.py prints them, and a test holds the two together."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

_ID = "0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"
_SESSION = "0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4"
_TIME = "2026-01-31T12:00:00Z"


def _number(description: str, *examples: float) -> Any:
    return WithJsonSchema({"type": "number", "description": description, "examples": list(examples)})


Id = Annotated[str, Field(description="Opaque.", examples=[_ID])]
SessionId = Annotated[str, Field(description="Opaque.", examples=[_SESSION])]
Amount = Annotated[Decimal, _number("Major units, exact.", 2000.0)]
AmountMinor = Annotated[int, Field(description="Minor units: the truth.", examples=[200000])]
Currency = Annotated[str, Field(description="ISO 4217, lower case.", examples=["rsd"])]
Moment = Annotated[datetime, Field(description="RFC 3339, UTC.", examples=[_TIME])]
UserId = Annotated[str, Field(examples=["1"])]


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ProblemField(Answer):
    loc: Annotated[list[str | int], Field(description="Where: body, query, path or header, then the field.", examples=[["body", "amount"]])]
    msg: Annotated[str, Field(examples=["must be above 0"])]


class ProblemAnswer(BaseModel):
    """RFC 9457. `code` is stable; `title` and `detail` are for people."""

    model_config = ConfigDict(title="Problem", extra="allow")
    type: Annotated[str, Field(examples=["urn:purser:problem:invalid_request"])]
    title: Annotated[str, Field(examples=["The request is malformed"])]
    status: Annotated[int, Field(examples=[422])]
    detail: Annotated[str, Field(examples=["not valid: body.amount"])]
    code: Annotated[str, Field(description="Stable, snake_case.", examples=["invalid_request"])]
    errors: Annotated[list[ProblemField], Field(description="One a field; empty when no field is to blame.")]
    request_id: Annotated[str, Field(description="The first request's, when the answer is a replay.", examples=[_ID])]


class DepositAnswer(Answer):
    payment_id: Id
    session_id: SessionId
    payment_url: Annotated[
        str,
        Field(
            description="Where the payer goes on.",
            examples=[f"http://localhost:8000/payment/mock?session_id={_SESSION}&amount=2000.00&currency=rsd"],
        ),
    ]
    client_secret: Annotated[
        str | None, Field(description="Only where the payer's own page may finish it (Stripe).", examples=["pi_123_secret_456"])
    ] = None
    status: Annotated[Literal["pending"], Field(examples=["pending"])]
    amount: Amount
    amount_minor: AmountMinor
    currency: Currency
    method: Annotated[str, Field(description="What really runs.", examples=["mock"])]
    expires_at: Moment


class AcceptedDeposit(Answer):
    """The request is safe, its answer is not there yet: poll the Location."""

    payment_id: Id
    status: Annotated[Literal["accepted"], Field(examples=["accepted"])]


class AcceptedCompletion(Answer):
    """The outcome is on its way to the balance: poll the Location."""

    payment_id: Annotated[str | None, Field(default=None, description="Once it is known.", examples=[_ID])]
    session_id: SessionId
    status: Annotated[Literal["accepted"], Field(examples=["accepted"])]


class CompletionAnswer(Answer):
    payment_id: Id
    session_id: SessionId
    status: Annotated[str, Field(description="completed: the balance shows the money now.", examples=["completed"])]


class PaymentAnswer(Answer):
    payment_id: Id
    id: Id
    kind: Annotated[str, Field(examples=["deposit"])]
    student_id: Annotated[str | None, Field(description="The payer; null for a guest.", examples=["1"])]
    mentor_id: Annotated[str | None, Field(examples=[None])]
    session_id: Annotated[str | None, Field(description="The coaching session, or the payment session of a top-up.", examples=[_SESSION])]
    amount: Amount
    amount_minor: AmountMinor
    currency: Currency
    status: Annotated[str, Field(description="completed only after the balance shows it; until then pending.", examples=["completed"])]
    payment_method: Annotated[str, Field(examples=["mock"])]
    transaction_id: Annotated[str | None, Field(description="The provider and its own reference.", examples=["mock:ch_0199d3a28f1a"])]
    description: Annotated[str, Field(examples=[""])]
    payment_url: Annotated[str | None, Field(examples=[f"http://localhost:8000/payment/mock?session_id={_SESSION}"])]
    refunded_amount: Annotated[Decimal, _number("Major units, exact.", 0.0)]
    refunded_amount_minor: Annotated[int, Field(examples=[0])]
    dispute_status: Annotated[str | None, Field(description="open, won or lost, once it was disputed.", examples=[None])]
    expires_at: Annotated[datetime | None, Field(examples=[_TIME])]
    metadata: Annotated[dict[str, str], Field(examples=[{}])]
    external_id: Annotated[str | None, Field(examples=[None])]
    created_at: Moment
    updated_at: Moment
    problem: Annotated[ProblemAnswer | None, Field(default=None, description="Why it was refused, when it was refused after a 202.")]


class FailedPayment(Answer):
    """Accepted with a 202, but never received: nothing was done."""

    payment_id: Id
    status: Annotated[Literal["failed"], Field(examples=["failed"])]
    problem: ProblemAnswer


class BalanceAnswer(Answer):
    user_id: UserId
    currency: Currency
    available: Amount
    available_minor: AmountMinor
    held: Annotated[Decimal, _number("Major units, exact: on its way out.", 0.0)]
    held_minor: Annotated[int, Field(examples=[0])]
    version: Annotated[int, Field(description="Grows by one with every change; 0 when the balance never moved.", examples=[7])]
    updated_at: Annotated[datetime | None, Field(description="null when the balance never moved.", examples=[_TIME])]


class BalancesAnswer(Answer):
    balances: list[BalanceAnswer]


class TransactionAnswer(Answer):
    id: Id
    kind: Annotated[str, Field(examples=["deposit"])]
    amount: Annotated[Decimal, _number("Major units, exact, signed.", 2000.0)]
    amount_minor: Annotated[int, Field(description="Signed.", examples=[200000])]
    currency: Currency
    balance_after: Amount
    balance_after_minor: AmountMinor
    version: Annotated[int, Field(examples=[7])]
    payment_id: Annotated[str | None, Field(examples=[_ID])]
    description: Annotated[str, Field(examples=["Top-up"])]
    created_at: Moment


class TransactionsAnswer(Answer):
    items: Annotated[list[TransactionAnswer], Field(description="Newest first.")]
    next_cursor: Annotated[str | None, Field(description="For the next page; null at the end.", examples=["eyJyc2QiOjd9"])]


class LoginAnswer(Answer):
    access_token: Annotated[str, Field(examples=["eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"])]
    token_type: Annotated[Literal["bearer"], Field(examples=["bearer"])]
    expires_in: Annotated[int, Field(description="Seconds.", examples=[28800])]
    csrf_token: Annotated[str, Field(description="For X-CSRF-Token beside the cookie.", examples=["Zm9yIGV4YW1wbGUgb25seQ"])]


class SessionAnswer(Answer):
    user_id: UserId
    expires_in: Annotated[int, Field(description="Seconds.", examples=[28800])]
    csrf_token: Annotated[str, Field(examples=["Zm9yIGV4YW1wbGUgb25seQ"])]


class LogoutAnswer(Answer):
    status: Annotated[Literal["logged_out"], Field(examples=["logged_out"])]


class MeAnswer(Answer):
    user_id: UserId
    roles: Annotated[list[str], Field(examples=[["student"]])]
    email: Annotated[str | None, Field(examples=["test@user.rs"])]
    locale: Annotated[str | None, Field(examples=["en"])]
    csrf_token: Annotated[str, Field(examples=["Zm9yIGV4YW1wbGUgb25seQ"])]


class TicketAnswer(Answer):
    ticket: Annotated[str, Field(description="Single use.", examples=["eyJ0aWNrZXRfaWQiOiIwMTk5In0.c2lnbmF0dXJl"])]
    url: Annotated[str, Field(examples=["ws://localhost:8001/ws?ticket=eyJ0aWNrZXRfaWQiOiIwMTk5In0.c2lnbmF0dXJl"])]
    expires_in: Annotated[Literal[30], Field(description="Seconds.", examples=[30])]


class LiveAnswer(Answer):
    service: Annotated[str, Field(examples=["gateway"])]
    status: Annotated[Literal["alive"], Field(examples=["alive"])]


class ReadyAnswer(Answer):
    service: Annotated[str, Field(examples=["gateway"])]
    status: Annotated[str, Field(description="ready, not_ready or no_answer.", examples=["ready"])]
    checks: Annotated[dict[str, str], Field(description="Each dependence: ok, or what is wrong.", examples=[{"broker": "ok"}])]


class SystemAnswer(Answer):
    status: Annotated[Literal["ready"], Field(examples=["ready"])]
    services: Annotated[dict[str, ReadyAnswer], Field(description="gateway, payments, wallet, notifier.")]


class WebhookAnswer(Answer):
    status: Annotated[Literal["success"], Field(examples=["success"])]
