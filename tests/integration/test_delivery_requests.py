"""Questions and commands over a real broker: an answer, or by the deadline the truth about why there is none."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from pydantic import TypeAdapter

from shared.contracts.queries import GetTransfer, HealthView, TransferView
from shared.contracts.topology import PAYMENTS_COMMANDS, WALLET_QUERIES, Queue
from shared.delivery.errors import BrokerUnavailable, Busy, NoAnswer, Unroutable
from shared.delivery.requests import Requests
from tests.integration.delivery_world import World, delivery_world, eventually
from tests.integration.test_delivery_publisher import command
from tests.management import management

ANSWERS: TypeAdapter[TransferView] = TypeAdapter(TransferView)
Answer = Callable[[AbstractIncomingMessage], bytes | None]


@pytest.fixture
async def world(amqp_url: str) -> AsyncIterator[World]:
    async with delivery_world(amqp_url) as world:
        yield world


@pytest.fixture
def requests(world: World) -> Requests:
    return Requests(world.link, app_id="gateway")


def question(number: int = 1) -> GetTransfer:
    return GetTransfer(correlation_id=f"request-{number}", reference=f"mock:ch_{number}")


def posted(message: AbstractIncomingMessage) -> bytes:
    reference = json.loads(message.body)["reference"]
    return TransferView(reference=reference, posted=True).model_dump_json().encode()


class Answering:
    """Answers what comes to a queue, directly at the broker, by `answer`; None is silence."""

    def __init__(self, channel: AbstractChannel, answer: Answer) -> None:
        self.seen: list[AbstractIncomingMessage] = []
        self.answer = answer
        self._channel = channel

    async def start(self, queue: Queue = WALLET_QUERIES) -> Answering:
        await (await self._channel.get_queue(queue.name, ensure=False)).consume(self._on_question, no_ack=True)
        return self

    async def _on_question(self, message: AbstractIncomingMessage) -> None:
        self.seen.append(message)
        body = self.answer(message)
        if body is not None:
            await self.reply(message, body)

    async def reply(self, message: AbstractIncomingMessage, body: bytes) -> None:
        assert message.reply_to
        await self._channel.default_exchange.publish(aio_pika.Message(body, correlation_id=message.correlation_id), message.reply_to)


async def test_a_question_gets_its_answer_and_travels_as_a_question_does(world: World, requests: Requests) -> None:
    wallet = await Answering(world.channel, posted).start()
    sent = question()

    assert await requests.ask(sent, ANSWERS, timeout_seconds=10) == TransferView(reference="mock:ch_1", posted=True)
    (message,) = wallet.seen
    assert GetTransfer.model_validate_json(message.body) == sent
    assert message.message_id == str(sent.message_id)
    assert message.type == message.routing_key == "get-transfer.v1"
    assert message.app_id == "gateway"
    assert message.delivery_mode == aio_pika.DeliveryMode.NOT_PERSISTENT
    assert message.expiration == pytest.approx(10, abs=2)
    assert message.timestamp is not None


async def test_a_command_outlives_the_wait_for_its_answer(world: World, requests: Requests) -> None:
    with pytest.raises(NoAnswer):
        await requests.ask(command(), ANSWERS, timeout_seconds=0.2)

    (message,) = await world.take(PAYMENTS_COMMANDS)
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert message.expiration is None


async def test_a_question_dies_with_its_deadline_at_the_broker(world: World, requests: Requests) -> None:
    with pytest.raises(NoAnswer):
        await requests.ask(question(), ANSWERS, timeout_seconds=0.2)

    async def gone() -> bool:
        return await world.ready(WALLET_QUERIES) == 0

    await eventually(gone, "nobody is asked any more", 10)


async def test_many_in_flight_get_each_their_own_answer_in_any_order(world: World, requests: Requests) -> None:
    waiting: list[AbstractIncomingMessage] = []
    wallet = await Answering(world.channel, lambda message: waiting.append(message)).start()
    asking = [asyncio.create_task(requests.ask(question(number), ANSWERS, timeout_seconds=30)) for number in range(500)]
    await eventually(lambda: len(waiting) == 500, "all asked before the first answer")
    for message in reversed(waiting):
        await wallet.reply(message, posted(message))

    answers = await asyncio.gather(*asking)
    assert [answer.reference for answer in answers] == [f"mock:ch_{number}" for number in range(500)]


async def test_silence_is_no_answer_at_the_deadline(world: World, requests: Requests) -> None:
    await Answering(world.channel, lambda message: None).start()
    begun = time.monotonic()
    with pytest.raises(NoAnswer):
        await requests.ask(question(), ANSWERS, timeout_seconds=0.3)
    assert 0.25 < time.monotonic() - begun < 3


async def test_a_late_answer_is_ignored_and_not_taken_for_the_next(world: World, requests: Requests) -> None:
    wallet = await Answering(world.channel, lambda message: None).start()
    with pytest.raises(NoAnswer):
        await requests.ask(question(1), ANSWERS, timeout_seconds=0.2)
    late = wallet.seen[0]
    wallet.answer = posted
    await wallet.reply(late, posted(late))
    await wallet.reply(late, posted(late))

    assert (await requests.ask(question(2), ANSWERS, timeout_seconds=10)).reference == "mock:ch_2"
    assert requests._waiting == {}


async def test_an_answer_that_comes_twice_counts_once(world: World, requests: Requests) -> None:
    wallet = await Answering(world.channel, lambda message: None).start()
    asking = asyncio.create_task(requests.ask(question(), ANSWERS, timeout_seconds=10))
    await eventually(lambda: bool(wallet.seen), "asked")
    for _ in range(2):
        await wallet.reply(wallet.seen[0], posted(wallet.seen[0]))
    assert (await asking).posted


@pytest.mark.parametrize("body", [b"", b"garble", HealthView(service="wallet", ready=True, checks={}).model_dump_json().encode()])
async def test_an_answer_that_does_not_fit_is_no_answer(body: bytes, world: World, requests: Requests) -> None:
    await Answering(world.channel, lambda message: body).start()
    with pytest.raises(NoAnswer):
        await requests.ask(question(), ANSWERS, timeout_seconds=10)


async def test_too_many_questions_are_busy_at_once(world: World) -> None:
    requests = Requests(world.link, app_id="gateway", max_in_flight=2)
    asking = [asyncio.create_task(requests.ask(question(), ANSWERS, timeout_seconds=0.5)) for _ in range(2)]
    await asyncio.sleep(0)
    begun = time.monotonic()
    with pytest.raises(Busy):
        await requests.ask(question(), ANSWERS, timeout_seconds=10)
    assert time.monotonic() - begun < 0.4
    assert {type(result) for result in await asyncio.gather(*asking, return_exceptions=True)} == {NoAnswer}

    await Answering(world.channel, posted).start()
    await requests.ask(question(), ANSWERS, timeout_seconds=10)


async def test_a_missing_queue_is_unroutable_at_once(world: World, requests: Requests, rabbitmq_server: Any) -> None:
    async with management(rabbitmq_server, world.amqp_url) as broker:
        await broker.delete_queue(WALLET_QUERIES.name)
    with pytest.raises(Unroutable):
        await requests.ask(question(), ANSWERS, timeout_seconds=10)


async def test_a_broker_that_is_gone_is_unavailable_and_nothing_has_left(world: World, requests: Requests) -> None:
    await world.proxy.cut()
    await eventually(lambda: not world.link.is_up, "down")
    begun = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        await requests.ask(question(), ANSWERS, timeout_seconds=10)
    assert time.monotonic() - begun < 3
    assert await world.ready(WALLET_QUERIES) == 0


async def test_a_deadline_shorter_than_the_wait_for_the_broker_is_kept(world: World, requests: Requests) -> None:
    await world.proxy.cut()
    await eventually(lambda: not world.link.is_up, "down")
    begun = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        await requests.ask(question(), ANSWERS, timeout_seconds=0.1)
    assert time.monotonic() - begun < 0.8


@pytest.mark.filterwarnings("error")
async def test_losing_the_broker_ends_every_wait_at_once_and_asking_again_works(
    world: World, requests: Requests, caplog: pytest.LogCaptureFixture
) -> None:
    """Direct reply-to ends with its channel: an answer could not come any more."""
    wallet = await Answering(world.channel, lambda message: None).start()
    asking = [asyncio.create_task(requests.ask(question(number), ANSWERS, timeout_seconds=30)) for number in range(20)]
    await eventually(lambda: len(wallet.seen) == 20, "all asked")
    begun = time.monotonic()
    await world.lose_and_regain()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert time.monotonic() - begun < 10
    assert {type(result) for result in results} == {NoAnswer}

    wallet.answer = posted
    assert (await requests.ask(question(), ANSWERS, timeout_seconds=10)).posted
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_losing_the_broker_in_the_middle_of_handing_over_leaves_no_stray_errors(
    world: World, requests: Requests, caplog: pytest.LogCaptureFixture
) -> None:
    await Answering(world.channel, posted).start()
    await requests.ask(question(), ANSWERS, timeout_seconds=10)
    world.proxy.hang()
    asking = [asyncio.create_task(requests.ask(question(number), ANSWERS, timeout_seconds=30)) for number in range(20)]
    await asyncio.sleep(0.05)
    await world.proxy.cut()
    assert {type(result) for result in await asyncio.gather(*asking, return_exceptions=True)} <= {NoAnswer, BrokerUnavailable}
    del asking
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_a_hung_broker_is_no_answer_in_our_own_time(world: World, requests: Requests) -> None:
    await Answering(world.channel, posted).start()
    await requests.ask(question(), ANSWERS, timeout_seconds=10)
    world.proxy.hang()
    begun = time.monotonic()
    with pytest.raises(NoAnswer):
        await requests.ask(question(), ANSWERS, timeout_seconds=0.5)
    assert time.monotonic() - begun < 3


async def test_a_hung_broker_keeps_nobody_waiting_in_line_for_a_channel(world: World, requests: Requests) -> None:
    world.proxy.hang()
    begun = time.monotonic()
    asking = [requests.ask(question(number), ANSWERS, timeout_seconds=0.5) for number in range(20)]
    assert {type(result) for result in await asyncio.gather(*asking, return_exceptions=True)} == {BrokerUnavailable}
    assert time.monotonic() - begun < 3


async def test_who_stops_waiting_leaves_nothing_behind(world: World, requests: Requests) -> None:
    wallet = await Answering(world.channel, lambda message: None).start()
    asking = asyncio.create_task(requests.ask(question(), ANSWERS, timeout_seconds=10))
    await eventually(lambda: bool(wallet.seen), "asked")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert requests._waiting == {}
