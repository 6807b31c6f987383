"""The outbox and its relay over real servers: what is committed leaves, in order, whoever dies on the way."""

from __future__ import annotations

import asyncio
import time
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
from shared.contracts.topology import ENVELOPE_EVENTS, PAYMENTS_COMMANDS, WALLET_PAYMENT_COMPLETED
from shared.contracts.wallet_events import BalanceChanged
from shared.delivery import envelopes as envelopes_module
from shared.delivery import outbox
from shared.delivery import relay as relay_module
from shared.delivery.errors import NotConfirmed
from shared.delivery.outbox import LANES
from shared.delivery.publisher import Publisher
from shared.delivery.relay import Relay
from shared.migrations import migrate
from shared.postgres import Pool, transaction
from tests.integration.delivery_world import World, delivery_world, event, events, eventually, numbers_in
from tests.integration.test_delivery_publisher import command
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


# Being told


async def test_a_commit_of_this_process_leaves_at_once_when_the_relay_is_woken(box: Outbox, no_sweep: None) -> None:
    async with running(box.relay()) as relay:
        await eventually(lambda: bool(relay._lanes), "leased")
        await box.commit_silently(("account", event(1)))
        begun = time.monotonic()
        relay.wake()
        await box.until_sent()
        assert time.monotonic() - begun < 5
    assert await box.arrived() == [[1]]


async def test_a_commit_of_another_process_leaves_at_once_by_notify(box: Outbox, no_sweep: None) -> None:
    async with running(box.relay()):
        # LISTEN begins in the background.
        async def listens() -> bool:
            return bool(await box.admin.fetchval("select count(*) from pg_stat_activity where query ilike 'listen%'"))

        await eventually(listens, "listening")
        await box.commit(("account", event(1)))
        await box.until_sent()
    assert await box.arrived() == [[1]]


