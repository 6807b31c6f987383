"""Declares the topology at the broker, so that a bare broker is enough; done at deploy and again (idempotently) at each service's start.

Declaring at deploy matters: a quorum queue that is declared less than about a second before the broker is killed can be lost.
"""

from __future__ import annotations

import asyncio

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractQueue

from shared.contracts import topology
from shared.contracts.topology import Queue
from shared.delivery.broker import BrokerLink
from shared.delivery.cancellation import cancelled_by_library
from shared.delivery.errors import BrokerUnavailable

_TIMEOUT_SECONDS = 60


async def declare_topology(link: BrokerLink) -> None:
    """Every exchange, durable queue and binding of the map. Raises when the broker has one of them with other arguments."""
    with cancelled_by_library(BrokerUnavailable("the broker was lost")):
        await _declare_all(link)


async def _declare_all(link: BrokerLink) -> None:
    async with asyncio.timeout(_TIMEOUT_SECONDS):
        connection = await link.connection(10)
        channel = await connection.channel()
        for exchange in topology.EXCHANGES:
            await channel.declare_exchange(exchange.name, ExchangeType(exchange.kind), durable=True)
        for queue in topology.durable_queues():
            await declare_queue(channel, queue)
        await channel.close()


async def declare_queue(channel: AbstractChannel, queue: Queue, *, replica: str | None = None) -> AbstractQueue:
    """One queue with its bindings; `replica` names the process whose own queue it is."""
    name = f"{queue.name}.{replica}" if replica else queue.name
    declared = await channel.declare_queue(
        name, durable=queue.durable, exclusive=queue.exclusive, auto_delete=queue.exclusive, arguments=dict(queue.arguments)
    )
    for route in topology.routes_to(queue):
        await declared.bind(route.exchange.name, routing_key=route.key)
    if queue.sort == "dead":
        await declared.bind(topology.DEAD_LETTERS.name, routing_key=queue.name.removesuffix(".dead"))
    if queue.sort == "delay":
        await declared.bind(queue.name, routing_key="")
    return declared
