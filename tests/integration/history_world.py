"""Payments as some handler could have left them, for tests of what is listed and told of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from deploy.prepare import database_urls
from services.payments.handlers.history import History
from services.payments.store.events import PURPOSE
from shared import postgres
from shared.contracts.base import new_id
from shared.postgres import Pool
from shared.sealing import Seal
from tests.integration.wallet_world import SECRET, prepare_schemas

DATA_KEY = "data-key-of-the-tests-0123456789abcdef"
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@dataclass
class HistoryWorld:
    """`pool`: the service's own login; `admin_url`: the database's administrator's."""

    pool: Pool
    admin_url: str
    history: History
    seal: Seal

    async def write(self, table: str = "payments", **row: Any) -> None:
        names, places = ", ".join(row), ", ".join(f"${number}" for number in range(1, len(row) + 1))
        async with postgres.connection(self.pool) as db:
            await db.execute(f"insert into payments.{table} ({names}) values ({places})", *row.values())  # noqa: S608

    async def payment(self, **facts: Any) -> UUID:
        """Writes a payment of a top-up (or of the facts' own kind); its id."""
        payment_id = facts.pop("payment_id", None) or new_id()
        completed = facts.get("status") == "completed"
        of_session = facts.get("kind") == "payment"
        usual: dict[str, Any] = {
            "session_id": new_id(),
            "user_id": "1",
            "kind": "deposit",
            "provider": "mock",
            "amount_minor": 1000,
            "currency": "rsd",
            "status": "pending",
            "locale": "en",
            "correlation_id": "request-1",
            "charge_reference": f"ch_{payment_id}" if completed else None,
            "credit_reference": f"mock:ch_{payment_id}" if completed else None,
            "completed_at": NOON if completed else None,
            "mentor_id": "2" if of_session else None,
            "coaching_session_id": "7" if of_session else None,
            "created_at": NOON,
            "updated_at": NOON,
        }
        await self.write(payment_id=payment_id, **{**usual, **facts})
        return payment_id

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        connection = await asyncpg.connect(self.admin_url)
        try:
            yield connection
        finally:
            await connection.close()


@asynccontextmanager
async def history_world(database_url: str) -> AsyncIterator[HistoryWorld]:
    await prepare_schemas(database_url, "payments")
    pool = await postgres.create_pool(database_urls(database_url, SECRET).payments, size=4, application_name="test history")
    seal = Seal((DATA_KEY,), PURPOSE)
    try:
        yield HistoryWorld(pool, database_url, History(pool, seal), seal)
    finally:
        await postgres.close_pool(pool)
