"""Consuming in bulk over a real broker: batches, stopping, losing the channel, being killed; a lone event never waits."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aio_pika
import pytest

from deploy.local.rabbitmq import RabbitmqServer
from shared.contracts.topology import DELIVERY_LIMIT, NOTIFIER_BALANCE_CHANGED
from shared.contracts.wallet_events import BalanceChanged
from shared.delivery.consumer import BatchConsumer
from shared.delivery.failures import Failure
from tests.integration.consumer_world import QUEUE, Handler, all_handed_out, consumer_world, consuming, settled
from tests.integration.delivery_world import World, event, events, eventually
from tests.management import management


@pytest.fixture
async def world(amqp_url: str) -> AsyncIterator[World]:
    async with consumer_world(amqp_url) as world:
        yield world


# Batches


async def test_a_lone_event_does_not_wait_for_company(world: World) -> None:
    handler = Handler()
    async with consuming(world, handler, linger_ms=20_000):
        begun = time.monotonic()
        await world.send(event(1))
        await eventually(lambda: handler.done == [1], "handled", 10)
        assert time.monotonic() - begun < 5

        await world.send(event(2))
        await eventually(lambda: handler.done == [1, 2], "handled too", 10)
        assert time.monotonic() - begun < 10


async def test_what_arrives_while_a_batch_is_worked_on_is_the_next_batch(world: World) -> None:
    handler = Handler()
    handler.gate.clear()
    async with consuming(world, handler):
        await world.send(event(1))
        await eventually(lambda: handler.batches == [[1]], "at work")
        for number in range(2, 32):
            await world.send(event(number))
        await all_handed_out(world)
        handler.gate.set()
        await eventually(lambda: len(handler.done) == 31, "all handled")
    assert handler.batches == [[1], list(range(2, 32))]
    await settled(world)


async def test_a_batch_ends_at_its_size_and_order_is_kept(world: World) -> None:
    handler = Handler()
    handler.gate.clear()
    async with consuming(world, handler, max_events=10):
        await world.send(event(1))
        await eventually(lambda: handler.batches == [[1]], "at work")
        for start in range(2, 26, 4):
            await world.send(*events(range(start, start + 4)))
        await all_handed_out(world)
        handler.gate.set()
        await eventually(lambda: len(handler.done) == 25, "all handled")
    assert [len(batch) for batch in handler.batches] == [1, 12, 12]
    assert handler.done == list(range(1, 26))


async def test_what_is_settled_is_acknowledged_and_not_seen_again(world: World) -> None:
    handler = Handler()
    async with consuming(world, handler) as consumer:
        for start in range(1, 100, 10):
            await world.send(*events(range(start, start + 10)))
        await eventually(lambda: len(handler.done) == 100, "all handled")
        await world.send(event(101))
        await eventually(lambda: 101 in handler.done, "one more, so what was before is acknowledged")
        await world.lose_and_regain()
        await consumer.resubscribed(30)
        await world.send(event(102))
        await eventually(lambda: 102 in handler.done, "handled after the return")
    assert Counter(handler.done)[100] == 1
    assert sorted(set(handler.done)) == list(range(1, 103))
    await settled(world)


# Stopping, losing the channel, being killed


async def test_stopping_in_the_middle_finishes_the_batch_and_leaves_the_rest_to_the_next(world: World) -> None:
    first, second = Handler(), Handler()
    first.gate.clear()
    consumer = BatchConsumer(world.link, QUEUE, first, world.publisher, max_events=10)
    await consumer.start()
    for start in range(1, 51, 5):
        await world.send(*events(range(start, start + 5)))
    await eventually(lambda: bool(first.batches), "at work")
    await all_handed_out(world)

    stopping = asyncio.create_task(consumer.stop())
    await asyncio.sleep(0)
    first.gate.set()
    await stopping
    assert 1 <= len(first.done) <= 15, "only the batch in hand"

    async with consuming(world, second):
        await eventually(lambda: len(first.done) + len(second.done) == 50, "the rest")
    assert sorted(first.done + second.done) == list(range(1, 51)), "each once"
    await settled(world)


async def test_stopping_an_idle_or_unconnected_consumer_is_quick(world: World) -> None:
    consumer = BatchConsumer(world.link, QUEUE, Handler(), world.publisher)
    await consumer.start()
    begun = time.monotonic()
    await consumer.stop()
    assert time.monotonic() - begun < 3

    again = BatchConsumer(world.link, QUEUE, Handler(), world.publisher)
    await again.start()
    await world.proxy.cut()
    await eventually(lambda: not world.link.is_up, "down")
    begun = time.monotonic()
    await again.stop()
    assert time.monotonic() - begun < 6


async def test_a_handler_that_hangs_is_left_at_the_bound_and_its_batch_is_delivered_again(world: World) -> None:
    first, second = Handler(), Handler()
    first.gate.clear()
    consumer = BatchConsumer(world.link, QUEUE, first, world.publisher)
    await consumer.start()
    await world.send(*events([1, 2, 3]))
    await eventually(lambda: bool(first.batches), "at work")
    await consumer.stop(timeout_seconds=0.1)

    async with consuming(world, second):
        await eventually(lambda: second.done == [1, 2, 3], "delivered again")


async def test_a_channel_lost_in_the_middle_delivers_again(world: World) -> None:
    handler = Handler()
    subscribed: list[int] = []
    handler.gate.clear()
    async with consuming(world, handler, on_subscribed=lambda: subscribed.append(1)) as consumer:
        await world.send(*events(range(1, 11)))
        await eventually(lambda: bool(handler.batches), "at work")
        await world.lose_and_regain()
        handler.gate.set()
        await eventually(lambda: handler.times(10) == 2, "delivered again")
        await consumer.resubscribed(30)
        await world.send(event(11))
        await eventually(lambda: 11 in handler.done, "goes on")
    assert len(subscribed) == 2
    await settled(world)


async def test_a_consumer_that_the_broker_cancels_subscribes_again(world: World, rabbitmq_server: RabbitmqServer) -> None:
    """A deleted queue ends its consumers by Basic.Cancel: the channel stays open and would be silent for ever."""
    handler = Handler()
    subscribed: list[int] = []
    async with consuming(world, handler, on_subscribed=lambda: subscribed.append(1)):
        async with management(rabbitmq_server, world.amqp_url) as broker:
            await broker.delete_queue(QUEUE.name)
        await eventually(lambda: len(subscribed) == 2, "subscribed again")
        await world.send(event(1))
        await eventually(lambda: handler.done == [1], "handled")


async def test_consumers_killed_again_and_again_with_a_large_prefetch_kill_no_message(world: World) -> None:
    """Each kill costs every message of the prefetch one of its deliveries, though nothing is wrong with any of them."""
    kills = 20
    assert kills < DELIVERY_LIMIT
    for start in range(1, 51, 5):
        await world.send(*events(range(start, start + 5)))
    for _ in range(kills):
        await _take_all_and_die(world, 10)
    handler = Handler()
    async with consuming(world, handler):
        await eventually(lambda: sorted(handler.done) == list(range(1, 51)), "all handled")
    await settled(world)


async def _take_all_and_die(world: World, messages: int) -> None:
    connection = await aio_pika.connect(world.proxied_url)
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=QUEUE.prefetch)
    arrived: asyncio.Queue[Any] = asyncio.Queue()
    await (await channel.get_queue(QUEUE.name, ensure=False)).consume(arrived.put)
    async with asyncio.timeout(30):
        for _ in range(messages):
            await arrived.get()
    await world.lose_and_regain()
    await connection.close()


# A replica's own queue


async def test_a_replica_logs_its_failures_and_goes_on(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[int] = []

    class Frames:
        async def handle(self, events: Sequence[BalanceChanged]) -> Sequence[Failure]:
            seen.extend(one.version for one in events)
            if 3 in seen and len(seen) == 3:
                raise ConnectionError("an outage of its own")
            return [Failure(index, ValueError("bad frame")) for index, one in enumerate(events) if one.version == 2]

    consumer = BatchConsumer(world.link, NOTIFIER_BALANCE_CHANGED, Frames(), world.publisher, replica="one")
    await consumer.start()
    try:
        exchange = await world.channel.get_exchange("events", ensure=False)
        for version in (1, 2, 3, 4):
            await exchange.publish(aio_pika.Message(_balance(version)), BalanceChanged.TYPE)
            await eventually(lambda version=version: version in seen, f"version {version}")
        await exchange.publish(aio_pika.Message(b"garble"), BalanceChanged.TYPE)
        await exchange.publish(aio_pika.Message(_balance(5)), BalanceChanged.TYPE)
        await eventually(lambda: seen == [1, 2, 3, 4, 5], "all seen once")
    finally:
        await consumer.stop()
    said = capsys.readouterr().out
    assert "bad frame" in said
    assert "an outage of its own" in said
    assert "not JSON" in said


def _balance(version: int) -> bytes:
    changed = BalanceChanged(
        correlation_id="request-1",
        user_id="1",
        currency="rsd",
        available_minor=version,
        held_minor=0,
        version=version,
        change_minor=1,
        kind="deposit",
    )
    return json.dumps({"type": BalanceChanged.TYPE, "events": [json.loads(changed.model_dump_json())]}).encode()
