"""Completing a mock session: its event takes every provider's way in, and "completed" is said only when the wallet has committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.contracts.base import new_id
from shared.contracts.payment_commands import CommandReply, CompleteMockSession
from shared.contracts.payment_events import ProviderEventReceived
from shared.contracts.queries import GetPayment, GetTransfer, PaymentView, TransferView
from tests.integration.gateway_world import World, bearer, gateway_world, one_story, refused, silent

COMPLETE = "/api/v1/balance/mock/complete"


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url) as started:
        yield started


@pytest.fixture
async def world(running: World) -> AsyncIterator[World]:
    async with one_story(running) as story:
        yield story


async def opened(world: World) -> dict[str, Any]:
    response = await world.deposit()
    assert response.status_code == 201
    made: dict[str, Any] = response.json()
    return made


def settles(world: World, events: list[ProviderEventReceived]) -> None:
    """Payments completes a payment when its event has been made durable, and not before."""

    async def view(query: GetPayment) -> Any:
        events.extend(await world.events())
        if events:
            world.stand_ins.completed.update(world.stand_ins.payments)
        return world.stand_ins._payment(query)

    world.stand_ins.answers[GetPayment] = view


async def test_a_completion_is_the_mocks_signed_event_and_is_answered_when_the_money_is_there(world: World) -> None:
    events: list[ProviderEventReceived] = []
    settles(world, events)
    made = await opened(world)
    response = await world.post(COMPLETE, {"session_id": made["session_id"], "amount": "2000.00"}, X_Request_ID="trace-2")

    assert (response.status_code, response.headers.get("Idempotent-Replayed")) == (200, None)
    assert response.json() == {"payment_id": made["payment_id"], "session_id": made["session_id"], "status": "completed"}
    (event,) = events
    assert (event.provider, event.body, event.correlation_id) == ("mock", made["session_id"].encode(), "trace-2")
    assert set(event.headers) == {"content-type", "webhook-id", "webhook-timestamp", "webhook-signature"}
    (command,) = world.stand_ins.asked_of(CompleteMockSession)
    assert (command.amount, command.outcome, command.user_id) == ("2000.00", "success", "1")
    assert {type(message) for message in world.stand_ins.asked} >= {GetPayment, GetTransfer}


async def test_a_failure_is_told_as_failed(world: World) -> None:
    async def failed(query: GetPayment) -> PaymentView:
        view = world.stand_ins._payment(query)
        assert isinstance(view, PaymentView)
        return view.model_copy(update={"status": "failed"})

    world.stand_ins.answers[GetPayment] = failed
    made = await opened(world)
    response = await world.post(COMPLETE, {"session_id": made["session_id"], "outcome": "failure"})

    assert (response.status_code, response.json()["status"]) == (200, "failed")
    assert world.stand_ins.asked_of(CompleteMockSession)[0].amount is None


@pytest.mark.parametrize("silence", ["command", "payment", "wallet", "not yet posted"])
async def test_slow_is_202_with_a_location_that_says_pending(world: World, silence: str) -> None:
    made = await opened(world)
    world.stand_ins.completed.update(world.stand_ins.payments)
    match silence:
        case "command":
            world.stand_ins.answers[CompleteMockSession] = silent
        case "payment":
            world.stand_ins.answers[GetPayment] = silent
        case "wallet":
            world.stand_ins.answers[GetTransfer] = silent
        case "not yet posted":
            world.stand_ins.posted = False
    slow = await world.post(COMPLETE, {"session_id": made["session_id"]})
    world.stand_ins.answers.clear()
    world.stand_ins.posted = False
    polled = await world.http.get(slow.headers["Location"].removeprefix(world.settings.public_url), headers=bearer())

    assert (slow.status_code, slow.json()["status"]) == (202, "accepted")
    assert slow.json()["session_id"] == made["session_id"]
    assert (polled.status_code, polled.json()["status"]) == (200, "pending")


async def test_completed_is_not_said_before_the_wallet_has_committed(world: World) -> None:
    made = await opened(world)
    world.stand_ins.completed.update(world.stand_ins.payments)
    path = f"/api/v1/payments/{made['payment_id']}"

    world.stand_ins.posted = False
    before = await world.get(path)
    world.stand_ins.posted = True
    after = await world.get(path)

    assert (before.json()["status"], after.json()["status"]) == ("pending", "completed")
    assert after.json()["transaction_id"] == "mock:ch_1"


async def test_a_payment_seen_by_a_stranger_is_404(world: World) -> None:
    made = await opened(world)
    strangers = await world.http.get(f"/api/v1/payments/{made['payment_id']}", headers=bearer("2"))
    nobodys = await world.get(f"/api/v1/payments/{new_id()}")
    garbled = await world.get("/api/v1/payments/%00%ff")
    long = await world.get(f"/api/v1/payments/{'x' * 101}")
    forged_receipt = await world.get(f"/api/v1/payments/{new_id()}", receipt="1893456000." + "A" * 43)

    answers = [strangers, nobodys, garbled, long, forged_receipt]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "payment_not_found")] * 5


@pytest.mark.parametrize(
    ("code", "status"), [("amount_mismatch", 400), ("session_not_found", 404), ("session_final", 409), ("invalid_amount", 422)]
)
async def test_each_refusal_has_its_status_and_hands_nothing_in(world: World, code: str, status: int) -> None:
    async def refuse(command: CompleteMockSession) -> CommandReply[Any]:
        return CommandReply(answer=refused(code, command))

    world.stand_ins.answers[CompleteMockSession] = refuse
    response = await world.post(COMPLETE, {"session_id": str(new_id())})

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert await world.events() == []


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "session_id"),
        ({"session_id": 5}, "session_id"),
        ({"session_id": "a b"}, "session_id"),
        ({"session_id": "s", "amount": True}, "amount"),
        ({"session_id": "s", "amount": "1e3"}, "amount"),
        ({"session_id": "s", "outcome": "maybe"}, "outcome"),
    ],
)
async def test_what_is_malformed_is_422_and_names_the_field(world: World, body: dict[str, Any], named: str) -> None:
    response = await world.post(COMPLETE, body)
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["body", named])


@pytest.mark.parametrize("session_id", ["a/b?c", "..", "a#b", "%2e%2e", '"'])
async def test_what_was_never_a_session_is_404_and_no_location_is_made_of_it(world: World, session_id: str) -> None:
    world.stand_ins.answers[CompleteMockSession] = silent
    response = await world.post(COMPLETE, {"session_id": session_id})

    assert (response.status_code, response.json()["code"]) == (404, "session_not_found")


async def test_a_replayed_completion_gives_the_same_bytes_and_says_so(world: World) -> None:
    made = await opened(world)
    world.stand_ins.completed.update(world.stand_ins.payments)
    first = await world.post(COMPLETE, {"session_id": made["session_id"]}, Idempotency_Key="k")

    async def replay(command: CompleteMockSession) -> CommandReply[Any]:
        return world.stand_ins._complete(command).model_copy(update={"replayed": True})

    world.stand_ins.answers[CompleteMockSession] = replay
    again = await world.post(COMPLETE, {"session_id": made["session_id"]}, Idempotency_Key="k")

    assert first.content == again.content
    assert (first.headers.get("Idempotent-Replayed"), again.headers.get("Idempotent-Replayed")) == (None, "true")
    one, two = world.stand_ins.asked_of(CompleteMockSession)
    assert one.idempotency == two.idempotency


async def test_broker_down_is_503_and_a_repeat_completes(world: World) -> None:
    made = await opened(world)
    world.stand_ins.completed.update(world.stand_ins.payments)
    world.broker.cut()
    await world.lost()
    down = await world.post(COMPLETE, {"session_id": made["session_id"]})
    await world.restored()
    again = await world.post(COMPLETE, {"session_id": made["session_id"]})

    assert (down.status_code, down.json()["code"]) == (503, "broker_unavailable")
    assert int(down.headers["Retry-After"]) > 0
    assert (again.status_code, again.json()["status"]) == (200, "completed")


async def test_where_the_mock_is_off_there_is_nothing(amqp_url: str) -> None:
    async with gateway_world(amqp_url, providers="stripe") as world:
        answers = await asyncio.gather(world.post(COMPLETE, {"session_id": "s"}), world.post("/api/v1/webhooks/mock", {}))
    assert [answer.status_code for answer in answers] == [404, 404]


async def test_the_transfer_is_asked_for_by_the_payments_own_reference(world: World) -> None:
    made = await opened(world)
    world.stand_ins.completed.update(world.stand_ins.payments)

    async def posted(query: GetTransfer) -> TransferView:
        return TransferView(reference=query.reference, posted=query.reference == "mock:ch_1" and query.wait_seconds > 0)

    world.stand_ins.answers[GetTransfer] = posted
    response = await world.post(COMPLETE, {"session_id": made["session_id"]})
    assert (response.status_code, response.json()["status"]) == (200, "completed")
