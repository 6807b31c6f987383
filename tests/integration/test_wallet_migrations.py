"""The wallet's migrations: from nothing to the schema that the services count on, once."""

from __future__ import annotations

import asyncpg

from deploy.prepare import SERVICES
from shared.contracts.wallet_events import BalanceChanged
from shared.delivery import outbox
from shared.migrations import migrate, read
from tests.integration.wallet_world import wallet_world

FOLDER = SERVICES / "wallet" / "migrations"


async def test_applied_once_and_never_again(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world, world.admin() as admin:
        assert await migrate(admin, "wallet", FOLDER) == []
        applied = await world.rows("select number from wallet.schema_migrations order by number")
        assert [row["number"] for row in applied] == [migration.number for migration in read(FOLDER)]


async def test_the_outbox_is_the_one_that_relays_read(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world:
        lanes = await world.rows("select lane from wallet.outbox_lanes order by lane")
        assert [row["lane"] for row in lanes] == list(range(outbox.LANES))
        event = BalanceChanged(
            correlation_id="c", user_id="1", currency="rsd", available_minor=1, held_minor=0, version=1, change_minor=1, kind="deposit"
        )
        async with asyncpg.create_pool(world.url, min_size=1, max_size=1) as pool, pool.acquire() as db:
            await outbox.append(db, "wallet", [("7", event)])
            assert await db.fetchval("update wallet.outbox set sent_at = now() returning payload") == event.model_dump_json()
            assert await db.execute("update wallet.outbox_lanes set leased_by = 'me'") == f"UPDATE {outbox.LANES}"
            assert await db.execute("delete from wallet.outbox") == "DELETE 1"


async def test_the_journal_has_only_the_indexes_that_a_question_needs(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world:
        rows = await world.rows(
            "select indexname from pg_indexes where schemaname = 'wallet' and tablename in ('transfers', 'entries') order by indexname"
        )
        assert [row["indexname"] for row in rows] == ["entries_pkey", "transfers_pkey", "transfers_reference"]
