"""The map is the territory: what a bare broker has after declaring is what topology.py says, nothing more and nothing less."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.exceptions import ChannelPreconditionFailed

from deploy import road
from deploy.local.rabbitmq import RabbitmqServer
from shared.contracts import topology
from shared.contracts.topology import NOTIFIER_BALANCE_CHANGED, NOTIFIER_PAYMENTS, PAYMENTS_COMMANDS, ROUTES
from shared.delivery.broker import BrokerLink
from shared.delivery.declare import declare_queue, declare_topology
from tests.management import management

REPLICA_QUEUES = {
    NOTIFIER_BALANCE_CHANGED: {"balance.changed.v1"},
    NOTIFIER_PAYMENTS: {"payment.completed.v1", "payment.updated.v1", "withdrawal.updated.v1"},
}
PROJECT = Path(road.__file__).resolve().parent.parent


@pytest.fixture
async def link(amqp_url: str) -> AsyncIterator[BrokerLink]:
    link = BrokerLink(amqp_url, name="test topology")
    await link.start(30)
    yield link
    await link.close()


def by_name(found: list[dict[str, Any]], *fields: str) -> dict[str, tuple[Any, ...]]:
    return {item["name"]: tuple(item[field] for field in fields) for item in found}


def expected_bindings() -> set[tuple[str, str, str]]:
    """(exchange, routing key, queue), written once more by hand from the map's words."""
    routed = {(route.exchange.name, route.key, queue.name) for route in ROUTES for queue in route.queues if queue.durable}
    dead = {("dead-letters", queue.name, f"{queue.name}.dead") for queue in topology.work_queues()}
    delayed = {(f"retry.{seconds}s", "", f"retry.{seconds}s") for seconds in topology.DELAYS_SECONDS}
    return routed | dead | delayed


async def test_a_bare_broker_has_the_map_after_declaring_and_nothing_else(
    link: BrokerLink, amqp_url: str, rabbitmq_server: RabbitmqServer
) -> None:
    await declare_topology(link)
    await declare_topology(link)

    async with management(rabbitmq_server, amqp_url) as broker:
        exchanges = by_name(await broker.exchanges(), "type", "durable", "auto_delete", "internal", "arguments")
        assert exchanges == {exchange.name: (exchange.kind, True, False, False, {}) for exchange in topology.EXCHANGES}

        queues = by_name(await broker.queues(), "type", "durable", "auto_delete", "exclusive", "arguments")
        assert queues == {
            queue.name: (queue.arguments["x-queue-type"], True, False, False, queue.arguments) for queue in topology.durable_queues()
        }

        bindings = [(found["source"], found["routing_key"], found["destination"]) for found in await broker.bindings()]
        assert len(bindings) == len(set(bindings))
        assert set(bindings) == expected_bindings()


def test_every_queue_spells_its_limits_out() -> None:
    for queue in (*topology.durable_queues(), *REPLICA_QUEUES):
        arguments = queue.arguments
        assert {"x-queue-type", "x-max-length", "x-overflow"} <= set(arguments), queue.name
        assert queue.prefetch > 0
    for queue in topology.work_queues():
        assert queue.arguments["x-queue-type"] == "quorum"
        assert queue.arguments["x-dead-letter-strategy"] == "at-least-once"
        assert queue.arguments["x-overflow"] == "reject-publish", "at-least-once needs it: without it the broker falls back to at most once"
        assert topology.DELIVERY_LIMIT >= 20


@pytest.mark.parametrize("queue", REPLICA_QUEUES, ids=lambda queue: queue.name)
async def test_a_replicas_queue_is_its_own_and_gone_with_it(
    link: BrokerLink, amqp_url: str, rabbitmq_server: RabbitmqServer, queue: topology.Queue
) -> None:
    await declare_topology(link)
    async with management(rabbitmq_server, amqp_url) as broker:
        own = await aio_pika.connect(amqp_url)
        await declare_queue(await own.channel(), queue, replica="first")
        name = f"{queue.name}.first"

        queues = by_name(await broker.queues(), "type", "durable", "exclusive", "arguments")
        assert queues[name] == ("classic", False, True, queue.arguments)
        bindings = {(b["source"], b["routing_key"], b["destination"]) for b in await broker.bindings()}
        assert bindings - expected_bindings() == {("events", key, name) for key in REPLICA_QUEUES[queue]}

        await own.close()
        assert name not in by_name(await broker.queues())


async def test_a_queue_with_any_other_argument_stops_the_start(link: BrokerLink, amqp_url: str, rabbitmq_server: RabbitmqServer) -> None:
    words = {"x-overflow": "drop-head", "x-dead-letter-strategy": "at-most-once"}
    async with management(rabbitmq_server, amqp_url) as broker:
        for argument, value in PAYMENTS_COMMANDS.arguments.items():
            other: dict[str, Any] = dict(PAYMENTS_COMMANDS.arguments)
            other[argument] = words.get(argument, 7 if isinstance(value, int) else "other")
            if argument == "x-queue-type":
                other = {"x-queue-type": "classic"}
            channel = await (await link.connection(5)).channel()
            await channel.declare_queue(PAYMENTS_COMMANDS.name, durable=True, arguments=other)

            with pytest.raises(ChannelPreconditionFailed, match=PAYMENTS_COMMANDS.name):
                await declare_topology(link)
            assert link.is_up
            await broker.delete_queue(PAYMENTS_COMMANDS.name)
    await declare_topology(link)


def test_the_readme_shows_the_road_as_it_is() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "deploy.road"], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60
    ).stdout.rstrip("\n")
    readme = road.README.read_text(encoding="utf-8")

    assert printed == road.picture()
    between = readme.partition(road.BEGIN)[2].partition(road.END)[0]
    assert between.strip() == f"```text\n{printed}\n```", "python -m deploy.road --write brings it up to date"
    assert road.written_into(readme) == readme


def test_the_picture_shows_every_service_exchange_queue_and_message() -> None:
    picture = road.picture()

    for route in ROUTES:
        assert route.key in picture
        assert f"{', '.join(route.producers)} ──▶ ({route.exchange.name})" in picture
    for queue in topology.durable_queues():
        assert queue.name in picture or queue.name.endswith(".dead")
    for exchange in topology.EXCHANGES:
        assert exchange.name in picture
    assert max(map(len, picture.splitlines())) <= 140


@pytest.mark.parametrize("text", ["", road.BEGIN, f"{road.END}{road.BEGIN}", f"{road.BEGIN}{road.END}" * 2])
def test_a_page_without_one_pair_of_markers_is_left_alone(text: str) -> None:
    with pytest.raises(ValueError, match="needs one"):
        road.written_into(text)
