"""Consuming in bulk over a real broker: nothing lost, nobody held up by a neighbour, and a lone event never waits."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest

from deploy.local.rabbitmq import RabbitmqServer
from shared.contracts.payment_events import PaymentCompleted
from shared.contracts.topology import DELIVERY_LIMIT, MAX_ATTEMPTS, NOTIFIER_BALANCE_CHANGED, WALLET_PAYMENT_COMPLETED, Exchange, Queue
from shared.contracts.wallet_events import BalanceChanged
from shared.delivery import consumer as consumer_module
from shared.delivery import failures as failures_module
from shared.delivery.consumer import BatchConsumer
from shared.delivery.declare import declare_queue
from shared.delivery.errors import Busy, NotYet, Permanent
from shared.delivery.failures import Failure
from shared.delivery.publisher import Publisher
from tests.integration.delivery_world import ROUTE, World, delivery_world, event, events, eventually, numbers_in
from tests.management import management

QUEUE = WALLET_PAYMENT_COMPLETED
FAST = Queue("retry.fast", "payments", "the delays of these tests", "delay", ttl_ms=30)


class Handler:
    """Remembers what it was handed; `rule` makes it fail: it returns failures, raises, or waits."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.done: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.rule: Callable[[int], Exception | None] = lambda number: None
        self.whole: Callable[[list[int]], Exception | None] = lambda numbers: None

    async def handle(self, events: Sequence[PaymentCompleted]) -> Sequence[Failure]:
        numbers = [one.amount_minor for one in events]
        self.batches.append(numbers)
        await self.gate.wait()
        error = self.whole(numbers)
        if error is not None:
            raise error
        failures = [Failure(index, failure) for index, number in enumerate(numbers) if (failure := self.rule(number)) is not None]
        failed = {failure.index for failure in failures}
        self.done += [number for index, number in enumerate(numbers) if index not in failed]
        return failures

    def times(self, number: int) -> int:
        """How often the event was handed over."""
        return sum(batch.count(number) for batch in self.batches)


@pytest.fixture
async def world(amqp_url: str) -> AsyncIterator[World]:
    async with delivery_world(amqp_url) as world:
        await world.channel.declare_exchange(FAST.name, aio_pika.ExchangeType.FANOUT, durable=True)
        await declare_queue(world.channel, FAST)
        yield world


