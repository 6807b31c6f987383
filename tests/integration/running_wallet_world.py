"""Wallets that run between the real broker and the real database, and hands to publish, ask and look with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aio_pika
import orjson
from aio_pika.abc import AbstractChannel, AbstractQueue
from pydantic import TypeAdapter

from deploy.local.ports import free_port
from deploy.prepare import prepare
from services.wallet.config import WalletSettings
from services.wallet.main import wallet
from shared import postgres
from shared.contracts.base import Message, new_id
from shared.contracts.payment_events import PaymentCompleted
from shared.contracts.queries import GetTransfer, TransferView
from shared.contracts.topology import EVENTS, WALLET_PAYMENT_COMPLETED, Queue, route_of
from shared.contracts.wallet_events import BalanceChanged
from shared.delivery.broker import BrokerLink
from shared.delivery.publisher import Publisher, publish_envelope
from shared.delivery.requests import Requests
from tests.integration.wallet_world import SECRET, WalletWorld

ROUTE = route_of(PaymentCompleted)


class RunningWorld:
    """Servers prepared, and hands to publish, ask and look with; the wallets are started by the tests."""

    def __init__(self, book: WalletWorld, amqp_url: str, link: BrokerLink, channel: AbstractChannel) -> None:
        self.book = book
        self.link = link
        self.publisher = Publisher(link, app_id="test")
        self._requests = Requests(link, app_id="test")
        self._channel = channel
        self._amqp_url = amqp_url

    @asynccontextmanager
    async def wallet(self) -> AsyncIterator[int]:
        """A running wallet; its port."""
        port = free_port()
        async with wallet(WalletSettings(database_url=self.book.url, amqp_url=self._amqp_url, secret_key=(SECRET,), wallet_port=port)):
            yield port

    async def publish(self, *events: PaymentCompleted) -> None:
        await publish_envelope(self.publisher, ROUTE.exchange, ROUTE.key, list(events))

    async def publish_bytes(self, body: bytes) -> None:
        await self.publisher.publish_bytes(
            body, exchange=ROUTE.exchange.name, routing_key=ROUTE.key, message_type=ROUTE.key, message_id=str(new_id()), correlation_id=""
        )

    async def ask(self, question: Message, answers: Any, timeout_seconds: float = 10) -> Any:
        return await self._requests.ask(question, TypeAdapter(answers), timeout_seconds=timeout_seconds)

    async def until_posted(self, *events: PaymentCompleted) -> None:
        for event in events:
            view = await self.ask(GetTransfer(correlation_id="q", reference=event.credit_reference, wait_seconds=9), TransferView)
            assert view.posted, event

    async def listen_to_balances(self) -> AbstractQueue:
        """A queue that gets what a notifier would get."""
        queue = await self._channel.declare_queue(exclusive=True)
        await queue.bind(EVENTS.name, routing_key=BalanceChanged.TYPE)
        return queue

    async def dead_letters(self, count: int, of: Queue = WALLET_PAYMENT_COMPLETED) -> list[tuple[dict[str, Any], bytes]]:
        """The next `count` dead letters of a queue: headers and body."""
        queue = await self._channel.get_queue(of.dead_name)
        letters: list[tuple[dict[str, Any], bytes]] = []
        async with asyncio.timeout(15), queue.iterator() as messages:
            async for message in messages:
                await message.ack()
                letters.append((dict(message.headers), message.body))
                if len(letters) == count:
                    return letters
        raise AssertionError("unreachable")

    async def rest(self, queue: str) -> int:
        """How many messages wait in a queue."""
        declared = await self._channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0


@asynccontextmanager
async def running_wallet_world(database_url: str, amqp_url: str) -> AsyncIterator[RunningWorld]:
    """Servers prepared; the wallets are started by the tests."""
    urls = await prepare(database_url, amqp_url, SECRET)
    async with AsyncExitStack() as stack:
        pool = await postgres.create_pool(urls.wallet, size=3, application_name="test")
        stack.push_async_callback(postgres.close_pool, pool)
        link = BrokerLink(amqp_url, name="test")
        await link.start()
        stack.push_async_callback(link.close)
        connection = await stack.enter_async_context(await aio_pika.connect(amqp_url))
        yield RunningWorld(WalletWorld(pool, database_url, urls.wallet, urls.verifier), amqp_url, link, await connection.channel())


async def received(queue: AbstractQueue, count: int) -> list[BalanceChanged]:
    """The next `count` balance changes, out of their envelopes."""
    events: list[BalanceChanged] = []
    async with asyncio.timeout(15), queue.iterator() as messages:
        async for message in messages:
            await message.ack()
            events += [BalanceChanged.model_validate(event) for event in orjson.loads(message.body)["events"]]
            if len(events) >= count:
                return events
    raise AssertionError("unreachable")
