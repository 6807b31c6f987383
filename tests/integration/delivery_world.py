"""What the tests of shared/delivery stand on: a declared vhost, a way through a proxy, events, and a look into the queues."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aio_pika
import aiormq
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_events import PaymentCompleted
from shared.contracts.topology import Queue, Route, route_of
from shared.delivery.broker import BrokerLink
from shared.delivery.declare import declare_topology
from shared.delivery.envelopes import pack
from shared.delivery.publisher import Publisher
from tests.tcp_proxy import TcpProxy, tcp_proxy

ROUTE: Route = route_of(PaymentCompleted)
LONG_SECONDS = 30.0
"""How long a fact may take to come true on a busy machine; a test that passes never waits so long."""


@pytest.fixture
def sooner_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's grace for a silent broker is two heartbeats instead of three: only how long the tests of a hung line take."""
    monkeypatch.setattr(aiormq.Connection, "HEARTBEAT_GRACE_MULTIPLIER", 2)


@dataclass
class World:
    """`link` and `publisher` are the service's, through `proxy`; `channel` looks on directly and is never disturbed."""

    amqp_url: str
    proxied_url: str
    proxy: TcpProxy
    link: BrokerLink
    publisher: Publisher
    channel: AbstractChannel
    exits: AsyncExitStack = field(repr=False)
    losses: int = 0

    async def lose_and_regain(self) -> None:
        """The line breaks; returns when the service's link has noticed and is up again (consumers may not be, yet)."""
        before = self.losses
        await self.proxy.drop()
        await eventually(lambda: self.losses > before, "the loss is noticed")
        await self.link.connection(LONG_SECONDS)

    def on_lost(self) -> None:
        self.losses += 1

    async def new_link(self, name: str = "another", *, direct: bool = False, heartbeat_seconds: int = 5) -> BrokerLink:
        """One more connection, closed at the end."""
        link = BrokerLink(self.amqp_url if direct else self.proxied_url, name=name, heartbeat_seconds=heartbeat_seconds)
        self.exits.push_async_callback(link.close)
        await link.start(LONG_SECONDS)
        return link

    async def send(self, *events: PaymentCompleted) -> None:
        """One envelope into the queue of the events' route."""
        await self.send_bytes(pack(ROUTE.key, [event.model_dump_json().encode() for event in events]))

    async def send_bytes(self, body: bytes, **properties: Any) -> None:
        exchange = await self.channel.get_exchange(ROUTE.exchange.name, ensure=False)
        await exchange.publish(aio_pika.Message(body, delivery_mode=2, **properties), ROUTE.key)

    async def ready(self, queue: Queue | str) -> int:
        """Messages that wait in the queue and have not been handed out."""
        name = queue if isinstance(queue, str) else queue.name
        declared = await self.channel.declare_queue(name, passive=True)
        return declared.declaration_result.message_count or 0

    async def take(self, queue: Queue | str, count: int = 1) -> list[AbstractIncomingMessage]:
        """Takes and acknowledges that many messages, waiting for them."""
        name = queue if isinstance(queue, str) else queue.name
        found = await self.channel.get_queue(name, ensure=False)
        taken: list[AbstractIncomingMessage] = []

        async def one() -> bool:
            message = await found.get(no_ack=True, fail=False)
            if message is not None:
                taken.append(message)
            return len(taken) == count

        await eventually(one, f"{count} messages in {name}")
        return taken


@asynccontextmanager
async def delivery_world(amqp_url: str, *, heartbeat_seconds: int = 5, confirm_timeout_seconds: float = 3) -> AsyncIterator[World]:
    async with AsyncExitStack() as exits:
        proxy, proxied_url = await exits.enter_async_context(tcp_proxy(amqp_url))
        connection = await exits.enter_async_context(await aio_pika.connect(amqp_url))
        direct = BrokerLink(amqp_url, name="declaring")
        await direct.start(LONG_SECONDS)
        await declare_topology(direct)
        await direct.close()
        link = BrokerLink(proxied_url, name="the service", heartbeat_seconds=heartbeat_seconds)
        exits.push_async_callback(link.close)
        await link.start(LONG_SECONDS)
        publisher = Publisher(link, app_id="test", confirm_timeout_seconds=confirm_timeout_seconds)
        world = World(amqp_url, proxied_url, proxy, link, publisher, await connection.channel(), exits)
        link.on_lost(world.on_lost)
        try:
            yield world
        finally:
            if proxy.hangs:
                await proxy.cut()  # else each connection would wait for its goodbye


def event(number: int = 1, **changes: Any) -> PaymentCompleted:
    """A completed payment of `number` minor units; the number names it in what the tests count."""
    fields: dict[str, Any] = {
        "correlation_id": f"request-{number}",
        "payment_id": new_id(),
        "user_id": "1",
        "provider": "mock",
        "amount_minor": number,
        "currency": "rsd",
        "credit_reference": f"mock:ch_{number}",
        "completed_at": utc_now(),
    }
    return PaymentCompleted(**(fields | changes))


def events(numbers: Iterable[int]) -> list[PaymentCompleted]:
    return [event(number) for number in numbers]


def numbers_in(message: AbstractIncomingMessage) -> list[int]:
    """The numbers of an envelope's events."""
    return [item["amount_minor"] for item in json.loads(message.body)["events"]]


async def eventually(fact: Callable[[], bool] | Callable[[], Awaitable[bool]], what: str, seconds: float = LONG_SECONDS) -> None:
    """Asks until the fact is true; AssertionError naming it when it does not become so in time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        found = fact()
        if found if isinstance(found, bool) else await found:
            return
        assert asyncio.get_running_loop().time() < deadline, f"not in {seconds} s: {what}"
        await asyncio.sleep(0.01)
