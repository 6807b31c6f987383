"""Publishing over a real broker: persistent, mandatory, confirmed in our own time, and every failure by its name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from aio_pika import DeliveryMode

from shared.contracts.payment_commands import CreateDeposit, Idempotency
from shared.contracts.payment_events import PaymentCompleted
from shared.contracts.topology import ENVELOPE_EVENTS, PAYMENTS_COMMANDS, WALLET_PAYMENT_COMPLETED
from shared.delivery import envelopes as envelopes_module
from shared.delivery.errors import BrokerUnavailable, Busy, NotConfirmed, Unroutable
from shared.delivery.publisher import EnvelopePublisher, Publisher
from tests.integration.delivery_world import ROUTE, World, delivery_world, event, events, eventually, numbers_in

QUEUE = WALLET_PAYMENT_COMPLETED


@pytest.fixture
async def world(amqp_url: str) -> AsyncIterator[World]:
    async with delivery_world(amqp_url, confirm_timeout_seconds=1) as world:
        yield world


def command() -> CreateDeposit:
    sameness = Idempotency(caller="user:1", operation="POST /", key_hash=None, fingerprint="0" * 64)
    fields: dict[str, Any] = {"payment_id": UUID(int=1), "user_id": "1", "amount_minor": 1, "currency": "rsd"}
    return CreateDeposit(correlation_id="request-1", idempotency=sameness, deadline=event().completed_at, **fields)


async def publish_raw(publisher: Publisher, exchange: str, routing_key: str, body: bytes = b"{}") -> None:
    await publisher.publish_bytes(
        body, exchange=exchange, routing_key=routing_key, message_type="test", message_id=str(UUID(int=1)), correlation_id=""
    )


async def test_a_message_arrives_persistent_with_all_its_properties(world: World) -> None:
    sent = command()
    await world.publisher.publish(sent, headers={"x-note": "one"})

    (message,) = await world.take(PAYMENTS_COMMANDS)
    assert CreateDeposit.model_validate_json(message.body) == sent
    assert message.delivery_mode == DeliveryMode.PERSISTENT
    assert message.message_id == str(sent.message_id)
    assert message.correlation_id == "request-1"
    assert message.type == message.routing_key == "create-deposit.v1"
    assert message.app_id == "test"
    assert message.content_type == "application/json"
    assert message.timestamp is not None
    assert message.headers["x-note"] == "one"


async def test_what_is_confirmed_is_in_the_queue(world: World) -> None:
    for number in range(1, 6):
        await world.publisher.publish(command())
        assert await world.ready(PAYMENTS_COMMANDS) == number


async def test_a_message_that_no_queue_takes_is_an_error(world: World) -> None:
    with pytest.raises(Unroutable, match="nowhere"):
        await publish_raw(world.publisher, "commands", "nowhere")
    with pytest.raises(Unroutable, match="nowhere"):
        await publish_raw(world.publisher, "", "nowhere")
    await world.publisher.publish(command())  # the channel is as good as before


async def test_an_exchange_that_is_not_there_is_an_error_and_the_next_publish_works(world: World) -> None:
    with pytest.raises(NotConfirmed):
        await publish_raw(world.publisher, "no-such-exchange", "key")
    await world.publisher.publish(command())


async def test_a_full_queue_is_busy_and_takes_again_when_there_is_room(world: World) -> None:
    arguments: dict[str, Any] = {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"}
    queue = await world.channel.declare_queue("small", durable=True, arguments=arguments)

    async def is_full() -> bool:
        try:
            await publish_raw(world.publisher, "", "small")
        except Busy:
            return True
        return False

    # A quorum queue notices its limit a little late, by design.
    await eventually(is_full, "Busy")
    await queue.purge()
    await eventually(lambda: _takes_again(world), "room again")


async def _takes_again(world: World) -> bool:
    try:
        await publish_raw(world.publisher, "", "small")
    except Busy:
        return False
    return True


async def test_a_hung_broker_is_not_confirmed_in_our_own_time(world: World) -> None:
    await world.publisher.publish(command())
    world.proxy.hang()

    begun = time.monotonic()
    results = await asyncio.gather(*(world.publisher.publish(command()) for _ in range(20)), return_exceptions=True)
    assert time.monotonic() - begun < 5
    assert {type(result) for result in results} == {NotConfirmed}


async def test_a_hung_broker_is_unavailable_to_who_has_no_channel_yet(world: World) -> None:
    world.proxy.hang()
    begun = time.monotonic()
    results = await asyncio.gather(*(world.publisher.publish(command()) for _ in range(20)), return_exceptions=True)
    assert {type(result) for result in results} == {BrokerUnavailable}
    assert time.monotonic() - begun < 5, "all at once, not one after the other"


async def test_a_broker_that_is_gone_is_unavailable_quickly_and_good_again_when_it_is_back(world: World) -> None:
    await world.publisher.publish(command())
    await world.proxy.cut()
    await eventually(lambda: not world.link.is_up, "down")

    begun = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        await world.publisher.publish(command())
    assert time.monotonic() - begun < 3

    world.proxy.restore()
    await world.link.connection(30)
    await world.publisher.publish(command())
    assert await world.ready(PAYMENTS_COMMANDS) == 2


async def test_a_line_cut_with_publishes_in_flight_leaves_none_of_them_in_doubt_for_long(world: World) -> None:
    await world.publisher.publish(command())
    world.proxy.hang()
    publishing = [asyncio.create_task(world.publisher.publish(command())) for _ in range(20)]
    await asyncio.sleep(0)
    await world.proxy.cut()

    results = await asyncio.gather(*publishing, return_exceptions=True)
    assert {type(result) for result in results} <= {NotConfirmed, BrokerUnavailable}


async def test_our_own_cancellation_stays_a_cancellation(world: World) -> None:
    await world.publisher.publish(command())
    world.proxy.hang()
    publishing = asyncio.create_task(world.publisher.publish(command()))
    await asyncio.sleep(0.05)
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing


async def test_many_callers_share_one_channel_with_their_confirms_in_flight(world: World) -> None:
    await asyncio.gather(*(world.publisher.publish(command()) for _ in range(300)))

    assert await world.ready(PAYMENTS_COMMANDS) == 300


async def test_one_unroutable_among_many_fails_alone(world: World) -> None:
    good = [world.publisher.publish(command()) for _ in range(50)]
    results = await asyncio.gather(*good, publish_raw(world.publisher, "commands", "nowhere"), return_exceptions=True)

    assert [type(result) for result in results if result is not None] == [Unroutable]
    assert await world.ready(PAYMENTS_COMMANDS) == 50


# Envelopes: EnvelopePublisher


async def test_a_lone_event_leaves_at_once_in_an_envelope_of_its_own(world: World) -> None:
    envelopes = EnvelopePublisher[PaymentCompleted](world.publisher, ROUTE)
    await envelopes.submit(event(7))

    (message,) = await world.take(QUEUE)
    assert numbers_in(message) == [7]
    assert message.correlation_id == "request-7"
    assert message.delivery_mode == DeliveryMode.PERSISTENT
    assert message.type == message.routing_key == ROUTE.key


async def test_events_of_concurrent_callers_share_envelopes_in_the_order_of_submitting(world: World) -> None:
    envelopes = EnvelopePublisher[PaymentCompleted](world.publisher, ROUTE)
    await asyncio.gather(*(envelopes.submit(one) for one in events(range(1, 251))))

    messages = await world.take(QUEUE, 3)
    assert [len(numbers_in(message)) for message in messages] == [ENVELOPE_EVENTS, ENVELOPE_EVENTS, 50]
    assert [number for message in messages for number in numbers_in(message)] == list(range(1, 251))
    assert await world.ready(QUEUE) == 0


async def test_large_events_share_an_envelope_only_up_to_its_bytes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    each = len(event(11).model_dump_json())
    monkeypatch.setattr(envelopes_module, "ENVELOPE_BYTES", each * 3 + 2)
    envelopes = EnvelopePublisher[PaymentCompleted](world.publisher, ROUTE)
    huge = event(99, description="x" * 500)
    await asyncio.gather(*(envelopes.submit(one) for one in [*events(range(11, 18)), huge, event(18)]))

    assert [numbers_in(message) for message in await world.take(QUEUE, 5)] == [[11, 12, 13], [14, 15, 16], [17], [99], [18]]


async def test_too_many_waiting_events_are_busy_at_once(world: World) -> None:
    envelopes = EnvelopePublisher[PaymentCompleted](world.publisher, ROUTE, in_flight=1, max_waiting=2)
    results = await asyncio.gather(*(envelopes.submit(one) for one in events(range(1, 6))), return_exceptions=True)
    by_bytes = EnvelopePublisher[PaymentCompleted](world.publisher, ROUTE, max_waiting_bytes=1)
    more = await asyncio.gather(*(by_bytes.submit(one) for one in events(range(6, 8))), return_exceptions=True)

    assert [type(result) for result in results] == [type(None), type(None), Busy, Busy, Busy]
    assert [type(result) for result in more] == [type(None), Busy]
    assert [number for message in await world.take(QUEUE, 2) for number in numbers_in(message)] == [1, 2, 6]
    await envelopes.submit(event(9))  # and there is room again


async def test_each_caller_of_an_envelope_that_fails_is_told(world: World) -> None:
    envelopes = EnvelopePublisher[PaymentCompleted](world.publisher, ROUTE)
    await envelopes.submit(event(1))
    world.proxy.hang()
    results = await asyncio.gather(*(envelopes.submit(one) for one in events(range(2, 40))), return_exceptions=True)

    assert {type(result) for result in results} == {NotConfirmed}


async def test_a_caller_that_gives_up_takes_nobody_along(world: World) -> None:
    envelopes = EnvelopePublisher[PaymentCompleted](world.publisher, ROUTE)
    impatient = asyncio.create_task(envelopes.submit(event(1)))
    patient = asyncio.create_task(envelopes.submit(event(2)))
    await asyncio.sleep(0)
    impatient.cancel()
    await patient

    assert impatient.cancelled()
    assert numbers_in((await world.take(QUEUE))[0]) == [1, 2]


async def test_draining_waits_for_what_was_handed_in(world: World) -> None:
    envelopes = EnvelopePublisher[PaymentCompleted](world.publisher, ROUTE, in_flight=1)
    submitting = [asyncio.create_task(envelopes.submit(one)) for one in events(range(1, 251))]
    await asyncio.sleep(0)
    await envelopes.drain()

    await asyncio.gather(*submitting)
    assert await world.ready(QUEUE) == 3
