"""The stand-in provider: sessions in a book of its own, each decided once under its lock, told by signed webhook events like any other's.

Its event (JSON): {"id","type":"session.paid"|"session.failed","created",  "data":{"session_id","charge","amount_minor","currency"}}.
Signed as Standard Webhooks do: webhook-id, webhook-timestamp, webhook-signature "v1,<base64 HMAC-SHA256 of id.timestamp.body>".
"""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Literal
from urllib.parse import urlencode
from uuid import UUID

import orjson
from pydantic import AwareDatetime, BaseModel, ValidationError

from services.payments.domain.capabilities import ANY_AMOUNT, Capabilities
from services.payments.domain.facts import Declined, DisputeTold, Fact, Irrelevant, Paid, PayoutTold, RefundTold
from services.payments.domain.payments import Payment
from services.payments.mock_book import MockBook, MockSession
from services.payments.providers.base import Accepted, Canceled, Created, Ended, Open, Payer, ProviderEvent, Told
from shared.contracts.base import Currency, utc_now
from shared.contracts.payment_commands import SignedEvent
from shared.delivery.errors import Permanent
from shared.keys import Keys
from shared.money import Money, MoneyError

SIGNATURE_LABEL: Final = "mock-webhook"


class _Event(BaseModel):
    id: str
    type: str
    created: AwareDatetime
    data: dict[str, Any]


class _SessionData(BaseModel):
    session_id: UUID
    charge: str | None
    amount_minor: int
    currency: Currency


class _DisputeData(BaseModel):
    session_id: UUID
    dispute: str
    amount_minor: int
    currency: Currency


class _RefundData(BaseModel):
    """`refund_id` is ours; none: made at the provider's own site."""

    session_id: UUID
    refund: str
    charge: str | None = None
    refund_id: UUID | None = None
    status: Literal["pending", "succeeded", "failed"]
    amount_minor: int
    currency: Currency
    reason: str = ""


class _PayoutData(BaseModel):
    withdrawal_id: UUID
    reference: str
    reason: str = ""


