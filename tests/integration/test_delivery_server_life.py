"""Serving commands and questions when the line breaks, and when it ends: they come in again, and what is in hand is answered."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aio_pika.exceptions import CONNECTION_EXCEPTIONS

from shared.contracts.topology import WALLET_QUERIES
from shared.delivery.errors import BrokerUnavailable
from shared.delivery.requests import Requests
from shared.delivery.server import consuming
from tests.integration.delivery_world import World, eventually
from tests.integration.delivery_world import sooner_noticed as sooner_noticed
from tests.integration.server_world import ANSWERS, DONE, Handler, serving, settled, settled_by_the_next
from tests.integration.server_world import handler as handler
from tests.integration.server_world import plain_tracebacks as plain_tracebacks
from tests.integration.server_world import requests as requests
from tests.integration.server_world import world as world
from tests.integration.test_delivery_publisher import command
from tests.integration.test_delivery_requests import question
from tests.management import management


async def test_a_queue_that_is_not_declared_stops_the_start(world: World, handler: Handler, rabbitmq_server: Any) -> None:
    async with management(rabbitmq_server, world.amqp_url) as broker:
        await broker.delete_queue(WALLET_QUERIES.name)
    with pytest.raises(CONNECTION_EXCEPTIONS):
        async with serving(world, handler):
            pass


def restored() -> set[asyncio.Task[Any]]:
    """The tasks that bring FastStream's lines back: one that is left over goes on for ever."""
    return {task for task in asyncio.all_tasks() if "RobustConnection" in getattr(task.get_coro(), "__qualname__", "")}


async def test_a_start_that_fails_leaves_no_line_behind(world: World, handler: Handler, rabbitmq_server: Any) -> None:
    before = restored()
    async with serving(world, handler):
        assert len(restored() - before) == 1, "it would be seen"
    async with management(rabbitmq_server, world.amqp_url) as broker:
        await broker.delete_queue(WALLET_QUERIES.name)
    with pytest.raises(CONNECTION_EXCEPTIONS):
        async with serving(world, handler):
            pass
    assert restored() <= before


async def test_a_stop_that_fails_leaves_no_line_behind(world: World, handler: Handler, monkeypatch: pytest.MonkeyPatch) -> None:
    before = restored()

    async def lost() -> None:
        raise ConnectionResetError("the line is gone")

    with pytest.raises(ConnectionResetError):
        async with serving(world, handler) as broker:
            monkeypatch.setattr(broker._channel, "close", lost)
    assert restored() <= before


async def test_after_a_lost_line_it_serves_again_by_itself(world: World, handler: Handler, requests: Requests) -> None:
    async with serving(world, handler):
        for _ in range(2):
            await world.lose_and_regain()
            assert await requests.ask(command(), ANSWERS, timeout_seconds=20) == DONE
            assert await requests.ask(question(), ANSWERS, timeout_seconds=20) == DONE
    await settled_by_the_next(world, handler)


async def test_it_is_ready_only_while_commands_come_in(world: World, handler: Handler, requests: Requests) -> None:
    """What it publishes by may be back a second before."""

    async def is_consuming() -> bool:
        try:
            await consuming(broker)
        except BrokerUnavailable:
            return False
        return True

    async def is_not() -> bool:
        return not await is_consuming()

    async with serving(world, handler) as broker:
        assert await is_consuming()
        await world.proxy.cut()
        await eventually(is_not, "the loss is told")
        world.proxy.restore()
        await eventually(is_consuming, "the return is told")
        assert await requests.ask(command(), ANSWERS, timeout_seconds=1) == DONE
    assert await is_not(), "after its stop"


async def test_after_a_hung_line_it_serves_again_by_itself(
    sooner_noticed: None, world: World, handler: Handler, requests: Requests
) -> None:
    async with serving(world, handler):
        assert await requests.ask(command(), ANSWERS, timeout_seconds=20) == DONE
        world.proxy.hang()
        lost = world.losses
        await eventually(lambda: world.losses > lost, "the hang is noticed")
        world.proxy.restore()
        assert await requests.ask(command(), ANSWERS, timeout_seconds=30) == DONE
    await settled_by_the_next(world, handler)


async def test_stopping_finishes_and_answers_what_is_in_hand(world: World, handler: Handler, requests: Requests) -> None:
    release = asyncio.Event()

    async def rule(call: int) -> None:
        await release.wait()

    handler.rule = rule
    async with serving(world, handler) as broker:
        asking = asyncio.create_task(requests.ask(command(), ANSWERS, timeout_seconds=20))
        await eventually(lambda: handler.at_once == 1, "in hand")
        stopping = asyncio.create_task(broker.stop())
        await asyncio.sleep(0.1)
        release.set()
        await stopping
        assert await asking == DONE
    await settled(world)


async def test_what_is_not_finished_in_time_is_delivered_to_the_next(
    world: World, handler: Handler, requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.delivery.server._STOP_SECONDS", 0.2)

    async def rule(call: int) -> None:
        if call == 1:
            await asyncio.sleep(3600)

    handler.rule = rule
    async with serving(world, handler) as broker:
        asking = asyncio.create_task(requests.ask(command(), ANSWERS, timeout_seconds=30))
        await eventually(lambda: handler.at_once == 1, "in hand")
        begun = time.monotonic()
        await broker.stop()
        assert time.monotonic() - begun < 10
    async with serving(world, handler):
        assert await asking == DONE
    await settled(world)
