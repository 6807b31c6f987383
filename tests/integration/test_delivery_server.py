"""Commands and questions by FastStream over a real broker: answered, then acknowledged; what fails is tried again or told, never lost."""

from __future__ import annotations

import asyncio
from typing import Any

import aio_pika
import pytest

from shared.contracts.payment_commands import CompleteMockSession, CreateDeposit
from shared.contracts.queries import GetBalances
from shared.contracts.topology import MAX_ATTEMPTS, PAYMENTS_COMMANDS
from shared.delivery.errors import Busy, NoAnswer, NotYet, Permanent
from shared.delivery.publisher import Publisher
from shared.delivery.requests import Requests
from tests.integration.delivery_world import World, eventually
from tests.integration.server_world import ANSWERS, DONE, Handler, serving, settled, settled_by_the_next
from tests.integration.server_world import fast_delays as fast_delays
from tests.integration.server_world import handler as handler
from tests.integration.server_world import plain_tracebacks as plain_tracebacks
from tests.integration.server_world import requests as requests
from tests.integration.server_world import world as world
from tests.integration.test_delivery_publisher import command
from tests.integration.test_delivery_requests import question


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


async def test_a_failing_command_is_retried_later_and_then_done(
    world: World, handler: Handler, fast_delays: None, capsys: pytest.CaptureFixture[str]
) -> None:
    handler.fail(ValueError("a bug"), times=3)
    async with serving(world, handler):
        await world.publisher.publish(command())
        await eventually(lambda: handler.calls == 4, "done at last")
    assert capsys.readouterr().out.count("message failed") == 3
    await settled(world)


async def test_the_first_retry_waits_in_the_delay_queue_with_its_history(
    world: World, handler: Handler, capsys: pytest.CaptureFixture[str]
) -> None:
    handler.fail(NotYet("its payment is on its way"))
    sent = command()
    async with serving(world, handler):
        await world.publisher.publish(sent)
        (waiting,) = await world.take("retry.1s")
    assert CreateDeposit.model_validate_json(waiting.body) == sent
    assert waiting.routing_key == PAYMENTS_COMMANDS.name
    assert waiting.type == sent.type
    assert waiting.correlation_id == sent.correlation_id
    assert (waiting.headers["x-attempts"], waiting.headers["x-waits"]) == (0, 1)
    assert waiting.headers["x-reason"] == "NotYet: its payment is on its way"
    said = capsys.readouterr().out
    assert "message will be tried again" in said
    assert "message failed" not in said, "to wait is no failure"
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