class MockProvider:
    name: Final = "mock"
    capabilities: Final = Capabilities(refund=True, status=True, cancel=True, payout=True, dispute=True)
    currencies: Final = ANY_AMOUNT
    questions_per_minute: Final = None

    def __init__(self, book: MockBook, keys: Keys, *, base_url: str, session_ttl_seconds: int) -> None:
        self._book = book
        self._keys = keys
        self._base_url = base_url
        self._session_ttl = timedelta(seconds=session_ttl_seconds)

    async def create(self, payment: Payment, payer: Payer, *, again: bool) -> Created:
        assert payment.session_id is not None
        session = await self._book.open(
            MockSession(
                session_id=payment.session_id,
                payment_id=payment.payment_id,
                # An order's session is authorised by knowing it, whoever made it.
                owner=None if payment.kind == "order" else payment.user_id,
                money=payment.money,
                expires_at=payment.created_at + self._session_ttl,
            )
        )
        query = {"session_id": str(session.session_id), "amount": session.money.major, "currency": session.money.currency}
        if payment.order_id is not None:
            query["order_id"] = str(payment.order_id)
        return Accepted(f"{self._base_url}/payment/mock?{urlencode(query)}", session.expires_at)

    async def find(self, payment: Payment) -> Told:
        assert payment.session_id is not None
        found = await self._book.find(payment.session_id)
        if found is None:
            # Never opened: the command that was to do it is gone, or comes again and opens it.
            return Open(expired=payment.expires_at is not None and utc_now() >= payment.expires_at)
        session, ended = found
        if session.outcome is None or session.decided_at is None:
            return Open(expired=ended)
        if session.outcome == "canceled":
            return Open(expired=True)
        return _decided(session)

    async def cancel(self, payment: Payment) -> Ended:
        assert payment.session_id is not None
        session = await self._book.end(payment.session_id)
        return Canceled() if session is None or session.outcome == "canceled" else _decided(session)

    def read_event(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        try:
            event = _Event.model_validate_json(body)
            return ProviderEvent(event.id, _fact(event))
        except (ValidationError, MoneyError) as error:
            raise Permanent("not an event of the mock") from error

    def signed_event(self, session: MockSession) -> SignedEvent:
        """The event that tells the session's outcome, signed now; always the same event and body for one session."""
        assert session.outcome is not None
        assert session.event_id is not None
        assert session.decided_at is not None
        return sign(session.event_id, event_body(session), self._keys)

    def sign_again(self, event: SignedEvent) -> SignedEvent:
        """The same event with a signature of now: an old one would be refused as stale."""
        return sign(event.headers["webhook-id"], event.body, self._keys)


def _decided(session: MockSession) -> Paid | Declined:
    assert session.decided_at is not None
    if session.charge_reference is None:
        return Declined(session.session_id, session.decided_at)
    return Paid(session.session_id, session.charge_reference, session.charged, session.decided_at)


def event_body(session: MockSession) -> bytes:
    return orjson.dumps(
        {
            "id": session.event_id,
            "type": "session.paid" if session.outcome == "success" else "session.failed",
            "created": _text(session.decided_at),
            "data": {
                "session_id": str(session.session_id),
                "charge": session.charge_reference,
                "amount_minor": session.charged.amount_minor,
                "currency": session.charged.currency,
            },
        }
    )


def sign(event_id: str, body: bytes, keys: Keys) -> SignedEvent:
    timestamp = str(int(time.time()))
    digest = hmac.digest(keys.signing(SIGNATURE_LABEL), f"{event_id}.{timestamp}.".encode() + body, sha256)
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return SignedEvent(
        headers={
            "content-type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature,
        },
        body=base64.b64encode(body),
    )


def outcome_event_id(session_id: UUID, outcome: Literal["success", "failure"]) -> str:
    """One event a session and outcome, so that a repeat is the same event."""
    return f"evt_{session_id.hex}_{outcome}"


def _fact(event: _Event) -> Fact:
    match event.type:
        case "session.paid" | "session.failed":
            return _of_session(event, _SessionData.model_validate(event.data))
        case "refund.updated":
            return _of_refund(event, _RefundData.model_validate(event.data))
        case "dispute.opened" | "dispute.won" | "dispute.lost":
            return _of_dispute(event, _DisputeData.model_validate(event.data))
        case "payout.paid" | "payout.failed" | "payout.returned":
            return _of_payout(event, _PayoutData.model_validate(event.data))
        case _:
            return Irrelevant(f"type {event.type[:40]}")


def _of_session(event: _Event, data: _SessionData) -> Fact:
    if event.type == "session.failed":
        return Declined(data.session_id, event.created)
    if not data.charge:
        return Irrelevant("paid without a charge")
    return Paid(data.session_id, data.charge, Money(data.amount_minor, data.currency), event.created)


def _of_refund(event: _Event, data: _RefundData) -> Fact:
    money = Money(data.amount_minor, data.currency)
    return RefundTold(data.session_id, data.refund_id, data.refund, money, data.status, event.created, data.reason, data.charge)


def _of_dispute(event: _Event, data: _DisputeData) -> Fact:
    events: dict[str, Literal["opened", "won", "lost"]] = {"dispute.opened": "opened", "dispute.won": "won", "dispute.lost": "lost"}
    money = Money(data.amount_minor, data.currency)
    return DisputeTold(data.session_id, data.dispute, events[event.type], money, event.created)


def _of_payout(event: _Event, data: _PayoutData) -> Fact:
    outcomes: dict[str, Literal["paid", "failed", "returned"]] = {
        "payout.paid": "paid",
        "payout.failed": "failed",
        "payout.returned": "returned",
    }
    return PayoutTold(data.withdrawal_id, data.reference, outcomes[event.type], event.created, data.reason)


def _text(moment: datetime | None) -> str:
    return (moment or utc_now()).isoformat()
