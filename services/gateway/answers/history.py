"""The shapes of what has been: the list of payments, a payment's timeline, the audit log."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from services.gateway.answers import Amount, AmountMinor, Answer, Currency, Id, Moment

_PAYMENT = "0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"
_REQUEST = "0199d3a2-0000-7000-8000-000000000001"

STEPS = (
    "payment.requested", "payment.refused", "session.opened", "provider_event.received", "provider_event.stored", "payment.completed",
    "payment.failed", "payment.expired", "payment.canceled", "refund.requested", "refund.succeeded", "refund.failed", "dispute.opened",
    "dispute.won", "dispute.lost", "suspense.opened", "suspense.assigned", "suspense.refunded", "suspense.written_off", "message.written",
    "message.sent", "ledger.transfer", "ledger.entry",
)  # fmt: skip

_IDS = """What links this step to others. request_id is the X-Request-ID of the request that caused it, in every service; payment_id,
session_id, order_id, event_id (the provider's), transaction_id and reference (the ledger's), transfer_id, message_id, user_id, refund_id,
dispute_id, suspense_id, audit_id, provider_reference."""
_DETAIL = """Figures of the step, by its kind: sums (each as a number of major units and as *_minor, beside their currency), method,
outcome, type (of a message), source and target (of a transfer), version and balances (of an entry; for its owner and admins), and for
admins a provider event's headers and body as they came (body_hex when it is no text; raw_left_out says why they are not shown)."""


def _object(description: str, values: Any, *examples: dict[str, Any]) -> Any:
    return WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": values,
            "description": description.replace("\n", " "),
            "examples": list(examples),
        }
    )


class HistoryItemAnswer(Answer):
    id: Id
    student_id: Annotated[str | None, Field(description="The payer; null for a guest.", examples=["1"])]
    mentor_id: Annotated[str | None, Field(examples=["2"])]
    session_id: Annotated[
        str | None, Field(description="The coaching session of a payment for one, else the payment session.", examples=["7"])
    ]
    amount: Amount
    amount_minor: AmountMinor
    currency: Currency
    status: Annotated[str, Field(description="As the provider has it; up to a second ahead of the balance.", examples=["completed"])]
    payment_method: Annotated[str, Field(examples=["mock"])]
    transaction_id: Annotated[str | None, Field(description="The provider and its own reference.", examples=["mock:ch_0199d3a28f1a"])]
    description: Annotated[str, Field(examples=["Session 7"])]
    created_at: Moment
    updated_at: Moment


class TimelineItemAnswer(Answer):
    at: Moment
    step: Annotated[str, Field(description=f"One of {', '.join(STEPS)}; for admins also audit.*. More may come.", examples=list(STEPS))]
    service: Annotated[str, Field(description="Where it happened.", examples=["gateway", "payments", "wallet"])]
    ids: Annotated[
        dict[str, str],
        _object(_IDS, {"type": "string"}, {"transfer_id": _PAYMENT, "reference": "mock:ch_0199d3a28f1a", "request_id": _REQUEST}),
    ]
    detail: Annotated[
        dict[str, Any],
        _object(
            _DETAIL,
            True,
            {"kind": "deposit", "method": "mock", "amount": 2000.0, "amount_minor": 200000, "currency": "rsd"},
            {"provider": "mock", "outcome": "applied"},
            {"type": "payment.completed.v1"},
            {"kind": "deposit", "amount": 2000.0, "amount_minor": 200000, "currency": "rsd", "source": "clearing:mock", "target": "user:1"},
        ),
    ]


class TimelineAnswer(Answer):
    payment_id: Id
    items: Annotated[list[TimelineItemAnswer], Field(description="In order of time. Messages are told for a day after they were sent.")]
    truncated: Annotated[bool, Field(description="Older steps of a kind that has very many are left out.", examples=[False])]


class AuditItemAnswer(Answer):
    id: Id
    at: Moment
    actor: Annotated[str, Field(description="user:<id>, guest or system.", examples=["user:9"])]
    action: Annotated[str, Field(examples=["withdrawal.approve"])]
    resource: Annotated[str, Field(description="What it was done to.", examples=[f"withdrawal:{_PAYMENT}"])]
    details: Annotated[dict[str, Any], _object("Figures and reasons, by the action.", True, {"amount_minor": 200000, "currency": "rsd"})]
    request_id: Annotated[str, Field(description="The X-Request-ID of the request that did it.", examples=[_REQUEST])]


class AuditAnswer(Answer):
    items: Annotated[list[AuditItemAnswer], Field(description="Newest first.")]
    next_cursor: Annotated[str | None, Field(description="For the next page; null at the end.", examples=["YQAGRdxk1zqA"])]
