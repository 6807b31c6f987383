"""The traps of the libraries that architecture knows of: each shown with the library's default failing, beside ours that does not.

When an upgrade makes a default safe, its half of the test here fails: then the workaround may go.
Not here: a quorum queue that is declared less than a second before the broker is killed can be lost. It takes a node of its own, and it is
a matter of luck; deploy.prepare declares before the services start, and the chaos tests kill a broker that was so prepared.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import aio_pika
import asyncpg
import pytest
from aio_pika import DeliveryMode
from aio_pika.abc import AbstractIncomingMessage, DateType
from aio_pika.exceptions import DeliveryError as AmqpDeliveryError
from aiormq import Connection as AmqpConnection
from faststream.rabbit import QueueType, RabbitBroker, RabbitQueue

from shared import postgres
from shared.contracts.queries import GetTransfer, TransferView
from shared.contracts.topology import DEAD_LETTERS, DELIVERY_LIMIT, PAYMENTS_COMMANDS, WALLET_PAYMENT_COMPLETED, Queue
from shared.delivery.consumer import BatchConsumer
from shared.delivery.declare import declare_queue
from shared.delivery.errors import NotConfirmed, Unroutable
from shared.delivery.publisher import Publisher
from shared.delivery.requests import Requests
from shared.delivery.server import make_broker, of, serve
from tests.integration.consumer_world import Handler
from tests.integration.delivery_world import World, delivery_world, events, eventually
from tests.integration.delivery_world import sooner_noticed as sooner_noticed
from tests.integration.test_delivery_publisher import command, publish_raw
from tests.integration.test_delivery_requests import ANSWERS, Answering, posted, question
from tests.tcp_proxy import tcp_proxy

PATIENCE_SECONDS = 0.7
"""How long a default is watched waiting, where it would wait for minutes or for ever."""


@pytest.fixture
async def world(amqp_url: str) -> AsyncIterator[World]:
    async with delivery_world(amqp_url, heartbeat_seconds=1, confirm_timeout_seconds=0.5) as world:
        yield world


@pytest.fixture
async def faststream(world: World) -> AsyncIterator[RabbitBroker]:
    """FastStream as it comes, on a heartbeat that makes hung lines end soon."""
    broker = RabbitBroker(f"{world.proxied_url}?heartbeat=1", logger=None)
    await broker.connect()
    yield broker
    if world.proxy.hangs:
        await world.proxy.cut()
    await broker.stop()


async def still_waits(waiting: Awaitable[Any], seconds: float = PATIENCE_SECONDS) -> bool:
    """True when it is not over after that time; it is then given up."""
    task = asyncio.ensure_future(waiting)
    _, pending = await asyncio.wait({task}, timeout=seconds)
    if pending:
        task.cancel()
        await asyncio.wait({task}, timeout=0.5)
    else:
        task.exception()
    return bool(pending)


# Publishing


async def test_faststreams_messages_are_not_persistent(world: World, faststream: RabbitBroker) -> None:
    """The default mode is transient: a durable classic queue would lose it with the broker. Ours says persistent each time."""
    await world.channel.declare_queue("somewhere", durable=True)
    await faststream.publish({"a": 1}, queue="somewhere")
    await publish_raw(world.publisher, "", "somewhere")

    default, ours = await world.take("somewhere", 2)
    assert default.delivery_mode != DeliveryMode.PERSISTENT
    assert ours.delivery_mode == DeliveryMode.PERSISTENT


async def test_an_unroutable_message_looks_like_success(world: World, faststream: RabbitBroker) -> None:
    """mandatory=True is the default of both libraries; the returned message is handed back as if it were the confirmation."""
    await faststream.publish({"a": 1}, queue="nowhere")
    await world.channel.default_exchange.publish(aio_pika.Message(b"{}"), "nowhere")

    with pytest.raises(Unroutable):
        await publish_raw(world.publisher, "", "nowhere")


async def test_faststreams_publish_timeout_is_not_kept(world: World, faststream: RabbitBroker) -> None:
    """RabbitPublishCommand keeps `timeout` and does not put it among the options that reach aio-pika (faststream 0.7.8)."""
    await world.channel.declare_queue("somewhere", durable=True)
    await faststream.publish({"a": 1}, queue="somewhere")
    await publish_raw(world.publisher, "", "somewhere")
    world.proxy.hang()

    assert await still_waits(faststream.publish({"a": 1}, queue="somewhere", timeout=0.1))
    begun = time.monotonic()
    with pytest.raises(NotConfirmed):
        await publish_raw(world.publisher, "", "somewhere")
    assert time.monotonic() - begun < 3


async def test_a_stuck_broker_surfaces_as_a_cancellation_of_nobodys(sooner_noticed: None, world: World) -> None:
    """(heartbeat + 1) * 3 seconds after the last frame the library gives up: about 20 s with a heartbeat of 5 s, 4 s here. Whoever waits
    for a confirm then gets a CancelledError, though nobody cancelled anything; `except Exception` does not see it."""
    connection = await aio_pika.connect(f"{world.proxied_url}?heartbeat=1")
    channel = await connection.channel()
    await channel.declare_queue("somewhere", durable=True)
    patient = Publisher(world.link, app_id="test", confirm_timeout_seconds=60)
    await publish_raw(patient, "", "somewhere")
    world.proxy.hang()

    default = asyncio.create_task(_publish(channel))
    ours = asyncio.create_task(publish_raw(patient, "", "somewhere"))
    assert not await still_waits(asyncio.wait({default, ours}), 30)
    assert default.cancelled()
    assert isinstance(ours.exception(), NotConfirmed), "told in our own words, even where our own time was too long"
    await connection.close()


async def _publish(channel: aio_pika.abc.AbstractChannel) -> None:
    await channel.default_exchange.publish(aio_pika.Message(b"{}"), "somewhere")


async def test_the_default_heartbeat_takes_three_minutes_to_notice_a_hung_broker(world: World) -> None:
    connection = await aio_pika.connect(world.amqp_url)
    ours = await (await world.new_link()).connection(5)

    assert _seconds_to_notice(connection) == 183
    assert _seconds_to_notice(ours) == 18
    await connection.close()


def _seconds_to_notice(connection: Any) -> int:
    underlay = connection.transport.connection
    assert isinstance(underlay, AmqpConnection)
    return (underlay.connection_tune.heartbeat + 1) * AmqpConnection.HEARTBEAT_GRACE_MULTIPLIER


# Consuming


async def test_faststream_drops_a_failed_message(world: World) -> None:
    """AckPolicy.REJECT_ON_ERROR is the default: without a dead-letter exchange the broker throws the rejected message away."""
    broker = RabbitBroker(world.amqp_url, logger=None)
    seen: list[Any] = []

    @broker.subscriber(RabbitQueue("fragile", queue_type=QueueType.QUORUM, durable=True))
    async def on_message(body: dict[str, int]) -> None:
        seen.append(body)
        raise ValueError("a bug")

    await broker.start()
    await world.channel.default_exchange.publish(aio_pika.Message(b'{"a": 1}', content_type="application/json"), "fragile")
    await eventually(lambda: bool(seen), "handled")
    await asyncio.sleep(0.2)
    await broker.stop()
    assert await world.ready("fragile") == 0, "gone"
    assert len(seen) == 1

    ours = make_broker(world.amqp_url, app_id="test", name="ours")
    router, commands = serve(PAYMENTS_COMMANDS, world.publisher)

    @commands(filter=of(type(command())))
    async def on_command(message: dict[str, Any]) -> None:
        raise ValueError("a bug")

    ours.include_router(router)
    await ours.start()
    await world.publisher.publish(command())
    (kept,) = await world.take("retry.1s")
    assert kept.headers["x-reason"] == "ValueError: a bug"
    await ours.stop()


async def test_faststreams_request_serves_one_caller_at_a_time(world: World, faststream: RabbitBroker) -> None:
    """A lock spans question and answer: one slow answer holds everyone up. Ours has any number in flight."""
    waiting: list[AbstractIncomingMessage] = []

    def keep(message: AbstractIncomingMessage) -> None:
        waiting.append(message)

    await world.channel.declare_queue("questions", durable=True)
    await (await world.channel.get_queue("questions")).consume(_async(keep), no_ack=True)
    asking = [asyncio.create_task(faststream.request({"n": n}, queue="questions", timeout=PATIENCE_SECONDS)) for n in range(3)]
    await asyncio.sleep(PATIENCE_SECONDS / 2)
    assert len(waiting) == 1
    await asyncio.gather(*asking, return_exceptions=True)

    wallet = await Answering(world.channel, lambda message: None).start()
    requests = Requests(world.link, app_id="gateway")
    ours = [asyncio.create_task(requests.ask(question(n), ANSWERS, timeout_seconds=20)) for n in range(3)]
    await eventually(lambda: len(wallet.seen) == 3, "all asked at once")
    for message in wallet.seen:
        await wallet.reply(message, posted(message))
    assert [type(answer) for answer in await asyncio.gather(*ours)] == [TransferView] * 3
    assert wallet.seen[0].type == GetTransfer.TYPE


def _async(function: Callable[[AbstractIncomingMessage], None]) -> Callable[[AbstractIncomingMessage], Awaitable[None]]:
    async def call(message: AbstractIncomingMessage) -> None:
        function(message)

    return call


async def test_a_small_delivery_limit_kills_innocent_messages_of_a_killed_consumer(world: World) -> None:
    """Every kill counts against the whole prefetch, worked on or not. Ours: a high limit, and an attempt counter of our own that decides
    first; test_delivery_consumer kills a consumer twenty times."""
    arguments: dict[str, Any] = {"x-queue-type": "quorum", "x-delivery-limit": 2}
    await world.channel.declare_queue("small-limit", durable=True, arguments=arguments)
    for _ in range(10):
        await world.channel.default_exchange.publish(aio_pika.Message(b"innocent"), "small-limit")
    for _ in range(3):
        await _prefetch_and_die(world, "small-limit", 10)

    async def all_gone() -> bool:
        return await world.ready("small-limit") == 0

    await eventually(all_gone, "all ten are lost, and none was ever worked on")

    await world.send(*events(range(1, 11)))
    for _ in range(3):
        await _prefetch_and_die(world, WALLET_PAYMENT_COMPLETED.name, 1)
    handler = Handler()
    consumer = BatchConsumer(world.link, WALLET_PAYMENT_COMPLETED, handler, world.publisher)
    await consumer.start()
    await eventually(lambda: handler.done == list(range(1, 11)), "all ten worked on")
    await consumer.stop()
    assert DELIVERY_LIMIT >= 20


async def _prefetch_and_die(world: World, queue: str, messages: int) -> None:
    async with tcp_proxy(world.amqp_url) as (proxy, url):
        connection = await aio_pika.connect(url)
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=200)
        arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        await (await channel.get_queue(queue, ensure=False)).consume(arrived.put)
        async with asyncio.timeout(20):
            for _ in range(messages):
                await arrived.get()
        await proxy.cut()
        await connection.close()


# Dead letters and delays, RabbitMQ's own


async def test_the_brokers_dead_lettering_loses_what_its_target_does_not_take(world: World) -> None:
    """At most once by default: a target that is missing or full loses the message. At least once (which needs reject-publish) keeps it in
    the source, where it counts: so a queue whose dead letters go nowhere fills up and refuses, and loses nothing."""
    lost = await _publish_and_reject(world, "at-most-once")
    kept = await _publish_and_reject(world, "at-least-once")

    assert lost == 20, "all were taken, all are gone"
    assert kept < 20, "it refused more when it held three"
    for queue in (WALLET_PAYMENT_COMPLETED, PAYMENTS_COMMANDS):
        assert queue.arguments["x-dead-letter-strategy"] == "at-least-once"
        assert queue.arguments["x-overflow"] == "reject-publish"
        assert queue.arguments["x-dead-letter-exchange"] == DEAD_LETTERS.name


async def _publish_and_reject(world: World, strategy: str) -> int:
    arguments: dict[str, Any] = {
        "x-queue-type": "quorum",
        "x-max-length": 3,
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "missing",
    }
    if strategy == "at-least-once":
        arguments["x-dead-letter-strategy"] = strategy
    queue = await world.channel.declare_queue(strategy, durable=True, arguments=arguments)
    taken = 0
    for _ in range(20):
        try:
            await world.channel.default_exchange.publish(aio_pika.Message(b"{}"), strategy)
        except AmqpDeliveryError:
            break
        taken += 1
        message = await queue.get(timeout=10)
        assert message is not None
        await message.reject(requeue=False)
        await asyncio.sleep(0.02)
    return taken


async def test_a_long_time_to_live_blocks_the_short_ones_behind_it(world: World) -> None:
    """Only the head of a queue expires. Ours: a queue a delay, each with one time to live for all."""
    await world.channel.declare_queue("back", durable=True)
    arguments: dict[str, Any] = {"x-queue-type": "quorum", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "back"}
    await world.channel.declare_queue("mixed", durable=True, arguments=arguments)
    for seconds in (60.0, 0.03):
        await _send_expiring(world, "mixed", seconds)
    await asyncio.sleep(PATIENCE_SECONDS)
    assert await world.ready("back") == 0
    assert await world.ready("mixed") == 2

    for name, ttl_ms in (("retry.slow", 60_000), ("retry.fast", 30)):
        await world.channel.declare_exchange(name, aio_pika.ExchangeType.FANOUT, durable=True)
        await declare_queue(world.channel, Queue(name, "payments", "a delay", "delay", ttl_ms=ttl_ms))
        await publish_raw(world.publisher, name, "back", name.encode())
    (returned,) = await world.take("back")
    assert returned.body == b"retry.fast"
    assert await world.ready("retry.slow") == 1


async def _send_expiring(world: World, queue: str, seconds: DateType) -> None:
    await world.channel.default_exchange.publish(aio_pika.Message(b"{}", expiration=seconds), queue)


# PostgreSQL


async def test_asyncpgs_acquire_has_no_timeout(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "ACQUIRE_TIMEOUT_SECONDS", 0.2)
    default = await asyncpg.create_pool(fresh_database_url, min_size=1, max_size=1)
    ours = await postgres.create_pool(fresh_database_url, size=1, application_name="test traps")
    async with default.acquire(), ours.acquire():
        assert await still_waits(_acquire(default))
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            async with postgres.transaction(ours):
                pytest.fail("nobody gave it back")
        assert time.monotonic() - begun < 3
    await default.close()
    await postgres.close_pool(ours)


async def _acquire(pool: postgres.Pool) -> None:
    async with pool.acquire():
        pass


async def test_asyncpgs_teardown_is_unbounded_without_a_command_timeout(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that hangs: the query, giving the connection back (it resets it) and closing the pool all wait for ever."""
    monkeypatch.setattr(postgres, "ACQUIRE_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(postgres, "COMMAND_TIMEOUT_SECONDS", 0.3)
    async with tcp_proxy(fresh_database_url) as (proxy, url):
        default = await asyncpg.create_pool(url, min_size=1, max_size=1)
        ours = await postgres.create_pool(url, size=1, application_name="test traps")
        for pool in (default, ours):
            assert await pool.fetchval("select 1") == 1
        proxy.hang()

        assert await still_waits(default.fetchval("select 1"))
        assert await still_waits(default.close())
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            await _query(ours)
        await postgres.close_pool(ours, timeout_seconds=0.3)
        assert time.monotonic() - begun < 5
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            default.terminate()


async def _query(pool: postgres.Pool) -> None:
    async with postgres.connection(pool) as db:
        await db.execute("select 1")


async def test_a_statement_that_runs_on_is_ended_by_the_server_too(fresh_database_url: str) -> None:
    """Our command timeout ends the wait; the server's own ends the work, also when we are gone."""
    pool = await postgres.create_pool(fresh_database_url, size=1, application_name="test traps")
    async with postgres.connection(pool) as db:
        settings = {
            name: await db.fetchval("select current_setting($1)", name)
            for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "TimeZone")
        }
    await postgres.close_pool(pool)
    assert settings == {"statement_timeout": "9s", "lock_timeout": "8s", "idle_in_transaction_session_timeout": "30s", "TimeZone": "UTC"}


def test_faststreams_fastapi_plugin_is_deprecated() -> None:
    """So gateway uses no FastStream at all, and the others start the broker themselves."""
    module = importlib.import_module("faststream.rabbit.fastapi")

    with pytest.warns(DeprecationWarning, match="faststream_fastapi"):
        importlib.reload(module)
