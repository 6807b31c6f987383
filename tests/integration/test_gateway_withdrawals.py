"""Where a withdrawal goes, at the gateway: what reaches payments, and what is named when it is no destination."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.contracts.base import Message, Reply, utc_now
from shared.contracts.payment_commands import CommandReply, FieldProblem, Refused
from shared.contracts.withdrawals import BankAccount, Card, CreateWithdrawal, ShownDestination, WithdrawalView
from tests.integration.gateway_world import World, bearer, gateway_world, one_story

WITHDRAW = "/api/v1/balance/withdraw"
BANK = {"type": "bank_account", "account": "160-0000000056789-95", "name": "Jelena Jovanović"}
CARD = {"type": "card", "payment_id": "0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"}


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url) as started:
        yield started


@pytest.fixture
async def world(running: World) -> AsyncIterator[World]:
    async with one_story(running) as story:
        yield story


def wanted(destination: Any) -> dict[str, Any]:
    return {"amount": 10, "currency": "rsd", "destination": destination}


async def test_a_card_or_a_bank_account_reaches_payments_as_such(world: World) -> None:
    async def create(command: Message) -> Reply:
        assert isinstance(command, CreateWithdrawal)
        return CommandReply(answer=view(command))

    world.stand_ins.answers[CreateWithdrawal] = create
    answers = [await world.post(WITHDRAW, wanted(destination), **bearer()) for destination in (CARD, BANK)]

    to_card, to_bank = (command.destination for command in world.stand_ins.asked_of(CreateWithdrawal))
    assert to_card == Card(payment_id=CARD["payment_id"])
    assert to_bank == BankAccount(account=BANK["account"], name=BANK["name"])
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["destination"] == {"type": "card", "account": "****1b7e", "name": ""}


async def test_a_card_that_cannot_be_paid_to_is_422_and_named(world: World) -> None:
    async def refuse(command: Message) -> Reply:
        problem = FieldProblem(loc=("body", "destination", "payment_id"), msg="must be your own")
        refusal = Refused(code="destination_not_available", detail="No.", errors=(problem,), request_id=command.correlation_id)
        return CommandReply(answer=refusal)

    world.stand_ins.answers[CreateWithdrawal] = refuse
    answer = await world.post(WITHDRAW, wanted(CARD), **bearer())
    assert (answer.status_code, answer.json()["code"]) == (422, "destination_not_available")
    assert answer.json()["errors"] == [{"loc": ["body", "destination", "payment_id"], "msg": "must be your own"}]


@pytest.mark.parametrize(
    ("destination", "named"),
    [
        ({"type": "card"}, ["payment_id"]),
        ({"type": "card", "payment_id": ""}, ["payment_id"]),
        ({"type": "card", "payment_id": "x" * 101}, ["payment_id"]),
        ({"type": "card", "payment_id": 17}, ["payment_id"]),
        ({**CARD, "account": "160-1"}, ["account"]),
        ({**BANK, "payment_id": "x"}, ["payment_id"]),
        ({"type": "bank_account", "account": "1"}, ["account", "name"]),
        ({"type": "secret-tag"}, ["type"]),
        ({"type": ["card"]}, ["type"]),
        ({"payment_id": "x"}, ["type"]),
        ("card", []),
        (None, []),
        ([CARD], []),
    ],
)
async def test_what_is_no_destination_is_named_where_the_caller_has_it(world: World, destination: Any, named: list[str]) -> None:
    answer = await world.post(WITHDRAW, wanted(destination), **bearer())
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    locs = [error["loc"] for error in answer.json()["errors"]]
    assert locs == ([["body", "destination", name] for name in named] or [["body", "destination"]])
    assert "secret-tag" not in answer.text, "what was sent is not repeated"
    assert world.stand_ins.asked_of(CreateWithdrawal) == []


def view(command: CreateWithdrawal) -> WithdrawalView:
    return WithdrawalView(
        withdrawal_id=command.withdrawal_id,
        user_id=command.user_id,
        status="pending",
        amount_minor=command.amount_minor,
        currency=command.currency,
        method="allsecure",
        destination=ShownDestination(type=command.destination.type, account="****1b7e", name=""),
        created_at=utc_now(),
        updated_at=utc_now(),
    )
