"""Commands and questions by FastStream over a real broker: answered, then acknowledged; what fails is tried again or told, never lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest
import structlog
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from faststream.rabbit import RabbitBroker
from pydantic import TypeAdapter

from shared.contracts.payment_commands import CompleteMockSession, CreateDeposit
from shared.contracts.queries import GetBalances, GetTransfer, TransferView
from shared.contracts.topology import MAX_ATTEMPTS, PAYMENTS_COMMANDS, WALLET_QUERIES, Exchange, Queue
from shared.delivery import failures as failures_module
from shared.delivery.declare import declare_queue
from shared.delivery.errors import BrokerUnavailable, Busy, NoAnswer, NotYet, Permanent
from shared.delivery.publisher import Publisher
from shared.delivery.requests import Requests
from shared.delivery.server import consuming, make_broker, of, serve
from tests.integration.delivery_world import World, delivery_world, eventually
from tests.integration.delivery_world import sooner_noticed as sooner_noticed
from tests.integration.test_delivery_publisher import command
from tests.integration.test_delivery_requests import question
from tests.management import management

ANSWERS: TypeAdapter[TransferView] = TypeAdapter(TransferView)
FAST = Queue("retry.fast", "payments", "the delays of these tests", "delay", ttl_ms=30)
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
    """Every delayed retry waits 30 ms, in a queue like the others."""
    monkeypatch.setattr(failures_module, "delay_exchange", lambda seconds: Exchange(FAST.name, "fanout"))


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
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


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


async def test_a_command_is_answered_and_acknowledged(world: World, handler: Handler, requests: Requests) -> None:
    async with serving(world, handler):
        assert await requests.ask(command(), ANSWERS, timeout_seconds=20) == DONE
        assert await requests.ask(question(), ANSWERS, timeout_seconds=20) == DONE
    await settled(world)
    assert handler.calls == 2


async def test_a_command_without_a_way_to_answer_is_done_all_the_same(world: World, handler: Handler) -> None:
    async with serving(world, handler):
        await world.publisher.publish(command())
        await eventually(lambda: handler.calls == 1, "handled")
    await settled(world)


async def test_many_are_worked_on_at_once_up_to_the_prefetch(world: World, handler: Handler, requests: Requests) -> None:
    gate = asyncio.Event()

    async def rule(call: int) -> None:
        await gate.wait()

    handler.rule = rule
    async with serving(world, handler):
        asking = [asyncio.create_task(requests.ask(command(), ANSWERS, timeout_seconds=30)) for _ in range(PAYMENTS_COMMANDS.prefetch + 10)]
        await eventually(lambda: handler.at_once == PAYMENTS_COMMANDS.prefetch, "as many as the prefetch")
        await asyncio.sleep(0.1)
        gate.set()
        assert await asyncio.gather(*asking) == [DONE] * len(asking)
    assert handler.most_at_once == PAYMENTS_COMMANDS.prefetch
    await settled(world)


async def test_an_answer_that_could_not_leave_leaves_the_command_unacknowledged(world: World, handler: Handler, requests: Requests) -> None:
    """The answer goes first: were it the other way round, the line breaking here would lose the command."""

    async def rule(call: int) -> None:
        if call == 1:
            await world.lose_and_regain()

    handler.rule = rule
    async with serving(world, handler):
        assert await requests.ask(command(), ANSWERS, timeout_seconds=30) == DONE
    assert handler.calls >= 2
    await settled_by_the_next(world, handler)


async def test_an_answer_that_nobody_waits_for_any_more_is_no_failure(world: World, handler: Handler, requests: Requests) -> None:
    release = asyncio.Event()

    async def rule(call: int) -> None:
        await release.wait()

    handler.rule = rule
    async with serving(world, handler):
        with pytest.raises(NoAnswer):
            await requests.ask(command(), ANSWERS, timeout_seconds=0.2)
        release.set()
        await eventually(lambda: handler.at_once == 0, "done")
        gone = Requests(link := await world.new_link("gone", direct=True), app_id="gateway")
        release.clear()
        asking = asyncio.create_task(gone.ask(command(), ANSWERS, timeout_seconds=20))
        await eventually(lambda: handler.calls == 2, "asked")
        await link.close()
        release.set()
        with pytest.raises(NoAnswer):
            await asking
        await eventually(lambda: handler.at_once == 0, "done")
    await settled(world)
    assert handler.calls == 2


# Failures


async def test_a_failing_command_is_retried_later_and_then_done(world: World, handler: Handler, fast_delays: None) -> None:
    handler.fail(ValueError("a bug"), times=3)
    async with serving(world, handler):
        await world.publisher.publish(command())
        await eventually(lambda: handler.calls == 4, "done at last")
    await settled(world)


async def test_the_first_retry_waits_in_the_delay_queue_with_its_history(world: World, handler: Handler) -> None:
    handler.fail(NotYet("its payment is on its way"))
    sent = command()
    async with serving(world, handler):
        await world.publisher.publish(sent)
        (waiting,) = await world.take("retry.1s")
    assert CreateDeposit.model_validate_json(waiting.body) == sent
    assert waiting.routing_key == PAYMENTS_COMMANDS.name
    assert waiting.type == sent.type
    assert waiting.correlation_id == sent.correlation_id
    assert waiting.headers["x-attempts"] == 1
    assert waiting.headers["x-reason"] == "NotYet: its payment is on its way"
    await settled(world)


async def test_a_command_that_always_fails_is_dead_with_reason_and_attempts(world: World, handler: Handler, fast_delays: None) -> None:
    handler.fail(ValueError("a bug"))
    sent = command()
    async with serving(world, handler):
        await world.publisher.publish(sent)
        (dead,) = await world.take(PAYMENTS_COMMANDS.dead_name)
    assert handler.calls == MAX_ATTEMPTS
    assert CreateDeposit.model_validate_json(dead.body) == sent
    assert dead.headers["x-attempts"] == MAX_ATTEMPTS
    assert dead.headers["x-reason"] == "ValueError: a bug"
    await settled(world)


async def test_a_permanent_failure_is_dead_at_once(world: World, handler: Handler) -> None:
    handler.fail(Permanent("no such thing"))
    async with serving(world, handler):
        await world.publisher.publish(command())
        (dead,) = await world.take(PAYMENTS_COMMANDS.dead_name)
    assert handler.calls == 1
    assert dead.headers["x-reason"] == "Permanent: no such thing"


UNREADABLE: list[tuple[bytes, str | None]] = [
    (b"", "create-deposit.v1"),
    (b"\xff\xfe", "create-deposit.v1"),
    (b"{}", "create-deposit.v1"),
    (b"[1, 2]", "create-deposit.v1"),
    (b"null", "create-deposit.v1"),
    (b'{"type": "create-deposit.v2"}', "create-deposit.v1"),
    (b'{"of": 1}', "invented.v1"),
    (b'{"of": 2}', None),
    (b'{"of": 3}', CompleteMockSession.TYPE),
    (b'{"user_id": "private@example.org"}', "create-deposit.v1"),
]


async def test_what_cannot_be_read_is_dead_at_once_and_holds_nobody_up(world: World, handler: Handler, requests: Requests) -> None:
    exchange = await world.channel.get_exchange("commands", ensure=False)
    async with serving(world, handler):
        for body, message_type in UNREADABLE:
            message = aio_pika.Message(body, type=message_type, correlation_id="request-9", content_type="application/json")
            await exchange.publish(message, CreateDeposit.TYPE)
        found = await world.take(PAYMENTS_COMMANDS.dead_name, len(UNREADABLE))
        assert await requests.ask(command(), ANSWERS, timeout_seconds=20) == DONE
    assert sorted(dead.body for dead in found) == sorted(body for body, _ in UNREADABLE)
    for dead in found:
        assert dead.correlation_id == "request-9"
        assert dead.headers["x-attempts"] == 1
        assert str(dead.headers["x-reason"]).startswith("Permanent: cannot be read: ")
        assert "private" not in str(dead.headers["x-reason"])
    assert handler.calls == 1
    await settled(world)


async def test_an_outage_costs_no_attempt(world: World, handler: Handler, fast_delays: None) -> None:
    handler.fail(ConnectionRefusedError("the database is down"), times=MAX_ATTEMPTS * 2)
    async with serving(world, handler):
        await world.publisher.publish(command())
        await eventually(lambda: handler.calls == MAX_ATTEMPTS * 2 + 1, "done when it was back")
    await settled(world)


async def test_a_failed_command_that_cannot_be_sent_on_comes_again_and_is_not_stuck(
    world: World, handler: Handler, fast_delays: None
) -> None:
    class Full(Publisher):
        refusals = 2

        async def publish_bytes(self, body: bytes, **properties: Any) -> None:
            if self.refusals:
                self.refusals -= 1
                raise Busy("the delay queue is full")
            await super().publish_bytes(body, **properties)

    handler.fail(ValueError("a bug"), times=3)
    async with serving(world, handler, Full(world.link, app_id="test")):
        await world.publisher.publish(command())
        await eventually(lambda: handler.calls == 4, "done at last", 20)
    await settled(world)


# Questions


async def test_a_question_that_fails_is_told_in_the_log_and_not_repeated(
    world: World, handler: Handler, requests: Requests, capsys: pytest.CaptureFixture[str]
) -> None:
    handler.fail(ValueError("a bug"))
    async with serving(world, handler):
        with pytest.raises(NoAnswer):
            await requests.ask(question(), ANSWERS, timeout_seconds=0.5)
        await asyncio.sleep(0.2)
        assert handler.calls == 1
        handler.rule = None
        assert await requests.ask(question(), ANSWERS, timeout_seconds=20) == DONE
    said = capsys.readouterr().out
    assert "question not answered" in said
    assert "ValueError: a bug" in said
    await settled(world)


async def test_a_question_that_nobody_knows_is_told_in_the_log(
    world: World, handler: Handler, requests: Requests, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(world, handler):
        with pytest.raises(NoAnswer):
            await requests.ask(GetBalances(correlation_id="request-1", user_ids=("1",)), ANSWERS, timeout_seconds=0.5)
    assert "question not answered" in capsys.readouterr().out
    await settled(world)


# The broker and the end


async def test_a_queue_that_is_not_declared_stops_the_start(world: World, handler: Handler, rabbitmq_server: Any) -> None:
    async with management(rabbitmq_server, world.amqp_url) as broker:
        await broker.delete_queue(WALLET_QUERIES.name)
    with pytest.raises(CONNECTION_EXCEPTIONS):
        async with serving(world, handler):
            pass


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
