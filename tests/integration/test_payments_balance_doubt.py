"""While wallet's answer to one asking is not known, "not enough" to another is not the end of a payment from the balance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from shared.contracts.intents import IntentCreated
from shared.contracts.payment_commands import InProgress, Refused
from shared.contracts.wallet_commands import FundsMoved, MoveFunds
from tests.integration.intents_world import CREATE, MemoryLedger, emptied, intent_command, make_due, status_of, view_of
from tests.integration.payments_world import PaymentsWorld, payments_world, sameness

LEDGER = MemoryLedger()


@pytest.fixture(scope="module")
async def running(module_database_url: str) -> AsyncIterator[PaymentsWorld]:
    async with payments_world(module_database_url, fee_bps=1_000, ledger=LEDGER) as made:
        yield made


@pytest.fixture
def ledger() -> Iterator[MemoryLedger]:
    """User 1 has 100.00 usd."""
    LEDGER.__init__(user_1=10_000)  # type: ignore[misc]
    yield LEDGER
    vars(LEDGER).pop("move", None)


@pytest.fixture
async def world(running: PaymentsWorld, module_database_url: str, ledger: MemoryLedger) -> PaymentsWorld:
    return await emptied(running, module_database_url)


async def test_not_enough_is_not_the_end_while_an_unanswered_asking_may_still_reach_wallet(
    world: PaymentsWorld, ledger: MemoryLedger
) -> None:
    """The first asking lies in wallet's queue; if its repeat's "not enough" ended the payment, a top-up would let the first one take the
    money for a payment that was told as failed."""
    ledger.silent = True
    command = intent_command(method="balance", idempotency=sameness("key-1", operation=CREATE))
    await world.intents.create(command)
    ledger.silent, ledger.balances["1"] = False, 0

    for _ in range(3):
        await make_due(world, age_seconds=60)
        await world.reconciler.reconcile_due()
        assert await status_of(world, command.payment_id) == "pending"

    ledger.balances["1"] = 10_000
    await ledger.move(ledger.asked[0])  # the first one arrives at last
    await make_due(world, age_seconds=60)
    await world.reconciler.reconcile_due()
    assert await status_of(world, command.payment_id) == "completed"
    assert ledger.balances["1"] == 5_000


async def test_once_it_cannot_arrive_any_more_not_enough_is_the_end(world: PaymentsWorld, ledger: MemoryLedger) -> None:
    ledger.silent = True
    command = intent_command(method="balance", idempotency=sameness("key-1", operation=CREATE))
    await world.intents.create(command)
    ledger.silent, ledger.balances["1"] = False, 0

    await make_due(world, age_seconds=301)
    await world.reconciler.reconcile_due()

    view = await view_of(world, command.payment_id)
    assert view is not None
    assert view.problem is not None
    assert (view.status, view.problem.code) == ("failed", "insufficient_funds")
    again = await world.intents.create(command)
    assert again.answer == view.problem


@pytest.mark.parametrize("answered_first", ["refused", "moved"])
async def test_of_two_askings_at_once_the_one_that_finds_too_little_does_not_end_what_the_other_moves(
    world: PaymentsWorld, ledger: MemoryLedger, answered_first: str
) -> None:
    """The reconciler asks while the command still waits for its answer; money comes in between the two."""
    answers = {"refused": asyncio.Event(), "moved": asyncio.Event()}
    asked = asyncio.Queue[None]()

    async def refused_then_moved(command: MoveFunds) -> FundsMoved | Refused:
        kind = "refused" if asked.empty() else "moved"
        asked.put_nowait(None)
        await answers[kind].wait()
        if kind == "refused":
            return Refused(code="insufficient_funds", detail="not enough", request_id="r")
        return await MemoryLedger.move(ledger, command)

    ledger.move = refused_then_moved  # type: ignore[method-assign]
    command = intent_command(method="balance", idempotency=sameness("key-1", operation=CREATE))
    creating = asyncio.create_task(world.intents.create(command))
    async with asyncio.timeout(10):
        while asked.qsize() < 1:
            await asyncio.sleep(0.001)
        await make_due(world)
        reconciling = asyncio.create_task(world.reconciler.reconcile_due())
        while asked.qsize() < 2:
            await asyncio.sleep(0.001)
        for kind in ("refused", "moved") if answered_first == "refused" else ("moved", "refused"):
            answers[kind].set()
            await (creating if kind == "refused" else reconciling)

    assert await status_of(world, command.payment_id) == "completed"
    reply = creating.result()
    assert isinstance(reply.answer, InProgress if answered_first == "refused" else IntentCreated)
    assert ledger.balances["1"] == 5_000
