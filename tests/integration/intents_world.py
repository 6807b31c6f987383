"""Session payments in a payments service's insides: what is asked of it, and a wallet in memory whose answers a test can keep back."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from services.payments.domain.sessions import DEMO
from services.payments.ledger import Silent
from services.payments.store import sessions as session_store
from shared import postgres
from shared.contracts.base import new_id, utc_now
from shared.contracts.intents import CancelPayment, ConfirmPayment, CreateIntent, IntentCreated, PaymentConfirmed
from shared.contracts.payment_commands import Refused
from shared.contracts.payment_events import ProviderEventReceived
from shared.contracts.queries import GetPayment, PaymentView
from shared.contracts.sessions import PutSession
from shared.contracts.wallet_commands import FundsMoved, MoveFunds
from tests.integration.payments_world import PaymentsWorld, sameness

CREATE = "POST /api/v1/payments/create-intent"


class MemoryLedger:
    """Moves sets between balances in memory, each reference once, refused for good as wallet does. `loses`: so many answers get lost
    after the move; `silent`: nothing arrives."""

    def __init__(self, **balances: int) -> None:
        self.balances = {owner.removeprefix("user_"): amount for owner, amount in balances.items()}
        self.asked: list[MoveFunds] = []
        self.moved: set[str] = set()
        self.refused: set[str] = set()
        self.silent = False
        self.loses = 0

    async def move(self, command: MoveFunds) -> FundsMoved | Refused:
        self.asked.append(command)
        if self.silent:
            raise Silent(command.TYPE)
        if command.reference not in self.moved:
            after = dict(self.balances)
            if command.reference in self.refused:
                return Refused(code="insufficient_funds", detail="not enough", request_id=command.correlation_id)
            for leg in command.legs:
                after[leg.source.owner] = after.get(leg.source.owner, 0) - leg.amount_minor
                after[leg.target.owner] = after.get(leg.target.owner, 0) + leg.amount_minor
                if leg.source.kind == "user" and after[leg.source.owner] < 0:
                    self.refused.add(command.reference)
                    return Refused(code="insufficient_funds", detail="not enough", request_id=command.correlation_id)
            self.balances = after
            self.moved.add(command.reference)
        if self.loses:
            self.loses -= 1
            raise Silent(command.TYPE)
        return FundsMoved(reference=command.reference)


async def emptied(world: PaymentsWorld, admin_database_url: str) -> PaymentsWorld:
    """A module's world for one test: nothing in it but the demo's sessions. Much faster than a database a test."""
    admin = await asyncpg.connect(admin_database_url)
    try:
        # The audit log refuses to be emptied, but for a superuser who says so.
        await admin.execute("set session_replication_role = replica")
        tables = await admin.fetchval(
            "select string_agg(format('%I.%I', schemaname, tablename), ', ') from pg_tables "
            "where schemaname = 'payments' and tablename not in ('schema_migrations', 'outbox_lanes')"
        )
        await admin.execute(f"truncate {tables} cascade")
    finally:
        await admin.close()
    return await with_demo_sessions(world)


async def with_demo_sessions(world: PaymentsWorld) -> PaymentsWorld:
    async with postgres.transaction(world.pool) as tx:
        await session_store.insert_missing(tx, DEMO)
    return world


def intent_command(**changes: Any) -> CreateIntent:
    """User 1 pays session 1 of mentor 2 its price through the mock, unless `changes` say otherwise."""
    fields: dict[str, Any] = {
        "correlation_id": "request-1",
        "idempotency": sameness(operation=CREATE),
        "payment_id": new_id(),
        "user_id": "1",
        "session_id": "1",
        "mentor_id": "2",
        "amount_minor": 5_000,
        "currency": "usd",
        "method": "mock",
        "deadline": utc_now() + timedelta(seconds=60),
    }
    return CreateIntent(**(fields | changes))


def confirm_command(payment_id: UUID | str, **changes: Any) -> ConfirmPayment:
    fields: dict[str, Any] = {
        "correlation_id": "request-2",
        "idempotency": sameness(operation="POST /api/v1/payments/confirm/{payment_id}"),
        "payment_id": str(payment_id),
        "user_id": "1",
        "deadline": utc_now() + timedelta(seconds=60),
    }
    return ConfirmPayment(**(fields | changes))


def cancel_command(payment_id: UUID | str, **changes: Any) -> CancelPayment:
    fields: dict[str, Any] = {
        "correlation_id": "request-3",
        "idempotency": sameness(operation="POST /api/v1/payments/{payment_id}/cancel"),
        "payment_id": str(payment_id),
        "user_id": "1",
        "deadline": utc_now() + timedelta(seconds=60),
    }
    return CancelPayment(**(fields | changes))


def put_command(**changes: Any) -> PutSession:
    fields: dict[str, Any] = {
        "correlation_id": "request-4",
        "idempotency": sameness(caller="user:2", operation="PUT /api/v1/sessions/{session_id}"),
        "session_id": "7",
        "mentor_id": "2",
        "price_minor": 1_000,
        "currency": "eur",
        "title": "An hour",
        "user_id": "2",
        "deadline": utc_now() + timedelta(seconds=60),
    }
    return PutSession(**(fields | changes))


async def an_intent(world: PaymentsWorld, **changes: Any) -> IntentCreated:
    answer = (await world.intents.create(intent_command(**changes))).answer
    assert isinstance(answer, IntentCreated), answer
    return answer


async def refusal_of(world: PaymentsWorld, **changes: Any) -> str:
    answer = (await world.intents.create(intent_command(**changes))).answer
    assert isinstance(answer, Refused), answer
    return answer.code


async def view_of(world: PaymentsWorld, payment_id: UUID, viewer: str = "1", *, admin: bool = False) -> PaymentView | None:
    query = GetPayment(correlation_id="q", payment_id=str(payment_id), viewer_user_id=viewer, viewer_is_admin=admin)
    found = await world.views.payment(query)
    return found if isinstance(found, PaymentView) else None


async def status_of(world: PaymentsWorld, payment_id: UUID) -> str:
    view = await view_of(world, payment_id)
    assert view is not None
    return view.status


async def told_of(world: PaymentsWorld) -> list[str]:
    """The outbox: each event's type, and of an update its status."""
    rows = await world.rows("select message_type, payload::jsonb ->> 'status' as status from payments.outbox order by id")
    return [row["message_type"] if row["status"] is None else f"{row['message_type']} {row['status']}" for row in rows]


async def make_due(world: PaymentsWorld) -> None:
    """As if the reconciler's next look were due."""
    async with world.pool.acquire() as db:
        await db.execute("update payments.payments set reconcile_at = now() where status = 'pending'")


def event_of(confirmed: PaymentConfirmed) -> ProviderEventReceived:
    """The confirmation's event as the gateway hands it on."""
    assert confirmed.event is not None
    body = base64.b64encode(confirmed.event.body)
    return ProviderEventReceived(correlation_id="request-2", provider="mock", headers=confirmed.event.headers, body=body)


async def confirmed(world: PaymentsWorld, payment_id: UUID, **changes: object) -> PaymentConfirmed:
    """Confirmed by its payer, and its event brought in."""
    answer = (await world.confirming.confirm(confirm_command(payment_id, **changes))).answer
    assert isinstance(answer, PaymentConfirmed), answer
    if answer.event is not None:
        await world.settlement.handle([event_of(answer)])
    return answer
