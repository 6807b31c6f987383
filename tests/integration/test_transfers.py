"""Transfers between two users: at once or not at all, once per key, and to their end whatever wallet keeps to itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_commands import Refused
from shared.contracts.transfers import GetUserTransfer, MakeTransfer, UserTransferView
from shared.contracts.wallet_commands import MoveFunds
from tests.integration.operators_world import OperatorsWorld, operators_world, transfer_command


@pytest.fixture(scope="module")
async def running(module_database_url: str) -> AsyncIterator[OperatorsWorld]:
    async with operators_world(module_database_url) as world:
        yield world


@pytest.fixture
async def world(running: OperatorsWorld) -> AsyncIterator[OperatorsWorld]:
    yield running
    running.ledger.lost.clear()
    running.ledger.unheard.clear()


async def make(world: OperatorsWorld, command: MakeTransfer) -> UserTransferView | str:
    """The transfer, or the code of the refusal, or 'in-progress.v1'."""
    answer = (await world.transfers.make(command)).answer
    if isinstance(answer, UserTransferView):
        return answer
    return answer.code if isinstance(answer, Refused) else answer.type


async def seen(world: OperatorsWorld, transfer_id: object, viewer: str, *, is_admin: bool = False) -> UserTransferView | str:
    query = GetUserTransfer(correlation_id="q", transfer_id=str(transfer_id), viewer_user_id=viewer, viewer_is_admin=is_admin)
    answer = await world.transfers.one(query)
    return answer if isinstance(answer, UserTransferView) else answer.code


async def two_users(world: OperatorsWorld, amount_minor: int = 5_000) -> tuple[str, str]:
    giver, taker = world.somebody(), world.somebody()
    await world.paid_deposit(giver, amount_minor)
    return giver, taker


async def test_it_moves_at_once_and_both_see_it(world: OperatorsWorld) -> None:
    giver, taker = await two_users(world)
    command = transfer_command(giver, taker, external_id="gift-1", metadata={"month": "june"})

    answer = await make(world, command)

    assert isinstance(answer, UserTransferView)
    assert (answer.status, answer.external_id, answer.metadata) == ("completed", "gift-1", {"month": "june"})
    assert (await world.available(giver), await world.available(taker)) == (4_000, 1_000)
    assert await seen(world, command.transfer_id, giver) == await seen(world, command.transfer_id, taker) == answer
    assert await seen(world, command.transfer_id, world.somebody()) == "transfer_not_found"
    assert await seen(world, "not-an-id", giver) == "transfer_not_found"
    assert await world.audited(f"transfer:{command.transfer_id}") == [("user:9", "transfer.make")]


async def test_more_than_there_is_moves_nothing_and_stays_refused_under_its_key(world: OperatorsWorld) -> None:
    giver, taker = await two_users(world)
    command = transfer_command(giver, taker, 5_001, "key-too-much")

    assert await make(world, command) == "insufficient_funds"
    await world.paid_deposit(giver, 1_000)
    assert await make(world, transfer_command(giver, taker, 5_001, "key-too-much")) == "insufficient_funds"

    assert (await world.available(giver), await world.available(taker)) == (6_000, 0)
    failed = await seen(world, command.transfer_id, "9", is_admin=True)
    assert isinstance(failed, UserTransferView)
    assert failed.problem is not None
    assert (failed.status, failed.problem.code) == ("failed", "insufficient_funds")
    assert await seen(world, command.transfer_id, taker) == "transfer_not_found", "it concerns them no more"


async def test_what_is_refused_before_anything_moves(world: OperatorsWorld) -> None:
    giver, taker = await two_users(world)

    assert await make(world, transfer_command(giver, giver)) == "same_user"
    assert await make(world, transfer_command(giver, taker, deadline=utc_now() - timedelta(seconds=1))) == "deadline_passed"
    assert isinstance(await make(world, transfer_command(giver, taker, external_id="once")), UserTransferView)
    assert await make(world, transfer_command(giver, taker, external_id="once")) == "external_id_reused"
    assert await world.available(taker) == 1_000


async def test_a_failed_one_frees_its_external_id(world: OperatorsWorld) -> None:
    giver, taker = await two_users(world)

    assert await make(world, transfer_command(giver, taker, 9_999, external_id="freed")) == "insufficient_funds"
    assert isinstance(await make(world, transfer_command(giver, taker, external_id="freed")), UserTransferView)


@pytest.mark.parametrize("trouble", ["lost", "unheard"])
async def test_a_silent_wallet_is_in_progress_and_the_saga_ends_it_once(world: OperatorsWorld, trouble: str) -> None:
    giver, taker = await two_users(world)
    command = transfer_command(giver, taker, 1_000, f"key-{trouble}")
    getattr(world.ledger, trouble)[MoveFunds] = 2

    assert await make(world, command) == "in-progress.v1"
    waiting = await seen(world, command.transfer_id, taker)
    assert isinstance(waiting, UserTransferView)
    assert waiting.status == "pending"
    for _ in range(3):
        await world.resume()
    again = await make(world, command)  # delivered again

    assert isinstance(again, UserTransferView)
    assert again.status == "completed"
    assert (await world.available(giver), await world.available(taker)) == (4_000, 1_000)


async def test_not_enough_is_the_end_although_an_earlier_asking_comes_late(world: OperatorsWorld) -> None:
    """An asking that went unanswered may lie in wallet's queue, and come when there is enough."""
    giver, taker = await two_users(world)
    command = transfer_command(giver, taker, 6_000)
    world.ledger.lost[MoveFunds] = 1
    assert await make(world, command) == "in-progress.v1"
    (unanswered,) = [asked for asked in world.ledger.asked if isinstance(asked, MoveFunds) and str(command.transfer_id) in asked.reference]

    await world.resume()
    await world.paid_deposit(giver, 1_000)
    await world.ledger.move(unanswered)

    failed = await seen(world, command.transfer_id, "9", is_admin=True)
    assert isinstance(failed, UserTransferView)
    assert failed.status == "failed"
    assert (await world.available(giver), await world.available(taker)) == (6_000, 0)


