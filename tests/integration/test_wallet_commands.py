"""Commands over the broker: answered by direct reply-to, harmless when they come again, dead letters when they can never be done."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.contracts.payment_commands import Refused
from shared.contracts.queries import BookedTransfer, ListTransfers, TransfersView
from shared.contracts.topology import WALLET_COMMANDS, route_of
from shared.contracts.wallet_commands import (
    FundsMoved,
    FundsReserved,
    HoldReleased,
    HoldSettled,
    MoveFunds,
    MoveFundsAnswer,
    ReleaseHoldAnswer,
    ReserveFundsAnswer,
    SettleHoldAnswer,
)
from shared.contracts.wallet_events import BalanceChanged
from tests.integration.funds_world import FEES, LOSS, PROVIDER, a_move, a_release, a_reserve, a_settle, leg, money_of, person
from tests.integration.running_wallet_world import RunningWorld, received, running_wallet_world
from tests.integration.wallet_world import completed


@pytest.fixture
async def world(fresh_database_url: str, amqp_url: str) -> AsyncIterator[RunningWorld]:
    async with running_wallet_world(fresh_database_url, amqp_url) as world:
        yield world


async def send(world: RunningWorld, command: MoveFunds, body: bytes | None = None) -> None:
    """Hands a command over without waiting for its answer."""
    await world.publisher.publish_bytes(
        body or command.model_dump_json().encode(),
        exchange=route_of(MoveFunds).exchange.name,
        routing_key=MoveFunds.TYPE,
        message_type=MoveFunds.TYPE,
        message_id=str(command.message_id),
        correlation_id=command.correlation_id,
    )


async def test_money_goes_out_and_its_owner_is_told_each_step(world: RunningWorld) -> None:
    balances = await world.listen_to_balances()
    credit = completed()
    paid, given_back = a_reserve(500, after=credit.credit_reference), a_reserve(300)
    async with world.wallet():
        await world.publish(credit)
        assert await world.ask(paid, ReserveFundsAnswer) == FundsReserved(reference=paid.reference, held_minor=500)
        settle = a_settle(paid.reference, leg(FEES, PROVIDER, 20))
        assert await world.ask(settle, SettleHoldAnswer) == HoldSettled(reference=paid.reference, settled_minor=500)
        assert await world.ask(given_back, ReserveFundsAnswer) == FundsReserved(reference=given_back.reference, held_minor=300)
        release = a_release(given_back.reference)
        assert await world.ask(release, ReleaseHoldAnswer) == HoldReleased(reference=given_back.reference, released_minor=300)
        move = a_move(leg(person("1"), LOSS, 1))
        assert await world.ask(move, MoveFundsAnswer) == FundsMoved(reference=move.reference)
        changes: list[BalanceChanged] = []
        while len(changes) < 6:
            changes += await received(balances, 1)
        listed = await world.ask(ListTransfers(correlation_id="q", references=(paid.reference, move.reference)), TransfersView)
    told = [(c.version, c.kind, c.change_minor, c.available_minor, c.held_minor) for c in changes]
    assert told == [
        (1, "deposit", 2000, 2000, 0),
        (2, "withdrawal", -500, 1500, 500),
        (3, "withdrawal", 0, 1500, 0),
        (4, "withdrawal", -300, 1200, 300),
        (5, "withdrawal", 300, 1500, 0),
        (6, "transfer", -1, 1499, 0),
    ]
    moved: list[BookedTransfer] = list(listed.transfers)
    assert [one.reference.removeprefix(paid.reference) for one in moved] == ["", ":settle", ":settle#1", move.reference]
    assert [entry.message_id for one in moved for entry in one.entries] == [changes[n].message_id for n in (1, 2, 5)]
    assert all(entry.published_at is not None for one in moved for entry in one.entries)


async def test_a_refusal_is_an_answer_and_no_dead_letter(world: RunningWorld) -> None:
    async with world.wallet():
        answer = await world.ask(a_reserve(1, correlation_id="request-9"), ReserveFundsAnswer)
        assert isinstance(answer, Refused)
        assert (answer.code, answer.request_id) == ("insufficient_funds", "request-9")
        assert await world.rest(WALLET_COMMANDS.name) == await world.rest(WALLET_COMMANDS.dead_name) == 0


async def test_a_command_delivered_again_moves_nothing_twice(world: RunningWorld) -> None:
    """Handed over while no wallet runs, and again, and then to two wallets at once."""
    move = a_move(leg(LOSS, person("1"), 700))
    for _ in range(5):
        await send(world, move)
    async with world.wallet(), world.wallet():
        for _ in range(5):
            await send(world, move)
        assert await world.ask(move, MoveFundsAnswer) == FundsMoved(reference=move.reference)
        last = a_move(leg(LOSS, person("1"), 1))
        await world.ask(last, MoveFundsAnswer)
    assert await money_of(world.book) == (701, 0, 2)
    assert await world.rest(WALLET_COMMANDS.dead_name) == 0


async def test_what_can_never_be_done_is_a_dead_letter_at_once(world: RunningWorld) -> None:
    async with world.wallet():
        await send(world, a_move(leg(FEES, FEES, 1)))
        await send(world, a_move(leg(FEES, PROVIDER, 1), description="\x00"))
        await send(world, a_move(leg(FEES, PROVIDER, 1)), b'{"type": "move-funds.v1"}')
        letters = await world.dead_letters(3, WALLET_COMMANDS)
        move = a_move(leg(LOSS, person("1"), 700))
        assert await world.ask(move, MoveFundsAnswer) == FundsMoved(reference=move.reference)
    reasons = "".join(sorted(str(headers["x-reason"]) for headers, _ in letters))
    for reason in ("two different accounts", "CharacterNotInRepertoireError", "cannot be read"):
        assert reason in reasons
    assert {headers["x-attempts"] for headers, _ in letters} == {1}
