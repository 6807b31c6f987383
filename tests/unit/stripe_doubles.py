"""Payments at Stripe, Stripe's objects as its API shows them, and a wire that answers what a test says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import httpx

from services.payments.domain.payments import Payment, Status
from services.payments.domain.return_pages import ReturnPages
from services.payments.providers.stripe.adapter import StripeProvider
from services.payments.providers.stripe.client import API_VERSION, StripeApi
from shared.contracts.base import new_id
from shared.money import Money

KEY = "sk_test_unit"
TTL = timedelta(hours=1)
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
SESSION_ID = UUID("018f3a5e-0000-7000-8000-0000000000aa")
INTENT = "pi_3Unit"

Json = dict[str, Any]


def a_payment(money: Money | None = None, **changes: Any) -> Payment:
    fields: Json = {
        "payment_id": new_id(),
        "session_id": SESSION_ID,
        "user_id": "7",
        "kind": "deposit",
        "provider": "stripe",
        "money": money or Money(5_000, "eur"),
        "status": Status.PENDING,
        "locale": "en",
        "correlation_id": "request-1",
        "created_at": NOW,
        "updated_at": NOW,
        "expires_at": NOW + TTL,
        "description": "A top-up",
    }
    return Payment(**(fields | changes))


def an_intent(**changes: Any) -> Json:
    fields: Json = {
        "id": INTENT,
        "object": "payment_intent",
        "status": "requires_payment_method",
        "amount": 5_000,
        "amount_received": 0,
        "currency": "eur",
        "created": int(NOW.timestamp()),
        "canceled_at": None,
        "client_secret": f"{INTENT}_secret_x",
        "latest_charge": None,
        "livemode": False,
        "metadata": {"purser_session_id": str(SESSION_ID)},
    }
    return fields | changes


def a_refund(**changes: Any) -> Json:
    fields: Json = {
        "id": "re_3Unit",
        "object": "refund",
        "status": "succeeded",
        "amount": 2_000,
        "currency": "eur",
        "created": int(NOW.timestamp()),
        "payment_intent": INTENT,
        "charge": "ch_3Unit",
        "failure_reason": None,
        "reason": None,
        "metadata": {},
    }
    return fields | changes


def a_dispute(**changes: Any) -> Json:
    fields: Json = {
        "id": "du_1Unit",
        "object": "dispute",
        "status": "needs_response",
        "amount": 5_000,
        "currency": "eur",
        "payment_intent": INTENT,
        "charge": "ch_3Unit",
        "metadata": {},
    }
    return fields | changes


def an_event(kind: str, shown: Json, **changes: Any) -> bytes:
    fields: Json = {
        "id": "evt_1Unit",
        "object": "event",
        "api_version": API_VERSION,
        "created": int(NOW.timestamp()),
        "data": {"object": shown},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }
    return json.dumps(fields | changes).encode()


def refusal(status: int, code: str | None = None, kind: str = "invalid_request_error", **headers: str) -> httpx.Response:
    """An error as Stripe's API tells it; header names with underscores for hyphens."""
    error = {"type": kind, "message": "for developers"} | ({} if code is None else {"code": code})
    named = {name.replace("_", "-"): value for name, value in headers.items()} | {"request-id": "req_unit"}
    return httpx.Response(status, json={"error": error}, headers=named)


Answer = httpx.Response | Exception | Json


@dataclass
class Wire(httpx.AsyncBaseTransport):
    """Gives the answers in turn, the last one for ever; keeps what was asked."""

    answers: Sequence[Answer]
    asked: list[httpx.Request] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append(request)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(200, json=answer) if isinstance(answer, Mapping) else answer

    @property
    def keys(self) -> list[str | None]:
        return [request.headers.get("idempotency-key") for request in self.asked]

    def form(self, index: int = 0) -> dict[str, str]:
        """The fields of a request's body."""
        return dict(parse_qsl(self.asked[index].content.decode()))


@asynccontextmanager
async def an_api(*answers: Answer, key: str = KEY) -> AsyncIterator[tuple[StripeApi, Wire]]:
    wire = Wire(answers)
    api = StripeApi(key, "http://127.0.0.1:1", transport=wire)
    try:
        yield api, wire
    finally:
        await api.close()


@asynccontextmanager
async def a_provider(*answers: Answer, key: str = KEY) -> AsyncIterator[tuple[StripeProvider, Wire]]:
    async with an_api(*answers, key=key) as (api, wire):
        yield StripeProvider(api, ReturnPages("https://pay.example"), session_ttl=TTL), wire
