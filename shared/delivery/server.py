"""Answers commands and questions with FastStream: the queue of the topology, one message acknowledged after its answer has left.

FastStream's defaults would drop a failed message (acknowledged after any error), take an unroutable publish for success and declare what it
meets; here the queue must exist, and every failure goes through failures.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final

import orjson
import structlog
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPError, ChannelInvalidStateError
from fast_depends.exceptions import ValidationError as FastDependsValidationError
from faststream import AckPolicy, BaseMiddleware, ContextRepo
from faststream.exceptions import SubscriberNotFound
from faststream.rabbit import Channel, RabbitBroker, RabbitMessage, RabbitQueue, RabbitRouter
from faststream.rabbit.subscriber import RabbitSubscriber
from pydantic import ValidationError
from yarl import URL

from shared.contracts.base import Message
from shared.contracts.topology import Queue
from shared.delivery.errors import BrokerUnavailable, DeliveryError, NotYet, Permanent
from shared.delivery.failures import FailedMessages, History, describe
from shared.delivery.publisher import Publisher
from shared.postgres import is_outage

log = structlog.get_logger(__name__)

_RECONNECT_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 5.0
_PING_SECONDS: Final = 0.05
_GIVE_BACK_SECONDS: Final = 0.5

_BROKER_TROUBLE: Final = (DeliveryError, AMQPError, ChannelInvalidStateError)
"""After a lost line FastStream may consume again before the channel of its answers is back: the work is done, its answer is not out."""


def make_broker(url: str, *, app_id: str, name: str, heartbeat_seconds: int = 5) -> RabbitBroker:
    """A broker that is not connected yet."""
    return RabbitBroker(
        str(URL(url).update_query(heartbeat=str(heartbeat_seconds), name=name)),
        app_id=app_id,
        reconnect_interval=_RECONNECT_SECONDS,
        graceful_timeout=_STOP_SECONDS,
        logger=None,
    )


async def stop_broker(broker: RabbitBroker) -> None:
    """Ends its line too, whatever goes wrong before or went wrong at its start: one that nobody closes restores itself for ever, and takes
    even the cancellation at the loop's end for a trouble of the line (aio-pika 10.2)."""
    connection = broker._connection
    try:
        await broker.stop()
    finally:
        if connection is not None:
            await connection.close()


async def consuming(broker: RabbitBroker) -> None:
    """For readiness: raises BrokerUnavailable while the line that questions and commands come in by is down. It is another one than
    what we publish by, and after a restart of the broker it may come back a second later."""
    if not await broker.ping(_PING_SECONDS):
        raise BrokerUnavailable("no commands come in")


def serve(queue: Queue, publisher: Publisher) -> tuple[RabbitRouter, RabbitSubscriber]:
    """The router to include in the broker, and the subscriber of `queue`: a function a message, `@subscriber(filter=of(Type))`."""
    assert queue.sort in ("work", "query")
    failed = FailedMessages(publisher, queue)

    def settling(message: Any, /, *, context: ContextRepo) -> BaseMiddleware[Any, Any]:
        return _Settle(message, context=context, queue=queue, failed=failed)

    router = RabbitRouter(middlewares=(settling,))
    subscriber = router.subscriber(
        # declare=False: it is declared from the topology, and a queue that is not there stops the start.
        RabbitQueue(queue.name, declare=False),
        channel=Channel(prefetch_count=queue.prefetch, publisher_confirms=True, on_return_raises=False),
        ack_policy=AckPolicy.MANUAL,
        description=queue.purpose,
    )
    return router, subscriber


def of(message: type[Message]) -> Callable[[RabbitMessage], Awaitable[bool]]:
    """A filter: is this AMQP message one of `message`'s type?"""

    async def is_of_type(received: RabbitMessage) -> bool:
        return received.raw_message.type == message.TYPE

    return is_of_type


class _Settle(BaseMiddleware[Any, AbstractIncomingMessage]):
    """Ends every message: acknowledged when its answer has left; else sent to retry or to the dead letters first. A question is not
    repeated: whoever asked has a deadline, and asks again. What the broker's own trouble kept from being settled goes back as it is."""

    def __init__(self, message: AbstractIncomingMessage, /, *, context: ContextRepo, queue: Queue, failed: FailedMessages) -> None:
        super().__init__(message, context=context)
        self._queue = queue
        self._failed = failed

    async def after_processed(
        self, exc_type: type[BaseException] | None = None, exc_val: BaseException | None = None, exc_tb: TracebackType | None = None
    ) -> bool | None:
        if exc_val is not None and not isinstance(exc_val, Exception):
            return False  # cancelled: not acknowledged, so the broker delivers it again
        try:
            if isinstance(exc_val, _BROKER_TROUBLE):
                raise exc_val
            if exc_val is not None:
                await self._failed_with(exc_val)
            await self.msg.ack()
        except (DeliveryError, *CONNECTION_EXCEPTIONS) as error:
            log.warning("message not settled, the broker delivers it again", queue=self._queue.name, error=describe(error))
            await self._give_back()
        return True

    async def _give_back(self) -> None:
        # Unacknowledged alone it would stay in our hands for as long as the channel lives; at once, it would come back at once.
        await asyncio.sleep(_GIVE_BACK_SECONDS)
        try:
            await self.msg.nack(requeue=True)
        except CONNECTION_EXCEPTIONS:
            log.debug("the channel is gone, and the message back with it", queue=self._queue.name)

    async def _failed_with(self, error: Exception) -> None:
        message = self.msg
        if self._queue.sort == "query":
            log.error("question not answered", queue=self._queue.name, question=message.type, error=describe(error))
            return
        if isinstance(error, (SubscriberNotFound, FastDependsValidationError, ValidationError)) or not _is_json(message.body):
            unreadable = error.original_error if isinstance(error, FastDependsValidationError) else error
            error = Permanent(f"cannot be read: {describe(unreadable)}")
        key, history, correlation_id = message.type or "", History.of(message.headers), message.correlation_id or ""
        if is_outage(error):
            await self._failed.wait_out(message.body, key=key, correlation_id=correlation_id, history=history, reason=describe(error))
        else:
            if not isinstance(error, NotYet):
                log.error("message failed", queue=self._queue.name, type=key, error=describe(error), exc_info=error)
            await self._failed.retry_or_bury(message.body, key=key, correlation_id=correlation_id, history=history, error=error)


def _is_json(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True
