"""Questions that wait for something leave room for those that do not."""

from __future__ import annotations

import asyncio

from services.payments import main as payments
from services.wallet import main as wallet
from shared.contracts.topology import PAYMENTS_QUERIES, WALLET_QUERIES
from shared.waiting import Waiters


def test_fewer_may_wait_than_a_service_is_handed_at_once() -> None:
    assert 0 < payments.WAITERS_MAX < PAYMENTS_QUERIES.prefetch
    assert 0 < wallet.WAITERS_MAX < WALLET_QUERIES.prefetch


async def test_who_comes_when_too_many_wait_is_answered_at_once() -> None:
    waiters: Waiters[str] = Waiters(limit=2)

    async def not_yet() -> bool:
        return False

    waiting = [asyncio.create_task(waiters.until("a", not_yet, bool, 60)) for _ in range(2)]
    await asyncio.sleep(0)
    async with asyncio.timeout(1):
        assert await waiters.until("b", not_yet, bool, 60) is False
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    third = asyncio.create_task(waiters.until("a", not_yet, bool, 60))
    await asyncio.sleep(0.01)
    assert not third.done(), "who has gone makes room"
    third.cancel()
