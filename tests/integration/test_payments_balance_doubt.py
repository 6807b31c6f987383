"""Payments from the balance whose first asking of wallet goes unanswered: each ends by the next answer, and moves once or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from shared.contracts.payment_commands import InProgress
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


async def test_not_enough_is_the_end_and_an_asking_that_arrives_late_moves_nothing(world: PaymentsWorld, ledger: MemoryLedger) -> None:
    """The first asking lies in wallet's queue, its repeat finds too little; then the payer tops up."""
    ledger.silent = True
    command = intent_command(method="balance", idempotency=sameness("key-1", operation=CREATE))
    first = await world.intents.create(command)
    assert isinstance(first.answer, InProgress)
    ledger.silent, ledger.balances["1"] = False, 0

    await make_due(world)
    await world.reconciler.reconcile_due()
    ledger.balances["1"] = 10_000
    await ledger.move(ledger.asked[0])  # the first one arrives at last

    view = await view_of(world, command.payment_id)
    assert view is not None
    assert view.problem is not None
    assert (view.status, view.problem.code, ledger.balances["1"]) == ("failed", "insufficient_funds", 10_000)
    again = await world.intents.create(command)
    assert again.answer == view.problem


async def test_a_move_whose_answer_is_lost_is_found_by_the_next_asking(world: PaymentsWorld, ledger: MemoryLedger) -> None:
    ledger.loses = 1
    command = intent_command(method="balance", idempotency=sameness("key-1", operation=CREATE))
    await world.intents.create(command)
    assert await status_of(world, command.payment_id) == "pending"

    await make_due(world)
    await world.reconciler.reconcile_due()

    assert await status_of(world, command.payment_id) == "completed"
    assert ledger.balances["1"] == 5_000
