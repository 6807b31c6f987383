"""The line is lost while a channel is being opened: the library cancels who waits for it, which must not be taken for our own cancellation,
or the task that sends (or consumes, or answers) would end in silence and never come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from pydantic import TypeAdapter

from shared.contracts.payment_events import PaymentCompleted
from shared.contracts.queries import TransferView
from shared.contracts.topology import WALLET_PAYMENT_COMPLETED
from shared.delivery.consumer import BatchConsumer
from shared.delivery.declare import declare_topology
from shared.delivery.errors import BrokerUnavailable
from shared.delivery.failures import Failure
from shared.delivery.publisher import Publisher
from shared.delivery.requests import Requests
from tests.integration.delivery_world import World, delivery_world, event, eventually
from tests.integration.delivery_world import sooner_noticed as sooner_noticed
from tests.integration.test_delivery_publisher import command

pytestmark = pytest.mark.usefixtures("sooner_noticed")


@pytest.fixture
async def world(amqp_url: str) -> AsyncIterator[World]:
    async with delivery_world(amqp_url, heartbeat_seconds=1, confirm_timeout_seconds=30) as world:
        yield world


class Taken:
    def __init__(self) -> None:
        self.numbers: list[int] = []

    async def handle(self, events: Sequence[PaymentCompleted]) -> Sequence[Failure]:
        self.numbers += [event.amount_minor for event in events]
        return ()


async def test_who_opens_a_channel_is_told_that_the_broker_is_unavailable(world: World) -> None:
    publisher = Publisher(world.link, app_id="test", confirm_timeout_seconds=30)
    requests = Requests(world.link, app_id="test")
    world.proxy.hang()
    asked = [
        asyncio.create_task(publisher.publish(command())),
        asyncio.create_task(requests.ask(command(), TypeAdapter(TransferView), timeout_seconds=30)),
        asyncio.create_task(declare_topology(world.link)),
    ]
    done, _ = await asyncio.wait(asked, timeout=20)

    assert len(done) == 3
    assert [task.cancelled() for task in asked] == [False] * 3
    assert {type(task.exception()) for task in asked} == {BrokerUnavailable}


async def test_our_own_cancellation_is_still_one(world: World) -> None:
    world.proxy.hang()
    asked = asyncio.create_task(world.publisher.publish(command()))
    await asyncio.sleep(0.1)
    asked.cancel()
    await asyncio.wait([asked], timeout=5)

    assert asked.cancelled()


async def test_a_consumer_that_was_subscribing_subscribes_when_the_line_is_back(world: World) -> None:
    taken = Taken()
    consumer = BatchConsumer(world.link, WALLET_PAYMENT_COMPLETED, taken, world.publisher)
    await consumer.start()
    before = world.losses
    await world.proxy.drop()
    await eventually(lambda: world.losses > before, "the loss is noticed")
    await world.link.connection(30)
    world.proxy.hang()  # while it subscribes again
    await eventually(lambda: world.losses > before + 1, "the hung line is given up")
    world.proxy.restore()
    await world.send(event(7))

    await eventually(lambda: taken.numbers == [7], "the event is taken")
    await consumer.stop()
