"""Session payments at the gateway: what silence, progress and a credit that is still on its way are for the client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.base import Message, Reply, new_id, utc_now
from shared.contracts.intents import CancelPayment, ConfirmPayment, CreateIntent, IntentCreated, PaymentCanceled, PaymentConfirmed
from shared.contracts.payment_commands import CommandReply, InProgress
from shared.contracts.queries import GetPayment, PaymentView
from shared.contracts.sessions import GetSession, PutSession, SessionSaved, SessionView
from tests.integration.gateway_world import World, bearer, gateway_world, one_story, refused, silent

CREATE = "/api/v1/payments/create-intent"
BODY = {"amount": 5000, "currency": "USD", "session_id": 1, "mentor_id": 2}
MENTOR = bearer("2", roles=["mentor"])


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url, rpc_timeout_seconds=0.7, platform_fee_bps=250) as started:
        yield started


@pytest.fixture
async def world(running: World) -> AsyncIterator[World]:
    async with one_story(running) as story:
        yield story


def created(command: CreateIntent) -> IntentCreated:
    return IntentCreated(
        payment_id=command.payment_id,
        status="completed",
        amount_minor=command.amount_minor,
        currency=command.currency,
        method="balance",
        session_id=command.session_id,
        mentor_id=command.mentor_id,
        client_secret=None,
        payment_url=None,
        expires_at=None,
    )


def confirms(world: World, status: str) -> UUID:
    """Payments has this answer to every confirmation; and shows the payment as that."""
    payment_id = new_id()

    async def confirm(_: Message) -> Reply:
        return CommandReply(
            answer=PaymentConfirmed(payment_id=payment_id, status=status, amount_minor=5_000, currency="usd", method="mock")
        )

    async def view(query: GetPayment) -> Reply:
        assert query.viewer_is_admin is (query.viewer_user_id == "9")
        return PaymentView(
            payment_id=payment_id,
            session_id=None,
            user_id="1",
            kind="payment",
            method="mock",
            status=status,
            amount_minor=5_000,
            currency="usd",
            credit_reference="mock:ch_1",
            payment_url=None,
            expires_at=None,
            created_at=utc_now(),
            updated_at=utc_now(),
        )

    world.stand_ins.answers[ConfirmPayment] = confirm
    world.stand_ins.answers[GetPayment] = view
    return payment_id


async def test_what_an_intent_asks_of_payments(world: World) -> None:
    async def create(command: CreateIntent) -> Reply:
        return CommandReply(answer=created(command))

    world.stand_ins.answers[CreateIntent] = create
    response = await world.post(CREATE, {**BODY, "method": "balance", "metadata": {"a": "b"}, "external_id": "x"}, Idempotency_Key="k")

    (command,) = world.stand_ins.asked_of(CreateIntent)
    assert (command.user_id, command.session_id, command.mentor_id) == ("1", "1", "2")
    assert (command.amount_minor, command.currency, command.method) == (5_000, "usd", "balance")
    assert (command.metadata, command.external_id, command.locale) == ({"a": "b"}, "x", "en")
    assert command.idempotency.operation == "POST /api/v1/payments/create-intent"
    assert (response.status_code, response.json()["status"]) == (201, "completed")
    assert response.headers["Location"] == f"http://localhost:8000/api/v1/payments/{command.payment_id}"


@pytest.mark.parametrize("slow", ["silent", "in progress"])
async def test_what_is_not_known_yet_is_202_with_a_place_to_ask(world: World, slow: str) -> None:
    async def progress(command: CreateIntent) -> Reply:
        return CommandReply[IntentCreated](answer=InProgress(resource_id=command.payment_id))

    world.stand_ins.answers[CreateIntent] = silent if slow == "silent" else progress
    response = await world.post(CREATE, BODY)
    (command,) = world.stand_ins.asked_of(CreateIntent)
    polled = await world.http.get(response.headers["Location"].removeprefix("http://localhost:8000"), headers=bearer())

    assert (response.status_code, response.json()) == (202, {"payment_id": str(command.payment_id), "status": "accepted"})
    assert (polled.status_code, polled.json()) == (200, {"payment_id": str(command.payment_id), "status": "accepted"})


async def test_no_provider_is_503_with_retry_after_and_too_little_409(world: World) -> None:
    for code, status in (("provider_not_configured", 503), ("insufficient_funds", 409)):

        async def refuse(command: CreateIntent, code: str = code) -> Reply:
            return CommandReply[IntentCreated](answer=refused(code, command))

        world.stand_ins.answers[CreateIntent] = refuse
        response = await world.post(CREATE, BODY)
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert ("Retry-After" in response.headers) == (status == 503)


@pytest.mark.parametrize(
    ("status", "posted", "told"),
    [
        ("completed", True, "completed"),
        ("completed", False, "pending"),
        ("pending", True, "pending"),
        ("refunded", False, "refunded"),
    ],
)
async def test_a_confirmation_says_completed_only_when_it_is_credited(world: World, status: str, posted: bool, told: str) -> None:
    payment_id = confirms(world, status)
    world.stand_ins.posted = posted

    for user, roles in (("1", ["student"]), ("9", ["admin"])):
        response = await world.http.post(f"/api/v1/payments/confirm/{payment_id}", headers=bearer(user, roles=roles))
        assert (response.status_code, response.json()["status"]) == (200, told)


async def test_a_slow_confirmation_or_cancellation_is_202(world: World) -> None:
    payment_id = new_id()
    world.stand_ins.answers[ConfirmPayment] = world.stand_ins.answers[CancelPayment] = silent

    for path in (f"confirm/{payment_id}", f"{payment_id}/cancel"):
        response = await world.post(f"/api/v1/payments/{path}")
        assert (response.status_code, response.json()) == (202, {"payment_id": str(payment_id), "status": "accepted"})
        assert f"/api/v1/payments/{payment_id}?receipt=" in response.headers["Location"]


async def test_a_cancellation_is_replayed_as_it_was(world: World) -> None:
    payment_id = new_id()

    async def cancel(_: Message) -> Reply:
        return CommandReply(replayed=True, answer=PaymentCanceled(payment_id=payment_id, amount_minor=5_000, currency="usd", method="mock"))

    world.stand_ins.answers[CancelPayment] = cancel
    response = await world.post(f"/api/v1/payments/{payment_id}/cancel", Idempotency_Key="k")

    assert (response.status_code, response.json()["status"], response.headers["Idempotent-Replayed"]) == (200, "canceled", "true")


@pytest.mark.parametrize("path", ["confirm/nothing", "nothing/cancel", "confirm/0199d3a2%2F8f10", "%00/cancel"])
async def test_ids_that_were_never_ours_are_404_and_not_asked_about(world: World, path: str) -> None:
    response = await world.post(f"/api/v1/payments/{path}")

    assert response.status_code == 404
    assert world.stand_ins.asked == []


async def test_an_intent_is_posted_only(world: World) -> None:
    response = await world.get(CREATE)
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", "5000"),
        ("amount", 5000.5),
        ("amount", -1),
        ("amount", 10**15 + 1),
        ("amount", None),
        ("currency", "usdt"),
        ("session_id", ""),
        ("session_id", "a b"),
        ("session_id", [1]),
        ("mentor_id", -2),
        ("mentor_id", 10**30),
        ("method", "Balance!"),
        ("description", "x" * 501),
        ("external_id", ""),
        ("metadata", {"k": "v" * 501}),
        ("unknown", 1),
    ],
)
async def test_malformed_intents_name_their_field(world: World, field: str, value: Any) -> None:
    response = await world.post(CREATE, {**BODY, field: value})

    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert {error["loc"][1] for error in response.json()["errors"]} == {field}
    assert world.stand_ins.asked == []


# ---- sessions


async def test_a_slow_session_is_202_and_its_place_to_ask_never_404(world: World) -> None:
    async def unknown(query: GetSession) -> Reply:
        return refused("session_not_found", query)

    world.stand_ins.answers[PutSession] = silent
    world.stand_ins.answers[GetSession] = unknown
    body = {"mentor_id": "2", "price": 5000, "currency": "usd", "title": "An hour"}
    response = await world.http.put("/api/v1/sessions/7", json=body, headers=MENTOR)
    location = response.headers["Location"].removeprefix("http://localhost:8000")

    assert (response.status_code, response.json()) == (202, {"session_id": "7", "status": "accepted"})
    assert (await world.http.get(location, headers=MENTOR)).json() == {"session_id": "7", "status": "accepted"}
    assert (await world.http.get(location, headers=bearer())).status_code == 404, "the receipt is its caller's"


async def test_a_session_is_new_or_changed(world: World) -> None:
    async def put(command: PutSession) -> Reply:
        view = SessionView(
            session_id=command.session_id,
            mentor_id=command.mentor_id,
            price_minor=command.price_minor,
            currency=command.currency,
            title=command.title,
            created_at=utc_now(),
            updated_at=utc_now(),
        )
        return CommandReply(answer=SessionSaved(created=command.title == "new", session=view))

    world.stand_ins.answers[PutSession] = put
    for title, status in (("new", 201), ("old", 200)):
        body = {"mentor_id": 2, "price": 5000, "currency": "JPY", "title": title}
        response = await world.http.put("/api/v1/sessions/7", json=body, headers=MENTOR)
        assert (response.status_code, response.json()["amount"], response.json()["mentor_id"]) == (status, 5000, "2")
