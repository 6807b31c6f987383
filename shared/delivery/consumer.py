"""Consumes envelopes in bulk: what has arrived while the last batch was worked on is the next batch, so a lone event never waits and a
busy road fills its batches. A bad event is split off from its neighbours; an outage is waited out; acknowledged in one go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from prometheus_client import Counter, Histogram

from shared.contracts.base import Message
from shared.contracts.topology import Queue, routes_to
from shared.delivery.broker import BrokerLink
from shared.delivery.cancellation import cancelled_by_library
from shared.delivery.declare import declare_queue
from shared.delivery.envelopes import Unpacker, pack
from shared.delivery.errors import BrokerUnavailable, DeliveryError, Permanent
from shared.delivery.failures import FailedMessages, Failure, History, describe
from shared.delivery.publisher import Publisher
from shared.postgres import is_outage

log = structlog.get_logger(__name__)

Event = TypeVar("Event", bound=Message)
EventIn = TypeVar("EventIn", bound=Message, contravariant=True)

BATCH_EVENTS = Histogram("purser_batch_events", "Events a batch", ["queue"], buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000))
BATCH_SECONDS = Histogram("purser_batch_seconds", "Time that a batch took", ["queue"])
CONSUMED = Counter("purser_events_consumed_total", "Events worked on", ["queue"])

_BACKOFF_MIN_SECONDS: Final = 0.1
_BACKOFF_MAX_SECONDS: Final = 2.0
_SUBSCRIBE_TIMEOUT_SECONDS: Final = 10.0
_CLOSE_TIMEOUT_SECONDS: Final = 3.0
_HOLD_SECONDS: Final = 30.0
"""How long an outage is waited out with the batch in hand; then the batch goes to a delay queue, since the broker takes back what is held
too long (its consumer timeout, 30 minutes)."""


class BatchHandler(Protocol[EventIn]):
    """Works on a batch in one transaction. Raises: nothing of it happened. Returns the events that failed alone: all others happened."""

    async def handle(self, events: Sequence[EventIn]) -> Sequence[Failure]: ...


@dataclass(slots=True)
class _Delivery(Generic[Event]):
    message: AbstractIncomingMessage
    events: list[Event]
    history: History


class BatchConsumer(Generic[Event]):
    """One consumer of one bulk queue, by however many routes it is reached. `max_events` ends a batch, `linger_ms` is how long a busy
    consumer waits for more (an idle one never does). `replica` names the process when the queue is its own: then failures are only logged,
    since the next snapshot repairs them."""

    def __init__(
        self,
        link: BrokerLink,
        queue: Queue,
        handler: BatchHandler[Event],
        publisher: Publisher,
        *,
        replica: str | None = None,
        max_events: int = 500,
        linger_ms: float = 3,
        on_subscribed: Callable[[], None] | None = None,
    ) -> None:
        routes = routes_to(queue)
        assert routes
        assert all(route.bulk for route in routes)
        self._link = link
        self._queue = queue
        self._keys = tuple(route.key for route in routes)
        self._handler = handler
        self._replica = replica
        self._max_events = max_events
        self._linger_seconds = linger_ms / 1000
        self._on_subscribed = on_subscribed
        self._unpacker: Unpacker[Any] = Unpacker(*(route.message for route in routes))
        self._failed = FailedMessages(publisher, queue)
        self._arrived: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue(maxsize=queue.prefetch + 1)
        self._stopping = asyncio.Event()
        self._subscribed = asyncio.Event()
        self._backoff_seconds = _BACKOFF_MIN_SECONDS
        self._task: asyncio.Task[None] | None = None

    async def start(self, timeout_seconds: float = 30) -> None:
        """Begins, and returns once subscribed."""
        self._task = asyncio.create_task(self._run(), name=f"consumer {self._queue.name}")
        async with asyncio.timeout(timeout_seconds):
            await self._subscribed.wait()

    async def stop(self, timeout_seconds: float = 8) -> None:
        """Takes nothing more, finishes and acknowledges the batch in hand; what else had arrived goes back to the broker."""
        self._stopping.set()
        if self._arrived.empty():
            self._arrived.put_nowait(None)
        if self._task is None:
            return
        try:
            async with asyncio.timeout(timeout_seconds):
                await asyncio.shield(self._task)
        except TimeoutError:
            log.warning("batch in hand not finished in time, the broker delivers it again", queue=self._queue.name)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def is_subscribed(self) -> bool:
        """As far as is known: a loss shows a moment later."""
        return self._subscribed.is_set()

    async def resubscribed(self, timeout_seconds: float) -> None:
        """Waits until the consumer is subscribed (again)."""
        async with asyncio.timeout(timeout_seconds):
            await self._subscribed.wait()

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with cancelled_by_library(BrokerUnavailable("the broker was lost")):
                    await self._consume()
            except (*CONNECTION_EXCEPTIONS, DeliveryError, TimeoutError) as error:
                log.warning("consumer interrupted", queue=self._queue.name, error=describe(error))
            except Exception:
                log.exception("consumer failed", queue=self._queue.name)
            finally:
                self._subscribed.clear()
            # Each turn may cost every message of the prefetch one of its deliveries: only a batch that was settled makes it quick again.
            await self._pause(self._backoff_seconds)
            self._backoff_seconds = min(self._backoff_seconds * 2, _BACKOFF_MAX_SECONDS)

    async def _consume(self) -> None:
        connection = await self._link.connection(_BACKOFF_MAX_SECONDS)
        async with asyncio.timeout(_SUBSCRIBE_TIMEOUT_SECONDS):
            channel = await connection.channel(publisher_confirms=False)
        arrived = self._arrived = asyncio.Queue(maxsize=self._queue.prefetch + 2)
        ended = asyncio.Event()

        def end(*_: Any) -> None:
            ended.set()
            _wake(arrived)

        try:
            async with asyncio.timeout(_SUBSCRIBE_TIMEOUT_SECONDS):
                await channel.set_qos(prefetch_count=self._queue.prefetch)
                queue = await declare_queue(channel, self._queue, replica=self._replica)
                # A deleted queue cancels its consumers and leaves the channel open, which would be silent for ever.
                (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(end)
                channel.close_callbacks.add(end)
                await queue.consume(arrived.put)
            if self._link.is_up and not channel.is_closed:
                self._subscribed.set()
                if self._on_subscribed is not None:
                    self._on_subscribed()
            last_batch = 0
            while not (self._stopping.is_set() or ended.is_set() or channel.is_closed):
                batch = await self._collect(arrived, busy=last_batch > 1)
                if batch:
                    last_batch = await self._work_on(batch)
                    self._backoff_seconds = _BACKOFF_MIN_SECONDS
        finally:
            if not channel.is_closed:
                async with asyncio.timeout(_CLOSE_TIMEOUT_SECONDS):
                    await channel.close()

    async def _collect(self, arrived: asyncio.Queue[AbstractIncomingMessage | None], *, busy: bool) -> list[_Delivery[Event]]:
        batch: list[_Delivery[Event]] = []
        count = 0
        message = await arrived.get()
        deadline = asyncio.get_running_loop().time() + self._linger_seconds
        while message is not None:
            delivery = await self._unpack(message)
            batch.append(delivery)
            count += len(delivery.events)
            if count >= self._max_events:
                break
            if arrived.empty() and not busy:
                break
            try:
                async with asyncio.timeout_at(deadline):
                    message = await arrived.get()
            except TimeoutError:
                break
        return batch

    async def _unpack(self, message: AbstractIncomingMessage) -> _Delivery[Event]:
        history = History.of(message.headers)
        try:
            events, unreadable = self._unpacker.unpack(message.body)
        except Permanent as error:
            key = message.type if message.type in self._keys else self._keys[0]
            await self._bury(message.body, str(error), key, message.correlation_id or "", history)
            return _Delivery(message, [], history)
        for item in unreadable:
            await self._bury(pack(item.key, [item.text]), item.reason, item.key, "", history)
        return _Delivery(message, events, history)

    async def _work_on(self, batch: list[_Delivery[Event]]) -> int:
        pairs = [(event, delivery.history) for delivery in batch for event in delivery.events]
        with BATCH_SECONDS.labels(self._queue.name).time():
            await self._settle(pairs)
        BATCH_EVENTS.labels(self._queue.name).observe(len(pairs))
        CONSUMED.labels(self._queue.name).inc(len(pairs))
        # One acknowledgement for all: batches are worked on one after the other, so everything up to here is settled.
        await batch[-1].message.ack(multiple=True)
        return len(pairs)

    async def _settle(self, pairs: list[tuple[Event, History]]) -> None:
        if not pairs:
            return
        try:
            failures = await self._handle_through_outages([event for event, _ in pairs])
        except DeliveryError:
            raise
        except Exception as error:
            if is_outage(error):
                await self._wait_out(pairs, describe(error))
            elif len(pairs) == 1:
                await self._fail(*pairs[0], error)
            else:
                # Nothing of the batch has happened: halve it until the bad one stands alone.
                middle = len(pairs) // 2
                await self._settle(pairs[:middle])
                await self._settle(pairs[middle:])
            return
        for failure in failures:
            event, history = pairs[failure.index]
            await self._fail(event, history, failure.error)

    async def _handle_through_outages(self, events: list[Event]) -> Sequence[Failure]:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _HOLD_SECONDS
        delay = 0.05
        while True:
            try:
                return await self._handler.handle(events)
            except Exception as error:
                if not is_outage(error) or self._replica is not None or self._stopping.is_set() or loop.time() + delay > give_up_at:
                    raise
                log.warning("waiting out an outage", queue=self._queue.name, error=describe(error))
            await self._pause(delay)
            delay = min(delay * 2, _BACKOFF_MAX_SECONDS)

    async def _wait_out(self, pairs: list[tuple[Event, History]], reason: str) -> None:
        if self._replica is not None:
            log.error("events dropped", queue=self._queue.name, count=len(pairs), error=reason)
            return
        for event, history in pairs:
            await self._failed.wait_out(
                _envelope(event), key=event.TYPE, correlation_id=event.correlation_id, history=history, reason=reason
            )

    async def _fail(self, event: Event, history: History, error: Exception) -> None:
        if self._replica is not None:
            log.error("event dropped", queue=self._queue.name, error=describe(error), correlation_id=event.correlation_id)
            return
        await self._failed.retry_or_bury(
            _envelope(event), key=event.TYPE, correlation_id=event.correlation_id, history=history, error=error
        )

    async def _bury(self, body: bytes, reason: str, key: str, correlation_id: str, history: History) -> None:
        if self._replica is not None:
            log.error("unreadable event dropped", queue=self._queue.name, reason=reason)
            return
        await self._failed.bury(body, key=key, correlation_id=correlation_id, history=history, reason=reason)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


def _envelope(event: Message) -> bytes:
    return pack(event.TYPE, [event.model_dump_json().encode()])


def _wake(arrived: asyncio.Queue[AbstractIncomingMessage | None]) -> None:
    # The channel is gone: end a collector that waits for messages that will not come.
    if arrived.empty():
        arrived.put_nowait(None)
