"""How many messages nobody could work on: counted at the broker, and left where they are."""

from __future__ import annotations

import asyncio
from typing import Final

from aio_pika.exceptions import AMQPError

from shared.contracts.topology import work_queues
from shared.delivery.broker import BrokerLink
from shared.delivery.errors import BrokerUnavailable

_TIMEOUT_SECONDS: Final = 3.0


async def count_dead_letters(link: BrokerLink) -> int | None:
    """Over all queues of work; None when the broker does not say so in time."""
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS), (await link.connection()).channel(publisher_confirms=False) as channel:
            queues = [await channel.declare_queue(queue.dead_name, passive=True) for queue in work_queues()]
    except (BrokerUnavailable, AMQPError, OSError, TimeoutError):
        return None
    return sum(queue.declaration_result.message_count or 0 for queue in queues)
