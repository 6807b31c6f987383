"""Suspense, transfers and the mock's controls at the gateway: who may, what is malformed, and what a slow service behind looks like."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.contracts.base import Message, new_id
from shared.contracts.mock_controls import TellMockDispute, TellMockPayment
from shared.contracts.payment_commands import CommandReply, InProgress
from shared.contracts.suspense import DecideSuspenseItem, GetSuspenseItem
from shared.contracts.transfers import GetUserTransfer, MakeTransfer
from tests.integration.gateway_world import World, bearer, gateway_world, one_story, refused, silent

ITEM = f"/api/v1/suspense/{new_id()}"
TRANSFER = {"amount": "2.50", "currency": "EUR", "from_user_id": 1, "to_user_id": "3", "reason": "a gift"}
ADMIN = bearer("9", roles=["admin"])


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url) as world:
        yield world


@pytest.fixture
async def world(running: World) -> AsyncIterator[World]:
    async with one_story(running) as world:
        yield world


async def as_admin(world: World, path: str, body: Any = None, **headers: str) -> httpx.Response:
    return await world.http.post(path, json=body, headers=ADMIN | headers)


async def in_progress(_: Message) -> CommandReply[Any]:
    return CommandReply(answer=InProgress(resource_id=new_id()))


@pytest.mark.parametrize(
    ("path", "bodies"),
    [
        (f"{ITEM}/assign", [None, {}, {"user_id": None}, {"user_id": "1", "payment_id": "p"}, {"user_id": True}, {"user": "1"}]),
        (f"{ITEM}/refund", [{"reason": ""}, {"reason": "x" * 501}, {"why": "x"}, []]),
        (f"{ITEM}/write-off", [None, {}, {"reason": "r"}, {"reference": "", "reason": "r"}]),
        ("/api/v1/transfers", [{}, TRANSFER | {"amount": "0"}, TRANSFER | {"amount": "2.505"}, TRANSFER | {"currency": "xxx"}]),
        ("/api/v1/mock/disputes", [{}, {"payment_id": "p", "event": "closed"}]),
        ("/api/v1/mock/payments/s", [{}, {"outcome": "success", "delay_seconds": -1}, {"outcome": "success", "duplicate": 1.5}]),
    ],
    ids=["assign", "refund", "write-off", "transfers", "disputes", "mock payments"],
)
async def test_what_is_malformed_reaches_nobody_and_others_are_refused_before_it_is_looked_at(
    world: World, path: str, bodies: list[Any]
) -> None:
    for body in bodies:
        assert (await as_admin(world, path, body)).status_code == 422, body
        student = await world.post(path, body)
        assert (student.status_code, student.json()["code"]) == (403, "forbidden")
        assert (await world.http.post(path, json=body)).status_code == 401
    assert world.stand_ins.asked == []


async def test_a_slow_decision_is_202_and_its_location_never_404(world: World) -> None:
    async def not_there(query: Message) -> Any:
        return refused("suspense_item_not_found", query)

    world.stand_ins.answers |= {DecideSuspenseItem: in_progress, GetSuspenseItem: not_there}

    slow = await as_admin(world, f"{ITEM}/refund")
    polled = await world.http.get(slow.headers["Location"].removeprefix("http://localhost:8000"), headers=ADMIN)
    without_receipt = await world.http.get(ITEM, headers=ADMIN)

    assert (slow.status_code, slow.json()) == (202, {"id": ITEM.rpartition("/")[2], "status": "accepted"})
    assert (polled.status_code, polled.json()) == (200, slow.json())
    assert (without_receipt.status_code, without_receipt.json()["code"]) == (404, "suspense_item_not_found")


async def test_a_slow_transfer_is_202_and_its_location_never_404(world: World) -> None:
    async def not_there(query: Message) -> Any:
        return refused("transfer_not_found", query)

    world.stand_ins.answers |= {MakeTransfer: silent, GetUserTransfer: not_there}

    slow = await as_admin(world, "/api/v1/transfers", TRANSFER)
    polled = await world.http.get(slow.headers["Location"].removeprefix("http://localhost:8000"), headers=ADMIN)

    (command,) = world.stand_ins.asked_of(MakeTransfer)
    assert (slow.status_code, slow.json()) == (202, {"transfer_id": str(command.transfer_id), "status": "accepted"})
    assert (polled.status_code, polled.json()) == (200, slow.json())
    assert (command.from_user_id, command.to_user_id, command.amount_minor, command.currency) == ("1", "3", 250, "eur")


async def test_the_decision_that_is_asked_for_is_the_one_that_is_given(world: World) -> None:
    asked = {
        "assign": {"user_id": 7},
        "refund": None,
        "write-off": {"reference": "B-1", "reason": "nobody"},
    }
    world.stand_ins.answers[DecideSuspenseItem] = in_progress
    for decision, body in asked.items():
        await as_admin(world, f"{ITEM}/{decision}", body)
    await as_admin(world, f"{ITEM}/assign", {"payment_id": "p-1"})

    commands = world.stand_ins.asked_of(DecideSuspenseItem)
    assert [(c.decision, c.user_id, c.payment_id, c.reference, c.reason) for c in commands] == [
        ("assign_user", "7", None, None, None),
        ("refund", None, None, None, None),
        ("write_off", None, None, "B-1", "nobody"),
        ("assign_payment", None, "p-1", None, None),
    ]
    assert {c.actor_user_id for c in commands} == {"9"}


async def test_an_id_that_leads_elsewhere_is_not_found(world: World) -> None:
    for path in ("/api/v1/suspense/%00", "/api/v1/suspense/%C3%A9"):
        assert (await world.http.get(path, headers=ADMIN)).status_code in (404, 422)
    elsewhere = await as_admin(world, "/api/v1/mock/payments/..%3Fx", {"outcome": "success"})
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "session_not_found")
    assert world.stand_ins.asked == []


async def test_where_the_mock_is_off_there_are_no_controls(amqp_url: str) -> None:
    async with gateway_world(amqp_url, providers=("stripe",)) as world:
        disputes = await as_admin(world, "/api/v1/mock/disputes", {"payment_id": "p", "event": "won"})
        payments = await as_admin(world, "/api/v1/mock/payments/s", {"outcome": "success"})

        assert [(answer.status_code, answer.json()["code"]) for answer in (disputes, payments)] == [(404, "not_found")] * 2
        assert world.stand_ins.asked_of(TellMockDispute) == world.stand_ins.asked_of(TellMockPayment) == []