@pytest.fixture
async def fast_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every delayed retry waits 30 ms, in a queue like the others."""
    monkeypatch.setattr(failures_module, "delay_exchange", lambda seconds: Exchange(FAST.name, "fanout"))


@asynccontextmanager
async def consuming(world: World, handler: Handler, **options: Any) -> AsyncIterator[BatchConsumer[PaymentCompleted]]:
    consumer = BatchConsumer(world.link, QUEUE, handler, options.pop("publisher", world.publisher), **options)
    await consumer.start()
    try:
        yield consumer
    finally:
        handler.gate.set()
        await consumer.stop()


async def settled(world: World) -> None:
    """Nothing waits anywhere, and nothing is dead."""
    for queue in (QUEUE, FAST.name, QUEUE.dead_name):
        assert await world.ready(queue) == 0


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
        await _all_handed_out(world)
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
        await _all_handed_out(world)
        handler.gate.set()
        await eventually(lambda: len(handler.done) == 25, "all handled")
    assert [len(batch) for batch in handler.batches] == [1, 12, 12]
    assert handler.done == list(range(1, 26))


async def _all_handed_out(world: World) -> None:
    async def none_waits() -> bool:
        return await world.ready(QUEUE) == 0

    await eventually(none_waits, "all handed out")
    await asyncio.sleep(0.1)  # from the broker's hands into ours


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


# Poison and failures


async def test_a_poisoned_event_is_a_dead_letter_with_its_reason_and_its_neighbours_go_on(world: World) -> None:
    handler = Handler()
    good = [json.loads(one.model_dump_json()) for one in events([1, 2, 3])]
    good[1]["currency"] = "dinars"
    async with consuming(world, handler):
        await world.send_bytes(json.dumps({"type": ROUTE.key, "events": good}).encode())
        await world.send(event(4))
        (dead,) = await world.take(QUEUE.dead_name)
        await eventually(lambda: handler.done == [1, 3, 4], "neighbours handled")
    assert json.loads(dead.body) == {"type": ROUTE.key, "events": [good[1]]}
    assert dead.headers["x-reason"] == f"does not fit {ROUTE.key}: currency"
    assert dead.headers["x-attempts"] == 1
    assert dead.headers["x-first-failed-at"]
    assert dead.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    await settled(world)


async def test_what_cannot_be_read_at_all_is_a_dead_letter_as_it_came(world: World) -> None:
    handler = Handler()
    unreadable = [b"", b"\xff", b"{}", b'{"type": "other.v1", "events": [{}]}']
    async with consuming(world, handler):
        for body in unreadable:
            await world.send_bytes(body, correlation_id="request-9")
        await world.send(event(1))
        found = await world.take(QUEUE.dead_name, len(unreadable))
        await eventually(lambda: handler.done == [1], "the next is handled")
    assert [dead.body for dead in found] == unreadable
    assert all(dead.correlation_id == "request-9" and dead.headers["x-reason"] for dead in found)


async def test_an_event_that_breaks_its_batch_is_found_and_the_others_are_worked_on_once(world: World, fast_delays: None) -> None:
    handler = Handler()
    handler.gate.clear()
    handler.whole = lambda numbers: Permanent("breaks every batch") if 13 in numbers else None
    async with consuming(world, handler):
        for number in range(1, 21):
            await world.send(event(number))
        await _all_handed_out(world)
        handler.gate.set()
        (dead,) = await world.take(QUEUE.dead_name)
        await eventually(lambda: len(handler.done) == 19, "the others handled")
    assert sorted(handler.done) == [number for number in range(1, 21) if number != 13]
    assert numbers_in(dead) == [13]
    assert dead.headers["x-reason"] == "Permanent: breaks every batch"
    await settled(world)


async def test_a_failing_event_is_retried_and_at_last_dead_with_reason_and_attempts(world: World, fast_delays: None) -> None:
    handler = Handler()
    handler.rule = lambda number: ValueError("a bug\nof two lines") if number == 2 else None
    async with consuming(world, handler):
        await world.send(*events([1, 2, 3]))
        (dead,) = await world.take(QUEUE.dead_name)
    assert handler.done == [1, 3]
    assert handler.times(2) == MAX_ATTEMPTS
    assert handler.times(1) == handler.times(3) == 1
    assert numbers_in(dead) == [2]
    assert dead.headers["x-attempts"] == MAX_ATTEMPTS
    assert dead.headers["x-reason"] == "ValueError: a bug of two lines"
    assert dead.correlation_id == "request-2"
    assert dead.type == ROUTE.key
    await settled(world)


async def test_a_permanent_failure_is_dead_at_once(world: World) -> None:
    handler = Handler()
    handler.rule = lambda number: Permanent("amounts differ") if number == 2 else None
    async with consuming(world, handler):
        await world.send(*events([1, 2]))
        (dead,) = await world.take(QUEUE.dead_name)
    assert handler.times(2) == 1
    assert dead.headers["x-attempts"] == 1


async def test_what_is_not_there_yet_is_tried_until_it_is(world: World, fast_delays: None) -> None:
    handler = Handler()
    handler.rule = lambda number: NotYet("its payment is on its way") if handler.times(number) < 4 else None
    async with consuming(world, handler):
        await world.send(event(1))
        await eventually(lambda: handler.done == [1], "handled at last")
    assert handler.times(1) == 4
    await settled(world)


async def test_each_retry_waits_longer_in_the_queue_of_its_delay(world: World) -> None:
    handler = Handler()
    handler.rule = lambda number: ValueError("no")
    waits = [("retry.1s", None), ("retry.5s", 1), ("retry.30s", 2), ("retry.120s", 3), ("retry.120s", 6)]
    async with consuming(world, handler):
        for delay, attempts in waits:
            headers = {} if attempts is None else {"x-attempts": attempts, "x-first-failed-at": "2026-11-21T08:30:00+00:00"}
            body = json.dumps({"type": ROUTE.key, "events": [json.loads(event(1).model_dump_json())]}).encode()
            await world.send_bytes(body, headers=headers)
            (waiting,) = await world.take(delay)
            assert waiting.headers["x-attempts"] == (attempts or 0) + 1
            assert waiting.routing_key == QUEUE.name
            assert attempts is None or waiting.headers["x-first-failed-at"] == "2026-11-21T08:30:00+00:00"


async def test_after_the_real_delay_it_comes_back(world: World) -> None:
    handler = Handler()
    handler.rule = lambda number: ValueError("once") if handler.times(number) == 1 else None
    async with consuming(world, handler):
        begun = time.monotonic()
        await world.send(event(1))
        await eventually(lambda: handler.done == [1], "handled after a second")
    assert time.monotonic() - begun > 0.9


# Outages


async def test_an_outage_is_waited_out_and_costs_no_attempt(world: World) -> None:
    handler = Handler()
    handler.whole = lambda numbers: ConnectionRefusedError("the database is down") if len(handler.batches) < 4 else None
    async with consuming(world, handler):
        await world.send(*events([1, 2, 3]))
        await eventually(lambda: handler.done == [1, 2, 3], "handled when it was back")
    assert handler.batches == [[1, 2, 3]] * 4, "the batch stays whole and in order"
    await settled(world)


async def test_a_long_outage_sends_the_batch_away_for_a_while_without_an_attempt(
    world: World, fast_delays: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "_HOLD_SECONDS", 0.0)
    handler = Handler()
    handler.whole = lambda numbers: TimeoutError() if len(handler.batches) < MAX_ATTEMPTS * 3 else None
    async with consuming(world, handler):
        await world.send(*events([1, 2]))
        await eventually(lambda: sorted(handler.done) == [1, 2], "handled when it was back")
    await settled(world)


async def test_a_broker_that_takes_no_dead_letter_costs_nothing_but_time(world: World) -> None:
    class Full(Publisher):
        refusals = 0

        async def publish_bytes(self, body: bytes, **properties: Any) -> None:
            if self.refusals < 3:
                self.refusals += 1
                raise Busy("the dead letters are full")
            await super().publish_bytes(body, **properties)

    handler = Handler()
    handler.rule = lambda number: Permanent("bad") if number == 2 else None
    async with consuming(world, handler, publisher=Full(world.link, app_id="test")):
        await world.send(*events([1, 2]))
        (dead,) = await world.take(QUEUE.dead_name)
        await world.send(event(3))
        await eventually(lambda: 3 in handler.done, "goes on")
    assert numbers_in(dead) == [2]
    assert set(handler.done) == {1, 3}
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
    await _all_handed_out(world)

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
