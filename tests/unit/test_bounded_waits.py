"""Nobody's silence stops what does not need them: who waits for wallet is bounded in number, whoever hangs in a saga in time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.payments.ledger import AT_ONCE, Ledger, Silent
from services.payments.sagas import SagaRunner
from shared.contracts.base import Message, new_id
from shared.contracts.topology import PAYMENTS_COMMANDS
from shared.contracts.wallet_commands import HoldReleased, ReleaseHold


class Wallet:
    """Answers each command after `seconds`; never, when that is none."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.waiting = 0
        self.most = 0

    async def ask(self, message: Message, answers: object, *, timeout_seconds: float) -> HoldReleased:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            await asyncio.sleep(timeout_seconds if self.seconds is None else self.seconds)
        finally:
            self.waiting -= 1
        return HoldReleased(reference="hold-1", released_minor=1)


def ledger_of(wallet: Any) -> Ledger:
    return Ledger(wallet)


def a_release() -> ReleaseHold:
    return ReleaseHold(correlation_id="r", reference="hold-1")


async def test_while_wallet_is_silent_only_some_wait_for_it_and_the_commands_that_need_none_find_a_place() -> None:
    wallet = Wallet(None)
    ledger = ledger_of(wallet)
    asking = [asyncio.create_task(ledger.release(a_release())) for _ in range(PAYMENTS_COMMANDS.prefetch)]

    done, waiting = await asyncio.wait(asking, timeout=1.5)

    assert (wallet.most, len(waiting)) == (AT_ONCE, AT_ONCE)
    assert len(done) == PAYMENTS_COMMANDS.prefetch - AT_ONCE > 0
    assert all(isinstance(task.exception(), Silent) for task in done), "as if wallet had not answered: it is asked again later"
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    wallet.seconds = 0
    assert isinstance(await ledger.release(a_release()), HoldReleased), "who gave up has left its place"


async def test_a_wallet_that_answers_serves_everybody_in_turn() -> None:
    wallet = Wallet(0.01)
    ledger = ledger_of(wallet)

    answers = await asyncio.gather(*(ledger.release(a_release()) for _ in range(10 * AT_ONCE)))

    assert all(isinstance(answer, HoldReleased) for answer in answers)
    assert wallet.most == AT_ONCE


class Hanging:
    """One of its sagas hangs for ever, the others end."""

    name = "hanging"

    def __init__(self) -> None:
        self.ids = [new_id() for _ in range(3)]
        self.advanced: list[UUID] = []

    async def take_due(self, limit: int) -> Sequence[UUID]:
        return self.ids

    async def advance(self, saga_id: UUID) -> None:
        if saga_id == self.ids[0]:
            await asyncio.Event().wait()
        self.advanced.append(saga_id)


async def test_a_saga_that_hangs_is_left_so_that_its_neighbours_and_those_after_them_go_on() -> None:
    saga = Hanging()

    async with asyncio.timeout(2):
        assert await SagaRunner([saga], advance_seconds=0.05).run_due(saga) == 3

    assert saga.advanced == saga.ids[1:]
