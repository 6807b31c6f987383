"""Where a message goes that could not be worked on: to a queue that delays it, or, for good, to its queue's dead letters.

Both are published and confirmed before the original is acknowledged: the broker's own dead-lettering only serves crashes that repeat.
An outage (database, broker) costs no attempt; failures of the message's own do, and MAX_ATTEMPTS of them end it. What only has to wait for
something else to happen (NotYet) is put off for a day, MAX_WAITS times: money may have moved that nobody else will ever tell of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import asyncpg
import structlog
from prometheus_client import Counter
from pydantic import ValidationError

from shared.contracts.base import new_id, utc_now
from shared.contracts.topology import DEAD_LETTERS, DELAYS_SECONDS, MAX_ATTEMPTS, MAX_WAITS, Queue, delay_exchange
from shared.delivery.errors import NotYet, Permanent
from shared.delivery.publisher import Publisher

log = structlog.get_logger(__name__)

ATTEMPTS: Final = "x-attempts"
WAITS: Final = "x-waits"
REASON: Final = "x-reason"
FIRST_FAILED_AT: Final = "x-first-failed-at"
_REASON_LIMIT: Final = 300

RETRIED = Counter("purser_messages_retried_total", "Messages sent to a delay queue", ["queue", "outage"])
DEAD = Counter("purser_messages_dead_total", "Messages sent to the dead letters", ["queue"])


@dataclass(frozen=True, slots=True)
class Failure:
    """One event of a batch (by its index) that could not be worked on, and why."""

    index: int
    error: Exception


@dataclass(frozen=True, slots=True)
class History:
    """What a message has been through before."""

    attempts: int = 0
    first_failed_at: str | None = None
    waits: int = 0

    @classmethod
    def of(cls, headers: Mapping[str, Any] | None) -> History:
        headers = headers or {}
        attempts, waits = headers.get(ATTEMPTS, 0), headers.get(WAITS, 0)
        first = headers.get(FIRST_FAILED_AT)
        return cls(
            attempts if isinstance(attempts, int) else 0, first if isinstance(first, str) else None, waits if isinstance(waits, int) else 0
        )


class FailedMessages:
    """Sends what failed on `queue` where it belongs."""

    def __init__(self, publisher: Publisher, queue: Queue) -> None:
        self._publisher = publisher
        self._queue = queue

    async def retry_or_bury(self, body: bytes, *, key: str, correlation_id: str, history: History, error: Exception) -> None:
        """Later again, or a dead letter when `error` is Permanent or the attempts are used up. Raises what publishing raises."""
        waits = isinstance(error, NotYet)
        history = replace(history, waits=history.waits + waits)
        attempts = history.attempts + (not waits)
        tries, limit = (history.waits, MAX_WAITS) if waits else (attempts, MAX_ATTEMPTS)
        if isinstance(error, Permanent) or tries >= limit:
            await self.bury(body, key=key, correlation_id=correlation_id, history=history, reason=describe(error))
            return
        delay = DELAYS_SECONDS[min(tries - 1, len(DELAYS_SECONDS) - 1)]
        await self._send(delay_exchange(delay).name, body, key, correlation_id, _headers(history, attempts, describe(error)))
        RETRIED.labels(self._queue.name, "no").inc()
        # What waits for so long may wait for something that does not come.
        say = log.error if tries >= MAX_ATTEMPTS else log.warning
        say(
            "message will be tried again",
            queue=self._queue.name,
            attempts=attempts,
            waits=history.waits,
            in_seconds=delay,
            reason=describe(error),
            correlation_id=correlation_id,
        )

    async def wait_out(self, body: bytes, *, key: str, correlation_id: str, history: History, reason: str) -> None:
        """Later again without counting an attempt: something that the message needs is down."""
        delay = DELAYS_SECONDS[1]
        await self._send(delay_exchange(delay).name, body, key, correlation_id, _headers(history, history.attempts, reason))
        RETRIED.labels(self._queue.name, "yes").inc()

    async def bury(self, body: bytes, *, key: str, correlation_id: str, history: History, reason: str) -> None:
        headers = _headers(history, history.attempts + 1, reason)
        await self._send(DEAD_LETTERS.name, body, key, correlation_id, headers)
        DEAD.labels(self._queue.name).inc()
        log.error(
            "message is a dead letter", queue=self._queue.name, reason=reason, attempts=headers[ATTEMPTS], correlation_id=correlation_id
        )

    async def _send(self, exchange: str, body: bytes, key: str, correlation_id: str, headers: dict[str, str | int]) -> None:
        # The queue's name is the routing key of both: it picks the dead-letter queue, and brings a delayed message home.
        await self._publisher.publish_bytes(
            body,
            exchange=exchange,
            routing_key=self._queue.name,
            message_type=key,
            message_id=str(new_id()),
            correlation_id=correlation_id,
            headers=headers,
        )


def describe(error: BaseException) -> str:
    """The error in one bounded line, for a header and a log: what was wrong where, without the values, which may be somebody's."""
    return f"{type(error).__name__}: {_text(error)}".replace("\n", " ")[:_REASON_LIMIT]


def _text(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        return "; ".join(f"{'.'.join(map(str, problem['loc']))} {problem['type']}" for problem in problems)
    if isinstance(error, asyncpg.PostgresError):
        return str(error.args[0]) if error.args else ""  # its detail shows the whole row
    return str(error)


def _headers(history: History, attempts: int, reason: str) -> dict[str, str | int]:
    first = history.first_failed_at or utc_now().isoformat()
    headers: dict[str, str | int] = {ATTEMPTS: attempts, REASON: reason, FIRST_FAILED_AT: first}
    return headers | {WAITS: history.waits} if history.waits else headers
