"""Commands and questions served by FastStream over a real broker, with a handler that counts what it was handed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
import structlog
from faststream.rabbit import RabbitBroker
from pydantic import TypeAdapter

from shared.contracts.payment_commands import CreateDeposit
from shared.contracts.queries import GetTransfer, TransferView
from shared.contracts.topology import PAYMENTS_COMMANDS, WALLET_QUERIES
from shared.delivery.declare import declare_queue
from shared.delivery.publisher import Publisher
from shared.delivery.requests import Requests
from shared.delivery.server import make_broker, of, serve, stop_broker
from tests.integration.consumer_world import FAST, delay_fast
from tests.integration.delivery_world import World, delivery_world, eventually

ANSWERS: TypeAdapter[TransferView] = TypeAdapter(TransferView)
DONE = TransferView(reference="done", posted=True)


class Handler:
    """Counts what it was handed; `rule` decides by that count: an answer, an error, or a wait."""

    def __init__(self) -> None:
        self.calls = 0
        self.at_once = 0
        self.most_at_once = 0
        self.rule: Callable[[int], Awaitable[None]] | None = None

    async def handle(self) -> TransferView:
        self.calls += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.rule is not None:
                await self.rule(self.calls)
        finally:
            self.at_once -= 1
        return DONE

    def fail(self, error: Exception, times: int = 1000) -> None:
        async def rule(call: int) -> None:
            if call <= times:
                raise error

        self.rule = rule


@pytest.fixture
async def world(amqp_url: str) -> AsyncIterator[World]:
    async with delivery_world(amqp_url, heartbeat_seconds=1) as world:
        await world.channel.declare_exchange(FAST.name, aio_pika.ExchangeType.FANOUT, durable=True)
        await declare_queue(world.channel, FAST)
        yield world


@pytest.fixture(autouse=True)
def plain_tracebacks() -> Iterator[None]:
    """The development form of a traceback, with all variables, takes a second each."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])
    yield
    structlog.reset_defaults()


@pytest.fixture
def handler() -> Handler:
    return Handler()


@pytest.fixture
async def requests(world: World) -> Requests:
    """On a line of its own, which stays up when the service's is disturbed."""
    return Requests(await world.new_link("gateway", direct=True), app_id="gateway")


@pytest.fixture
async def fast_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    delay_fast(monkeypatch)


@asynccontextmanager
async def serving(world: World, handler: Handler, publisher: Publisher | None = None) -> AsyncIterator[RabbitBroker]:
    """payments' commands and wallet's questions, answered by `handler`."""
    broker = make_broker(world.proxied_url, app_id="test", name="the server", heartbeat_seconds=1)
    router, commands = serve(PAYMENTS_COMMANDS, publisher or world.publisher)

    @commands(filter=of(CreateDeposit))
    async def on_create_deposit(command: CreateDeposit) -> TransferView:
        return await handler.handle()

    broker.include_router(router)
    router, questions = serve(WALLET_QUERIES, publisher or world.publisher)

    @questions(filter=of(GetTransfer))
    async def on_get_transfer(query: GetTransfer) -> TransferView:
        return await handler.handle()

    broker.include_router(router)
    try:
        await broker.start()
        yield broker
    finally:
        await stop_broker(broker)


async def settled(world: World) -> None:
    """Nothing waits anywhere, nothing is in anybody's hands, and nothing is dead."""

    async def all_empty() -> bool:
        return sum([await world.ready(queue) for queue in (PAYMENTS_COMMANDS, FAST, PAYMENTS_COMMANDS.dead_name, WALLET_QUERIES)]) == 0

    await eventually(all_empty, "settled", 10)


async def settled_by_the_next(world: World, handler: Handler) -> None:
    """What was in doubt when the line broke, and so was given back at the end, is done by who serves next."""
    async with serving(world, handler):
        await settled(world)
        await asyncio.sleep(0.1)
    await settled(world)