async def test_fifty_repeats_under_one_key_move_once(world: OperatorsWorld) -> None:
    giver, taker = await two_users(world)

    answers = await asyncio.gather(*(make(world, transfer_command(giver, taker, 1_000, "key-many")) for _ in range(50)))

    assert len({answer.transfer_id for answer in answers if isinstance(answer, UserTransferView)}) == 1
    assert {answer for answer in answers if isinstance(answer, str)} <= {"idempotency_key_in_use"}
    assert (await world.available(giver), await world.available(taker)) == (4_000, 1_000)


async def test_fifty_at_once_never_move_more_than_there_is_and_crosswise_ones_do_not_deadlock(world: OperatorsWorld) -> None:
    one, other = await two_users(world, 10_000)
    await world.paid_deposit(other, 10_000)
    poor, rich = await two_users(world, 10_000)

    crosswise = [transfer_command(*((one, other) if n % 2 else (other, one)), 100) for n in range(40)]
    too_many = [transfer_command(poor, rich, 1_000) for _ in range(50)]
    answers = await asyncio.gather(*(make(world, command) for command in (*crosswise, *too_many)))

    assert all(isinstance(answer, UserTransferView) for answer in answers[:40])
    assert sum(isinstance(answer, UserTransferView) for answer in answers[40:]) == 10
    assert {answer for answer in answers[40:] if isinstance(answer, str)} == {"insufficient_funds"}
    assert [await world.available(user) for user in (one, other, poor, rich)] == [10_000, 10_000, 0, 10_000]


async def test_a_transfer_of_nobody_who_never_had_anything(world: OperatorsWorld) -> None:
    assert await make(world, transfer_command(world.somebody(), world.somebody())) == "insufficient_funds"
    assert await seen(world, new_id(), "9", is_admin=True) == "transfer_not_found"
