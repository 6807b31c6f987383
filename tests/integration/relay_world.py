"""A service's outbox over real servers, and relays that empty it, stop or die."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from aio_pika.abc import AbstractIncomingMessage

from deploy.prepare import SERVICES, database_urls, make_roles
from shared import postgres
from shared.contracts.base import Message
from shared.contracts.topology import WALLET_PAYMENT_COMPLETED
from shared.contracts.wallet_events import BalanceChanged
from shared.delivery import outbox
from shared.delivery import relay as relay_module
from shared.delivery.publisher import Publisher
from shared.delivery.relay import Relay
from shared.migrations import migrate
from shared.postgres import Pool, transaction
from tests.integration.delivery_world import World, delivery_world, events, eventually, numbers_in
from tests.servers import SECRET_KEY

SCHEMA = "wallet"
QUEUE = WALLET_PAYMENT_COMPLETED
Pair = tuple[str, Message]


@dataclass
class Outbox:
    """A service's database with its outbox; `pool` logs in as the service's own role, `admin` as the superuser."""

    world: World
    pool: Pool
    admin: asyncpg.Connection[asyncpg.Record]

    async def commit(self, *pairs: Pair) -> None:
        async with transaction(self.pool) as tx:
            await outbox.append(tx, SCHEMA, pairs)

    async def commit_silently(self, *pairs: Pair) -> None:
        """Without the NOTIFY of outbox.append: only the sweep, or a wake, finds it."""
        for key, one in pairs:
            await self.admin.execute(
                "insert into wallet.outbox (lane, message_type, key, payload, correlation_id) values (0, $1, $2, $3, '')",
                one.TYPE,
                key,
                one.model_dump_json(),
            )

    async def unsent(self) -> int:
        count = await self.admin.fetchval("select count(*) from wallet.outbox where sent_at is null")
        assert isinstance(count, int)
        return count

    async def until_sent(self, seconds: float = 30) -> None:
        async def all_sent() -> bool:
            return await self.unsent() == 0

        await eventually(all_sent, "all sent", seconds)

    async def lanes_of(self, name: str) -> int:
        count = await self.admin.fetchval("select count(*) from wallet.outbox_lanes where leased_by = $1", name)
        assert isinstance(count, int)
        return count

    async def arrived(self) -> list[list[int]]:
        """The numbers in each envelope that is in the queue now."""
        return [numbers_in(message) for message in await self.messages()]

    async def messages(self) -> list[AbstractIncomingMessage]:
        return await self.world.take(QUEUE, await self.world.ready(QUEUE))

    def relay(self, name: str = "one", publisher: Publisher | None = None) -> Relay:
        return Relay(self.pool, publisher or self.world.publisher, schema=SCHEMA, name=name)


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[Relay]:
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop(3)


async def die(relay: Relay) -> None:
    """The process is gone: nothing is finished and nothing given back."""
    for task in relay._tasks:
        task.cancel()
    await asyncio.gather(*relay._tasks, return_exceptions=True)


@pytest.fixture
async def box(amqp_url: str, fresh_database_url: str) -> AsyncIterator[Outbox]:
    admin = await asyncpg.connect(fresh_database_url)
    await make_roles(admin, SECRET_KEY)
    await migrate(admin, SCHEMA, SERVICES / SCHEMA / "migrations")
    pool = await postgres.create_pool(database_urls(fresh_database_url, SECRET_KEY).wallet, size=6, application_name="test relay")
    async with delivery_world(amqp_url, confirm_timeout_seconds=1) as world:
        yield Outbox(world, pool, admin)
    await postgres.close_pool(pool)
    await admin.close()


@pytest.fixture
def no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """The safety net is out of reach: what is sent was sent because the relay was told."""
    monkeypatch.setattr(relay_module, "_SWEEP_SECONDS", 600.0)


def pairs(numbers: Sequence[int], key: str = "account") -> list[Pair]:
    return [(key, one) for one in events(numbers)]


def balance(version: int) -> BalanceChanged:
    fields: dict[str, Any] = {"user_id": "1", "currency": "rsd", "available_minor": version, "held_minor": 0, "change_minor": 1}
    return BalanceChanged(correlation_id="request-1", version=version, kind="deposit", **fields)
