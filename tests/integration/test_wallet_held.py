"""What an operator's page asks of wallet: what is held of everybody's money, and since when its events wait."""

from __future__ import annotations

from services.wallet import reads
from shared import postgres
from shared.money import Money
from tests.integration.explained import Explained
from tests.integration.funds_world import a_release, a_reserve, a_settle, funds
from tests.integration.wallet_world import a_transfer, user, wallet_world


async def test_all_live_holds_by_currency_and_no_others(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world:
        await world.post(a_transfer(), a_transfer(target=user("2")), a_transfer(money=Money(900, "jpy")))
        handler = funds(world)
        first, second, yen, settled, released = (
            a_reserve(500),
            a_reserve(700, user_id="2"),
            a_reserve(900, currency="jpy"),
            a_reserve(100),
            a_reserve(100),
        )
        for command in (first, second, yen, settled, released):
            await handler.reserve(command)
        await handler.settle(a_settle(settled.reference))
        await handler.release(a_release(released.reference))
        async with postgres.connection(world.pool) as db:
            told = await reads.held(db)
        assert [(held.currency, held.count, held.amount_minor) for held in told.held] == [("jpy", 1, 900), ("rsd", 2, 1200)]
        (oldest,) = await world.rows("select min(created_at) as at from wallet.holds where reference = $1", first.reference)
        assert told.held[1].since == oldest["at"]

        (oldest,) = await world.rows("select min(created_at) as at from wallet.outbox")
        assert told.unpublished_since == oldest["at"], "nobody publishes here"
        async with world.admin() as admin:
            await admin.execute("update wallet.outbox set sent_at = now()")
        async with postgres.connection(world.pool) as db:
            assert (await reads.held(db)).unpublished_since is None


async def test_only_live_holds_are_read(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world, postgres.transaction(world.pool) as tx:
        await tx.execute("set local enable_seqscan = off")
        explained = Explained(tx)
        await reads.held(explained.connection)
        assert "holds_live" in " ".join(explained.plan)
        assert not any("Seq Scan" in line for line in explained.plan)
