"""Whatever batches come, the ledger in SQL and a book of a few lines in memory agree on every outcome and every version."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.wallet.domain import InsufficientFunds, Outcome, Transfer
from shared.money import Money
from tests.integration.wallet_world import CLEARING, BookInMemory, WalletWorld, assert_book_is, empty, user, wallet_world

USERS = [user(name) for name in ("anna", "boris", "ćira")]
PAYMENTS = [None, UUID(int=1), UUID(int=2)]


@pytest.fixture(scope="module")
async def world(module_database_url: str) -> AsyncIterator[WalletWorld]:
    async with wallet_world(module_database_url) as world:
        yield world


@st.composite
def transfers(draw: st.DrawFn) -> Transfer:
    """Few users, sums and references, so that repeats, conflicts and empty accounts are common."""
    kind = draw(st.sampled_from(["deposit", "deposit", "deposit", "payment", "transfer", "dispute"]))
    first, second = draw(st.permutations(USERS))[:2]
    source, target = {"deposit": (CLEARING, first), "payment": (first, CLEARING), "dispute": (first, CLEARING)}.get(kind, (first, second))
    return Transfer(
        reference=f"mock:{draw(st.integers(1, 25))}",
        kind=kind,
        source=source,
        target=target,
        money=Money(draw(st.integers(1, 4)), draw(st.sampled_from(["rsd", "rsd", "jpy"]))),
        payment_id=draw(st.sampled_from(PAYMENTS)),
        description="",
        correlation_id="request-1",
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


batches = st.lists(st.lists(transfers(), min_size=1, max_size=8), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(batches=batches)
async def test_the_ledger_is_the_book_in_memory(world: WalletWorld, batches: list[list[Transfer]]) -> None:
    await empty(world)
    book = BookInMemory()
    for batch in batches:
        expected = book.post(batch)
        outcomes: list[Outcome] | None
        try:
            outcomes = await world.post(*batch)
        except InsufficientFunds:
            outcomes = None
        assert outcomes == expected
    await assert_book_is(world, book)