async def test_the_sweep_finds_what_nobody_told_of(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_SWEEP_SECONDS", 0.1)
    async with running(box.relay()):
        await asyncio.sleep(0.2)
        await box.commit_silently(("account", event(1)))
        await box.until_sent()
    assert await box.arrived() == [[1]]


async def test_what_is_rolled_back_never_leaves(box: Outbox) -> None:
    async with running(box.relay()):
        with pytest.raises(ZeroDivisionError):
            await _append_and_fail(box)
        await box.commit(("account", event(2)))
        await box.until_sent()
    assert await box.arrived() == [[2]]


async def _append_and_fail(box: Outbox) -> None:
    async with transaction(box.pool) as tx:
        await outbox.append(tx, SCHEMA, pairs([1]))
        raise ZeroDivisionError


# What leaves


async def test_events_leave_in_full_envelopes_and_in_the_order_of_their_key(box: Outbox) -> None:
    for start in range(1, 251, 50):
        numbers = range(start, start + 50)
        await box.commit(*(pair for number in numbers for pair in pairs([number], key=f"account-{number % 3}")))
    async with running(box.relay()):
        await box.until_sent()
    messages = await box.messages()
    numbers_sent = [number for message in messages for number in numbers_in(message)]

    assert [len(numbers_in(message)) for message in messages] == [ENVELOPE_EVENTS, ENVELOPE_EVENTS, 50]
    for key in range(3):
        assert [number for number in numbers_sent if number % 3 == key] == [number for number in range(1, 251) if number % 3 == key]
    assert messages[0].delivery_mode == 2
    assert messages[0].type == messages[0].routing_key == "payment.completed.v1"


async def test_order_holds_while_committing_and_sending_at_once(box: Outbox) -> None:
    async def account(key: int) -> None:
        for version in range(40):
            await box.commit(*pairs([key * 1000 + version + 1], key=str(key)))

    async with running(box.relay()):
        await asyncio.gather(*(account(key) for key in range(4)))
        await box.until_sent()
    sent = [number for envelope in await box.arrived() for number in envelope]
    assert len(sent) == 160
    for key in range(4):
        assert [number for number in sent if number // 1000 == key] == [key * 1000 + version + 1 for version in range(40)]


async def test_large_payloads_share_an_envelope_only_up_to_its_bytes(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelopes_module, "ENVELOPE_BYTES", len(event(11).model_dump_json()) * 3 + 2)
    await box.commit(*pairs(range(11, 18)))
    async with running(box.relay()):
        await box.until_sent()
    assert await box.arrived() == [[11, 12, 13], [14, 15, 16], [17]]


async def test_messages_of_a_route_that_is_not_in_bulk_leave_one_by_one(box: Outbox) -> None:
    first, second = command(), command()
    await box.commit(("a", first), ("a", second))
    async with running(box.relay()):
        await box.until_sent()
    messages = await box.world.take(PAYMENTS_COMMANDS, 2)
    assert [type(first).model_validate_json(message.body) for message in messages] == [first, second]


async def test_a_type_that_only_a_newer_version_knows_waits_for_it_and_holds_nobody_up(box: Outbox) -> None:
    await box.admin.execute(
        "insert into wallet.outbox (lane, message_type, key, payload, correlation_id) "
        "select 0, 'payment.invented.v9', 'account', '{}', '' from generate_series(1, 600)"
    )
    await box.commit(*pairs([1, 2]))
    async with running(box.relay()):

        async def only_unknown_left() -> bool:
            return await box.unsent() == 600

        await eventually(only_unknown_left, "the others sent")
    assert await box.arrived() == [[1, 2]]


async def test_what_only_replicas_take_is_done_with_when_none_runs(box: Outbox) -> None:
    await box.commit(("account", balance(1)), ("account", event(1)))
    async with running(box.relay()):
        await box.until_sent()
    assert await box.arrived() == [[1]]


# Disturbances


async def test_a_broker_that_is_down_keeps_nothing_from_being_sent_later(box: Outbox) -> None:
    async with running(box.relay()):
        await box.world.proxy.cut()
        await box.commit(*pairs(range(1, 11)))
        await asyncio.sleep(0.3)
        assert await box.unsent() == 10
        box.world.proxy.restore()
        await box.until_sent()
    assert [number for envelope in await box.arrived() for number in envelope] == list(range(1, 11))


async def test_a_broker_that_hangs_leaves_the_rows_unsent_and_they_go_out_when_it_answers(box: Outbox) -> None:
    async with running(box.relay()):
        await box.commit(*pairs([1]))
        await box.until_sent()
        box.world.proxy.hang()
        await box.commit(*pairs([2]))
        await asyncio.sleep(1.5)
        assert await box.unsent() == 1
        box.world.proxy.restore()
        await box.until_sent()
    assert {number for envelope in await box.arrived() for number in envelope} == {1, 2}


async def test_a_crash_between_publishing_and_marking_sends_twice_which_the_ids_make_harmless(box: Outbox) -> None:
    class Crashing(Publisher):
        crashes = 1

        async def publish_bytes(self, body: bytes, **properties: Any) -> None:
            await super().publish_bytes(body, **properties)
            if self.crashes:
                self.crashes -= 1
                raise NotConfirmed("it left, and nobody will ever know")

    await box.commit(*pairs([1, 2]))
    async with running(box.relay(publisher=Crashing(box.world.link, app_id="test"))):
        await box.until_sent()
    first, second = await box.messages()
    assert numbers_in(first) == numbers_in(second) == [1, 2]
    assert first.body == second.body, "the same events, with the same references: wallet credits them once"


async def test_a_lost_database_connection_is_made_again(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_SWEEP_SECONDS", 0.1)
    terminate = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'test relay'"
    async with running(box.relay()):
        await box.commit(*pairs([1]))
        await box.until_sent()
        for number in (2, 3):
            await box.admin.fetchval(terminate)
            await box.commit_silently(*pairs([number]))
            await box.until_sent()
    assert [number for envelope in await box.arrived() for number in envelope] == [1, 2, 3]


# Leases


async def test_of_two_relays_one_sends_and_the_other_takes_over_when_it_dies(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_LEASE_SECONDS", 1.0)
    monkeypatch.setattr(relay_module, "_SWEEP_SECONDS", 0.2)
    first, second = box.relay("first"), box.relay("second")
    await first.start()
    await eventually(lambda: len(first._lanes) == LANES, "first has the lanes")
    async with running(second):
        await asyncio.sleep(1.5)
        assert await box.lanes_of("first") == LANES, "it keeps renewing them"
        assert second._lanes == []

        await die(first)
        await box.commit(*pairs(range(1, 21)))
        await box.until_sent(10)
        assert await box.lanes_of("second") == LANES
    assert sorted(number for envelope in await box.arrived() for number in envelope) == list(range(1, 21))


async def test_a_relay_that_stops_gives_its_lanes_to_the_next_at_once(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_LEASE_SECONDS", 600.0)
    monkeypatch.setattr(relay_module, "_SWEEP_SECONDS", 0.2)
    first, second = box.relay("first"), box.relay("second")
    await first.start()
    await eventually(lambda: len(first._lanes) == LANES, "first has the lanes")
    async with running(second):
        await first.stop()
        await box.commit(*pairs([1]))
        await box.until_sent()
    assert await box.lanes_of("first") == await box.lanes_of("second") == 0
    assert await box.arrived() == [[1]]


async def test_two_relays_at_work_never_disorder_a_key(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_LEASE_SECONDS", 0.5)
    monkeypatch.setattr(relay_module, "_SWEEP_SECONDS", 0.05)
    relays = [box.relay("first"), box.relay("second")]
    for relay in relays:
        await relay.start()
    for version in range(1, 41):
        await box.commit(*pairs([version]))
        if version == 20:
            await relays[0].stop()
    await box.until_sent()
    await relays[1].stop()
    assert [number for envelope in await box.arrived() for number in envelope] == list(range(1, 41))


# Stopping and pruning


async def test_stopping_sends_what_is_there(box: Outbox, no_sweep: None) -> None:
    relay = box.relay()
    await relay.start()
    await eventually(lambda: bool(relay._lanes), "leased")
    await box.commit_silently(*pairs(range(1, 1201)))
    await relay.stop()
    assert await box.unsent() == 0


async def test_stopping_without_a_broker_is_bounded(box: Outbox) -> None:
    relay = box.relay()
    await relay.start()
    await box.world.proxy.cut()
    await box.commit(*pairs([1]))
    begun = time.monotonic()
    await relay.stop(timeout_seconds=0.5)
    assert time.monotonic() - begun < 5
    assert await box.unsent() == 1


async def test_what_was_sent_long_ago_is_pruned_and_nothing_else(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_PRUNE_ROWS", 10)
    monkeypatch.setattr(relay_module, "_SWEEP_SECONDS", 0.05)
    await box.admin.execute(
        """
        insert into wallet.outbox (lane, message_type, key, payload, correlation_id, created_at, sent_at)
        select 0, 'payment.completed.v1', 'account', n::text, '', now() - interval '3 days',
               case when n <= 35 then now() - interval '25 hours' when n <= 40 then now() - interval '23 hours' end
        from generate_series(1, 40) n
        """
    )
    async with running(box.relay()):

        async def pruned() -> bool:
            return bool(await box.admin.fetchval("select count(*) = 5 from wallet.outbox"))

        await eventually(pruned, "the old ones are gone")
    assert [row["payload"] for row in await box.admin.fetch("select payload from wallet.outbox order by id")] == [
        "36",
        "37",
        "38",
        "39",
        "40",
    ]
