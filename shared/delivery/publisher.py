"""Publishing that is persistent, mandatory and confirmed within our own time; in bulk, concurrent callers share an envelope.

What the libraries do by themselves (aio-pika 10.2): an unroutable message counts as success unless the channel raises on returns; a stuck
broker shows as CancelledError after 20 s. Here every publish ends in a confirm or in one of the errors of errors.py.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog
from aio_pika import DeliveryMode
from aio_pika import Message as AmqpMessage
from aio_pika.abc import AbstractChannel, AbstractConnection, HeadersType
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, PublishError
from aio_pika.exceptions import DeliveryError as AmqpDeliveryError

from shared.contracts.base import Message, new_id, utc_now
from shared.contracts.topology import Exchange, Route, route_of
from shared.delivery.broker import BrokerLink
from shared.delivery.cancellation import cancelled_by_library
from shared.delivery.envelopes import count_that_fits, pack
from shared.delivery.errors import BrokerUnavailable, Busy, NotConfirmed, Unroutable

log = structlog.get_logger(__name__)

Event = TypeVar("Event", bound=Message)

_LINK_WAIT_SECONDS: Final = 1.0


class Publisher:
    """Publishes on one channel of `link`; safe for concurrent callers, whose confirms are in flight together."""

    def __init__(self, link: BrokerLink, *, app_id: str, confirm_timeout_seconds: float = 3.0) -> None:
        self._link = link
        self._app_id = app_id
        self._confirm_timeout_seconds = confirm_timeout_seconds
        self._channel: AbstractChannel | None = None
        self._channel_of: AbstractConnection | None = None
        self._opening = asyncio.Lock()

    async def publish(self, message: Message, *, headers: Mapping[str, str | int] | None = None) -> None:
        """One message on its route, as a message of its own. Errors: BrokerUnavailable, Busy, NotConfirmed, Unroutable."""
        route = route_of(type(message))
        await self.publish_bytes(
            message.model_dump_json().encode(),
            exchange=route.exchange.name,
            routing_key=route.key,
            message_type=route.key,
            message_id=str(message.message_id),
            correlation_id=message.correlation_id,
            headers=headers,
        )

    async def publish_bytes(
        self,
        body: bytes,
        *,
        exchange: str,
        routing_key: str,
        message_type: str,
        message_id: str,
        correlation_id: str,
        headers: Mapping[str, str | int] | None = None,
    ) -> None:
        """`body` as it is. Errors: BrokerUnavailable, Busy (nothing left); NotConfirmed; Unroutable."""
        message = AmqpMessage(
            body,
            content_type="application/json",
            delivery_mode=DeliveryMode.PERSISTENT,
            message_id=message_id,
            correlation_id=correlation_id,
            type=message_type,
            timestamp=utc_now(),
            app_id=self._app_id,
            headers=_headers(headers),
        )
        channel = await self._open_channel()
        target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
        try:
            with cancelled_by_library(NotConfirmed(routing_key)):
                async with asyncio.timeout(self._confirm_timeout_seconds):
                    await target.publish(message, routing_key, mandatory=True)
        except PublishError as error:
            raise Unroutable(f"no queue takes {routing_key} from {exchange or 'the default exchange'}") from error
        except AmqpDeliveryError as error:
            raise Busy(f"the broker refused {routing_key}") from error
        except TimeoutError as error:
            raise NotConfirmed(routing_key) from error
        except CONNECTION_EXCEPTIONS as error:
            raise NotConfirmed(routing_key) from error

    async def _open_channel(self) -> AbstractChannel:
        connection = await self._link.connection(_LINK_WAIT_SECONDS)
        if self._channel is not None and not self._channel.is_closed and self._channel_of is connection:
            return self._channel
        try:
            # One time for all who wait: the next in line does not begin a wait of its own.
            with cancelled_by_library(BrokerUnavailable("no channel to the broker")):
                async with asyncio.timeout(self._confirm_timeout_seconds), self._opening:
                    if self._channel is None or self._channel.is_closed or self._channel_of is not connection:
                        self._channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                        self._channel_of = connection
                    return self._channel
        except (*CONNECTION_EXCEPTIONS, TimeoutError) as error:
            raise BrokerUnavailable("no channel to the broker") from error


@dataclass(frozen=True, slots=True)
class _Waiting:
    body: bytes
    correlation_id: str
    confirmed: asyncio.Future[None]


class EnvelopePublisher(Generic[Event]):
    """Events of concurrent callers travel together: an envelope leaves at once while fewer than `in_flight` are unconfirmed, and fills
    up with what arrives meanwhile otherwise. So a lone event never waits, and a busy road sends full envelopes."""

    def __init__(
        self, publisher: Publisher, route: Route, *, in_flight: int = 2, max_waiting: int = 5_000, max_waiting_bytes: int = 64_000_000
    ) -> None:
        assert route.bulk
        self._publisher = publisher
        self._route = route
        self._in_flight_limit = in_flight
        self._max_waiting = max_waiting
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._sending: set[asyncio.Task[None]] = set()
        self._scheduled = False

    async def submit(self, event: Event) -> None:
        """Returns when the envelope that carries `event` is confirmed; Busy when too many wait, else what publishing raised."""
        if len(self._waiting) >= self._max_waiting or self._waiting_bytes >= self._max_waiting_bytes:
            raise Busy("too many events wait to be published")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(event.model_dump_json().encode(), event.correlation_id, loop.create_future())
        self._waiting.append(waiting)
        self._waiting_bytes += len(waiting.body)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._send_waiting)
        await waiting.confirmed

    async def drain(self) -> None:
        """Waits until everything handed in has been confirmed or has failed."""
        while self._waiting or self._sending:
            self._send_waiting()
            await asyncio.gather(*self._sending, return_exceptions=True)

    def _send_waiting(self) -> None:
        self._scheduled = False
        while self._waiting and len(self._sending) < self._in_flight_limit:
            batch = [self._waiting.popleft() for _ in range(count_that_fits(len(waiting.body) for waiting in self._waiting))]
            self._waiting_bytes -= sum(len(waiting.body) for waiting in batch)
            task = asyncio.create_task(self._send(batch))
            self._sending.add(task)
            task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._send_waiting()

    async def _send(self, batch: list[_Waiting]) -> None:
        error: BaseException | None = None
        try:
            await _publish_packed(
                self._publisher, self._route.exchange, self._route.key, [waiting.body for waiting in batch], batch[0].correlation_id
            )
        except BaseException as raised:
            error = raised
        for waiting in batch:
            if waiting.confirmed.done():
                continue
            if error is None:
                waiting.confirmed.set_result(None)
            else:
                waiting.confirmed.set_exception(error if isinstance(error, Exception) else NotConfirmed("stopped"))


async def publish_envelope(publisher: Publisher, exchange: Exchange, key: str, events: list[Event]) -> None:
    """`events` (1..ENVELOPE_EVENTS of one route) as one message."""
    bodies = [event.model_dump_json().encode() for event in events]
    await _publish_packed(publisher, exchange, key, bodies, events[0].correlation_id)


async def _publish_packed(publisher: Publisher, exchange: Exchange, key: str, bodies: list[bytes], correlation_id: str) -> None:
    await publisher.publish_bytes(
        pack(key, bodies),
        exchange=exchange.name,
        routing_key=key,
        message_type=key,
        message_id=str(new_id()),
        # Several events have several: each carries its own inside.
        correlation_id=correlation_id if len(bodies) == 1 else "",
    )


def _headers(headers: Mapping[str, str | int] | None) -> HeadersType:
    return dict(headers) if headers else {}
