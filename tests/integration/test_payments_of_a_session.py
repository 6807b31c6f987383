"""What a payer has begun and paid for a session: what can go on, what is paid, and what makes the next attempt another one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.payments.store import session_payments
from shared.contracts.base import utc_now
from shared.contracts.sessions import GetSessionPayments, SessionPayments
from shared.postgres import transaction
from tests.integration.explained import Explained
from tests.integration.intents_world import MemoryLedger, an_intent, cancel_command, confirmed, emptied, refusal_of
from tests.integration.payments_world import PaymentsWorld, payments_world

NOTHING = SessionPayments(open=None, paid=None, ended_payment_id=None)


@pytest.fixture(scope="module")
async def running(module_database_url: str) -> AsyncIterator[PaymentsWorld]:
    async with payments_world(module_database_url, ledger=MemoryLedger()) as made:
        yield made


@pytest.fixture
async def world(running: PaymentsWorld, module_database_url: str) -> PaymentsWorld:
    return await emptied(running, module_database_url)


async def asked(world: PaymentsWorld, user_id: str = "1", session_id: str = "1") -> SessionPayments:
    return await world.sessions.payments(GetSessionPayments(correlation_id="q", session_id=session_id, user_id=user_id))


async def test_what_is_begun_is_open_and_its_payers_alone(world: PaymentsWorld) -> None:
    intent = await an_intent(world)
    found = await asked(world)

    assert found.open is not None
    assert (found.open.payment_id, found.open.status, found.open.method) == (intent.payment_id, "pending", "mock")
    assert (found.paid, found.ended_payment_id) == (None, None)
    assert [await asked(world, "2"), await asked(world, "3"), await asked(world, session_id="2")] == [NOTHING] * 3


async def test_what_is_paid_is_told_until_all_of_it_is_back(world: PaymentsWorld) -> None:
    intent = await an_intent(world)
    await confirmed(world, intent.payment_id)
    paid = await asked(world)
    async with world.pool.acquire() as db:
        await db.execute("update payments.payments set refunded_minor = 4999")
        partly = await asked(world)
        await db.execute("update payments.payments set refunded_minor = 5000")
    back = await asked(world)

    assert paid.paid is not None
    assert partly.paid is not None
    assert (paid.open, paid.paid.status, paid.ended_payment_id) == (None, "completed", intent.payment_id)
    assert partly.paid.status == "partially_refunded"
    assert (back.open, back.paid, back.ended_payment_id) == (None, None, intent.payment_id)


async def test_what_is_given_up_or_expired_or_was_refused_has_ended(world: PaymentsWorld) -> None:
    given_up = await an_intent(world)
    await world.confirming.cancel(cancel_command(given_up.payment_id))
    assert await asked(world) == NOTHING.model_copy(update={"ended_payment_id": given_up.payment_id})

    late = await an_intent(world)
    async with world.pool.acquire() as db:
        await db.execute("update payments.payments set expires_at = now() where payment_id = $1", late.payment_id)
    assert (await asked(world)).ended_payment_id == late.payment_id

    assert await refusal_of(world, method="balance") == "insufficient_funds"
    refused = await asked(world)
    assert refused.open is None
    assert refused.ended_payment_id not in (None, given_up.payment_id, late.payment_id)


async def test_the_newest_of_each_kind_is_told(world: PaymentsWorld) -> None:
    first, second = await an_intent(world), await an_intent(world)
    await confirmed(world, first.payment_id)
    third = await an_intent(world)
    found = await asked(world)

    assert found.open is not None
    assert found.paid is not None
    assert (found.open.payment_id, found.paid.payment_id) == (third.payment_id, first.payment_id)
    assert second.payment_id not in (found.open.payment_id, found.ended_payment_id)


async def test_a_walk_down_an_index_finds_it(world: PaymentsWorld) -> None:
    async with transaction(world.pool) as tx:
        await tx.execute("set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off")
        explained = Explained(tx)
        await session_payments.newest_open(explained.connection, "1", "1", utc_now())
    assert any("payments_of_session" in line for line in explained.plan), explained.plan
    assert not any("Sort" in line for line in explained.plan), explained.plan
