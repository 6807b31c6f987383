"""A bulk consumer over a real broker with a handler that remembers, and delays short enough for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest

from shared.contracts.payment_events import PaymentCompleted
from shared.contracts.topology import WALLET_PAYMENT_COMPLETED, Exchange, Queue
from shared.delivery import failures as failures_module
from shared.delivery.consumer import BatchConsumer
from shared.delivery.declare import declare_queue
from shared.delivery.failures import Failure
from tests.integration.delivery_world import World, delivery_world, eventually

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


@asynccontextmanager
async def consumer_world(amqp_url: str) -> AsyncIterator[World]:
    """The road's topology, and a delay queue of 30 ms beside its own."""
    async with delivery_world(amqp_url) as world:
        await world.channel.declare_exchange(FAST.name, aio_pika.ExchangeType.FANOUT, durable=True)
        await declare_queue(world.channel, FAST)
        yield world


def delay_fast(monkeypatch: pytest.MonkeyPatch) -> None:
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


async def all_handed_out(world: World) -> None:
    async def none_waits() -> bool:
        return await world.ready(QUEUE) == 0

    await eventually(none_waits, "all handed out")
    await asyncio.sleep(0.1)  # from the broker's hands into ours
