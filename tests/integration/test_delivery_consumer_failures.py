"""Consuming in bulk over a real broker: a bad event holds no neighbour up, and an outage costs no attempt."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import pytest

from shared.contracts.topology import MAX_ATTEMPTS, MAX_WAITS
from shared.delivery import consumer as consumer_module
from shared.delivery.errors import Busy, NotYet, Permanent
from shared.delivery.publisher import Publisher
from tests.integration.consumer_world import QUEUE, Handler, all_handed_out, consumer_world, consuming, delay_fast, settled
from tests.integration.delivery_world import ROUTE, World, event, events, eventually, numbers_in


@pytest.fixture
async def world(amqp_url: str) -> AsyncIterator[World]:
    async with consumer_world(amqp_url) as world:
        yield world


@pytest.fixture
async def fast_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    delay_fast(monkeypatch)


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
        await all_handed_out(world)
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


async def test_what_waits_for_something_else_outlasts_its_failures_and_is_put_off_for_a_day(world: World) -> None:
    """A refund at the provider's own site, told while ours waits for a wallet that is away for long: nobody tells it twice."""
    handler = Handler()
    handler.rule = lambda number: NotYet("its earlier step is under way") if handler.times(number) < 3 else ValueError("a bug")
    body = json.dumps({"type": ROUTE.key, "events": [json.loads(event(1).model_dump_json())]}).encode()
    async with consuming(world, handler):
        for waits, delay in ((0, "retry.1s"), (MAX_ATTEMPTS * 10, "retry.120s")):
            await world.send_bytes(body, headers={"x-waits": waits, "x-attempts": 1})
            (waiting,) = await world.take(delay)
            assert (waiting.headers["x-waits"], waiting.headers["x-attempts"]) == (waits + 1, 1)
        await world.send_bytes(body, headers=waiting.headers)
        (failed,) = await world.take("retry.5s")
        assert (failed.headers["x-waits"], failed.headers["x-attempts"]) == (MAX_ATTEMPTS * 10 + 1, 2), "waiting costs no attempt"

        handler.rule = lambda number: NotYet("its earlier step is under way")
        await world.send_bytes(body, headers={"x-waits": MAX_WAITS - 1})
        (dead,) = await world.take(QUEUE.dead_name)
    assert (dead.headers["x-waits"], dead.headers["x-reason"]) == (MAX_WAITS, "NotYet: its earlier step is under way")


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
