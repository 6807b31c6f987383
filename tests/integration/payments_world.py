"""A payments service's insides over a real database, for tests that drive its handlers directly."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from deploy.prepare import SERVICES, database_urls, make_roles
from services.payments.domain.facts import Fact
from services.payments.handlers.balance_payments import BalancePayments, Moves
from services.payments.handlers.confirming import Confirming
from services.payments.handlers.deposits import Deposits
from services.payments.handlers.inquiry import Inquiry
from services.payments.handlers.intents import Intents
from services.payments.handlers.mock_sessions import MockSessions
from services.payments.handlers.opening import Opening
from services.payments.handlers.sessions import Sessions
from services.payments.handlers.settlement import Follow, Settlement
from services.payments.handlers.views import Views
from services.payments.idempotency import PURPOSE as KEPT_ANSWER
from services.payments.ledger import Silent
from services.payments.mock_book import MockBook
from services.payments.providers.base import Provider
from services.payments.providers.mock.adapter import MockProvider
from services.payments.reconciler import Reconciler
from services.payments.store.events import PURPOSE as PROVIDER_EVENT
from services.payments.store.next_steps import StepSeals
from shared import postgres
from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_commands import CompleteMockSession, CreateDeposit, DepositCreated, Idempotency, MockSessionDecided, Refused
from shared.contracts.payment_events import ProviderEventReceived
from shared.contracts.wallet_commands import FundsMoved, MoveFunds
from shared.keys import Keys
from shared.migrations import migrate
from shared.postgres import Pool
from shared.sealing import Seal
from shared.waiting import Waiters
from tests.servers import SECRET_KEY

SECRET = SECRET_KEY
DATA_KEY = "data-key-of-the-tests-0123456789abcdef"
ANSWERS = Seal((DATA_KEY,), KEPT_ANSWER)
STEPS = StepSeals.of((DATA_KEY,))


class QuietRelay:
    """Counts how often it was woken; sending is the relay's own test's matter."""

    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


class SilentLedger:
    """A wallet that never answers."""

    async def move(self, command: MoveFunds) -> FundsMoved | Refused:
        raise Silent(command.TYPE)


@dataclass
class PaymentsWorld:
    pool: Pool
    deposits: Deposits
    mock_sessions: MockSessions
    settlement: Settlement
    reconciler: Reconciler
    views: Views
    mock: MockProvider
    intents: Intents
    confirming: Confirming
    sessions: Sessions

    async def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        async with postgres.connection(self.pool) as db:
            return [dict(row) for row in await db.fetch(query, *arguments)]

    async def deposit(self, **changes: Any) -> DepositCreated:
        reply = await self.deposits.create(deposit_command(**changes))
        assert isinstance(reply.answer, DepositCreated)
        return reply.answer

    async def decide(self, session_id: UUID, outcome: str = "success", **changes: Any) -> ProviderEventReceived:
        reply = await self.mock_sessions.complete(complete_command(session_id, outcome=outcome, **changes))
        assert isinstance(reply.answer, MockSessionDecided)
        return received(reply.answer)


@asynccontextmanager
async def payments_world(
    database_url: str,
    *,
    enabled: tuple[str, ...] = ("mock",),
    production: bool = False,
    session_ttl_seconds: int = 3600,
    ledger: Moves | None = None,
    fee_bps: int = 0,
    more: Sequence[Provider] = (),
    follow: Mapping[type[Fact], Follow] | None = None,
    data_keys: tuple[str, ...] = (DATA_KEY,),
) -> AsyncIterator[PaymentsWorld]:
    admin = await asyncpg.connect(database_url)
    try:
        await make_roles(admin, SECRET)
        await migrate(admin, "payments", SERVICES / "payments" / "migrations")
        await admin.execute("grant usage on schema payments to purser_payments")
    finally:
        await admin.close()
    pool = await postgres.create_pool(database_urls(database_url, SECRET).payments, size=10, application_name="test payments")
    try:
        mock = MockProvider(MockBook(pool), Keys((SECRET,)), base_url="http://localhost:8000", session_ttl_seconds=session_ttl_seconds)
        providers: dict[str, Provider] = {"mock": mock} | {provider.name: provider for provider in more}
        waiters: Waiters[UUID] = Waiters()
        relay: Any = QuietRelay()
        settlement = Settlement(pool, providers, relay, waiters, Seal(data_keys, PROVIDER_EVENT), {} if follow is None else follow)
        answers, steps = Seal(data_keys, KEPT_ANSWER), StepSeals.of(data_keys)
        opening = Opening(
            pool,
            providers,
            enabled,
            production,
            timedelta(seconds=session_ttl_seconds),
            0.001,
            answers,
            steps,
        )
        balance_payments = BalancePayments(pool, ledger or SilentLedger(), settlement)
        inquiry = Inquiry(providers, settlement, balance_payments)
        yield PaymentsWorld(
            pool=pool,
            deposits=Deposits(opening),
            mock_sessions=MockSessions(pool, answers, mock),
            settlement=settlement,
            reconciler=Reconciler(pool, inquiry, after_seconds=0.001),
            intents=Intents(opening, balance_payments, Keys((SECRET,)), fee_bps=fee_bps),
            confirming=Confirming(pool, answers, inquiry, mock),
            sessions=Sessions(pool, answers),
            views=Views(pool, steps, waiters),
            mock=mock,
        )
    finally:
        await postgres.close_pool(pool)


def sameness(
    key: str | None = None, *, caller: str = "user:1", body: str = "body", operation: str = "POST /api/v1/balance/deposit"
) -> Idempotency:
    return Idempotency(
        caller=caller,
        operation=operation,
        key_hash=None if key is None else hashlib.sha256(key.encode()).hexdigest(),
        fingerprint=hashlib.sha256(body.encode()).hexdigest(),
    )


def deposit_command(**changes: Any) -> CreateDeposit:
    fields: dict[str, Any] = {
        "correlation_id": "request-1",
        "idempotency": sameness(),
        "payment_id": new_id(),
        "user_id": "1",
        "amount_minor": 200_000,
        "currency": "rsd",
        "method": "mock",
        "deadline": utc_now() + timedelta(seconds=60),
    }
    return CreateDeposit(**(fields | changes))


def complete_command(session_id: UUID | str, **changes: Any) -> CompleteMockSession:
    fields: dict[str, Any] = {
        "correlation_id": "request-2",
        "idempotency": sameness(operation="POST /api/v1/balance/mock/complete"),
        "session_id": str(session_id),
        "user_id": "1",
        "amount": None,
        "outcome": "success",
        "deadline": utc_now() + timedelta(seconds=60),
    }
    return CompleteMockSession(**(fields | changes))


def received(decided: MockSessionDecided) -> ProviderEventReceived:
    """The decided session's event as the gateway hands it on."""
    import base64

    return ProviderEventReceived(
        correlation_id="request-2", provider="mock", headers=decided.event.headers, body=base64.b64encode(decided.event.body)
    )
