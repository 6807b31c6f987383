"""Asks a question or gives a command over the broker and waits for the answer, by direct reply-to, with a deadline.

Told apart for the caller: nothing left (BrokerUnavailable, Busy), and "handed over, no answer in time" (NoAnswer). FastStream's own
request() serves one caller at a time, so this is written on aio-pika: any number of questions in flight on one channel.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from aio_pika import DeliveryMode
from aio_pika import Message as AmqpMessage
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, PublishError
from aio_pika.exceptions import DeliveryError as AmqpDeliveryError
from pydantic import TypeAdapter, ValidationError

from shared.contracts.base import Message, new_id, utc_now
from shared.contracts.topology import QUERIES, route_of
from shared.delivery.broker import BrokerLink
from shared.delivery.cancellation import cancelled_by_library
from shared.delivery.errors import BrokerUnavailable, Busy, NoAnswer, Unroutable

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

REPLY_TO: Final = "amq.rabbitmq.reply-to"
_LINK_WAIT_SECONDS: Final = 1.0
_CONFIRM_TIMEOUT_SECONDS: Final = 3.0


class Requests:
    """`max_in_flight` bounds the questions that wait for an answer; more are Busy at once."""

    def __init__(self, link: BrokerLink, *, app_id: str, max_in_flight: int = 2_000) -> None:
        self._link = link
        self._app_id = app_id
        self._max_in_flight = max_in_flight
        self._in_flight = 0
        self._waiting: dict[str, tuple[AbstractChannel, asyncio.Future[bytes]]] = {}
        self._channel: AbstractChannel | None = None
        self._channel_of: AbstractConnection | None = None
        self._opening = asyncio.Lock()

    async def ask(self, message: Message, answers: TypeAdapter[Answer], *, timeout_seconds: float) -> Answer:
        """The answer to `message`, read by `answers`.

        Errors: BrokerUnavailable and Busy (nothing has left), NoAnswer (it was handed over, or may have been), Unroutable.
        A question dies with its deadline at the broker; a command is persistent and outlives this wait.
        """
        if self._in_flight >= self._max_in_flight:
            raise Busy("too many questions wait for an answer")
        self._in_flight += 1
        try:
            body = await self._exchange(message, timeout_seconds)
        finally:
            self._in_flight -= 1
        try:
            return answers.validate_json(body)
        except ValidationError as error:
            log.error("answer that does not fit", question=message.TYPE, correlation_id=message.correlation_id)
            raise NoAnswer(message.TYPE) from error

    async def _exchange(self, message: Message, timeout_seconds: float) -> bytes:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        channel = await self._open_channel(timeout_seconds)
        request_id = str(new_id())
        answered: asyncio.Future[bytes] = loop.create_future()
        self._waiting[request_id] = channel, answered
        try:
            await self._hand_over(channel, message, request_id, deadline - loop.time())
            async with asyncio.timeout_at(deadline):
                return await answered
        except TimeoutError as error:
            raise NoAnswer(message.TYPE) from error
        finally:
            del self._waiting[request_id]
            if answered.done() and not answered.cancelled():
                answered.exception()  # looked at, though the hand-over may have failed first

    async def _hand_over(self, channel: AbstractChannel, message: Message, request_id: str, timeout_seconds: float) -> None:
        route = route_of(type(message))
        question = route.exchange == QUERIES
        amqp = AmqpMessage(
            message.model_dump_json().encode(),
            content_type="application/json",
            delivery_mode=DeliveryMode.NOT_PERSISTENT if question else DeliveryMode.PERSISTENT,
            expiration=max(timeout_seconds, 0.001) if question else None,
            message_id=str(message.message_id),
            # The reply comes back under this; the request's own correlation is in the message.
            correlation_id=request_id,
            reply_to=REPLY_TO,
            type=route.key,
            timestamp=utc_now(),
            app_id=self._app_id,
        )
        exchange = await channel.get_exchange(route.exchange.name, ensure=False)
        try:
            with cancelled_by_library(NoAnswer(route.key)):
                async with asyncio.timeout(min(_CONFIRM_TIMEOUT_SECONDS, timeout_seconds)):
                    await exchange.publish(amqp, route.key, mandatory=True)
        except PublishError as error:
            raise Unroutable(route.key) from error
        except AmqpDeliveryError as error:
            raise Busy(f"the broker refused {route.key}") from error
        except (*CONNECTION_EXCEPTIONS, TimeoutError) as error:
            raise NoAnswer(route.key) from error

    async def _open_channel(self, timeout_seconds: float) -> AbstractChannel:
        connection = await self._link.connection(min(_LINK_WAIT_SECONDS, timeout_seconds))
        if self._channel is not None and not self._channel.is_closed and self._channel_of is connection:
            return self._channel
        try:
            # One time for all who wait: the next in line does not begin a wait of its own.
            with cancelled_by_library(BrokerUnavailable("no channel to the broker")):
                async with asyncio.timeout(min(_CONFIRM_TIMEOUT_SECONDS, timeout_seconds)), self._opening:
                    if self._channel is None or self._channel.is_closed or self._channel_of is not connection:
                        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                        channel.close_callbacks.add(partial(self._on_closed, channel))
                        replies = await channel.get_queue(REPLY_TO, ensure=False)
                        await replies.consume(self._on_reply, no_ack=True)
                        self._channel, self._channel_of = channel, connection
                    return self._channel
        except (*CONNECTION_EXCEPTIONS, TimeoutError) as error:
            raise BrokerUnavailable("no channel to the broker") from error

    async def _on_reply(self, message: AbstractIncomingMessage) -> None:
        _, answered = self._waiting.get(message.correlation_id or "", (None, None))
        if answered is not None and not answered.done():
            answered.set_result(message.body)

    def _on_closed(self, closed: AbstractChannel, *_: Any) -> None:
        # Direct reply-to ends with its channel: who waits on this one would wait in vain.
        for channel, answered in self._waiting.values():
            if channel is closed and not answered.done():
                answered.set_exception(NoAnswer("the broker was lost"))
