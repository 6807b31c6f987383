"""Invariant G at the broker: every dead-letter queue is empty; what lies there is shown by its reason and stays where it is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import aio_pika
from aio_pika.exceptions import ChannelNotFoundEntity

from deploy.verification.invariants import Finding
from shared.contracts.topology import work_queues
from shared.delivery.failures import ATTEMPTS, FIRST_FAILED_AT, REASON

CLAIM: Final = "every dead-letter queue is empty"
_SHOWN: Final = 3
_TIMEOUT_SECONDS: Final = 15


async def find_dead_letters(amqp_url: str) -> Finding:
    """A row a dead letter, the first few of each queue. Raises aio-pika's and OSError, TimeoutError when the broker cannot be asked."""
    rows: list[Mapping[str, Any]] = []
    more = False
    async with asyncio.timeout(_TIMEOUT_SECONDS), await aio_pika.connect(amqp_url) as connection:
        for queue in work_queues():
            shown, count = await _look_into(connection, queue.dead_name)
            rows += shown
            more = more or count > len(shown)
    return Finding("G", CLAIM, tuple(rows), more)


async def _look_into(connection: aio_pika.abc.AbstractConnection, name: str) -> tuple[list[Mapping[str, Any]], int]:
    # A channel a queue: closing it gives back what was only looked at.
    async with connection.channel() as channel:
        try:
            queue = await channel.declare_queue(name, passive=True)
        except ChannelNotFoundEntity:
            return [{"queue": name, "reason": "this queue does not exist: the topology was not declared"}], 1
        count = queue.declaration_result.message_count or 0
        rows: list[Mapping[str, Any]] = []
        for _ in range(min(count, _SHOWN)):
            message = await queue.get(fail=False)
            if message is None:
                break
            headers = message.headers
            rows.append(
                {
                    "queue": name,
                    "messages": count,
                    "type": message.type,
                    "reason": _text(headers.get(REASON) or headers.get("x-first-death-reason")),
                    "attempts": _text(headers.get(ATTEMPTS)),
                    "first_failed_at": _text(headers.get(FIRST_FAILED_AT)),
                    "correlation_id": message.correlation_id,
                }
            )
        return rows, count


def _text(value: object) -> str | None:
    return None if value is None else str(value)
