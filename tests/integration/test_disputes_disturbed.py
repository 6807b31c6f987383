"""Disputes beside what else takes the same money: refunds under way, refunds made at the provider's site, other disputes, withdrawals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import pytest

from services.payments.domain.payments import Payment
from tests.integration.operators_world import OperatorsWorld, mock_event, operators_world
from tests.integration.refunds_world import refund_event


@pytest.fixture(scope="module")
async def running(module_database_url: str) -> AsyncIterator[OperatorsWorld]:
    async with operators_world(module_database_url) as world:
        yield world


@pytest.fixture
async def world(running: OperatorsWorld) -> AsyncIterator[OperatorsWorld]:
    yield running
    running.refunds.withdrawals.holds.clear()
    running.refunds.withdrawals.canceled.clear()


def told(made: Any, event: str, **data: Any) -> Any:
    return mock_event(f"dispute.{event}", made.session_id, dispute=f"dp_{made.session_id.hex}", **data)


async def pending_refund(world: OperatorsWorld, payment: Payment) -> Any:
    """A refund that the provider has and tells later of."""
    made = await world.refunds.refund(payment, reason="mock:pending")
    assert made.refund_status == "pending"
    return made.refund_id


async def test_a_refund_under_way_that_fails_leaves_the_dispute_to_its_owner(world: OperatorsWorld) -> None:
    """A bank that disputes a charge declines its refund: then nothing has gone back before."""
    payment = await world.refunds.paid(kind="payment", fee_minor=500)
    refund_id = await pending_refund(world, payment)
    await world.tell(told(payment, "opened"))
    await world.resume()
    assert await world.dispute_status(payment.payment_id) == "open", "told at once"
    assert await world.refunds.available(payment.mentor_id) == (0, 4_500), "nobody knows yet who bears it"

    assert await world.tell(refund_event(payment, 5_000, refund_id=refund_id, reference=f"re_{refund_id}", status="failed")) == ["applied"]
    await world.refunds.resume()
    await world.resume()

    assert await world.refunds.available(payment.mentor_id) == (0, 0)
    assert await world.refunds.moved(payment) == {}, "as if it had never been paid"


async def test_a_refund_under_way_that_succeeds_is_the_platforms_loss(world: OperatorsWorld) -> None:
    payment = await world.refunds.paid(kind="payment", fee_minor=500)
    refund_id = await pending_refund(world, payment)
    await world.tell(told(payment, "opened"))
    await world.resume()

    await world.tell(refund_event(payment, 5_000, refund_id=refund_id, reference=f"re_{refund_id}"))
    await world.refunds.resume()
    (due,) = await world.rows("select next_at <= clock_timestamp() as now from payments.disputes where payment_id = $1", payment.payment_id)
    assert due["now"], "the refund's end has woken it"
    await world.resume()

    assert await world.refunds.available(payment.mentor_id) == (0, 0)
    assert await world.refunds.moved(payment) == {"clearing:mock": 5_000, "loss:platform": -5_000}


async def test_a_refund_that_stays_pending_holds_a_dispute_up_for_an_hour_at_most(world: OperatorsWorld) -> None:
    payment = await world.refunds.paid()
    await pending_refund(world, payment)
    await world.tell(told(payment, "opened"))
    await world.resume()
    assert await world.refunds.moved(payment) == {"clearing:mock": -5_000, f"held:{payment.user_id}": 5_000}, "nobody bears it yet"
    await world.rows(
        "update payments.disputes set created_at = created_at - interval '61 minutes' where payment_id = $1 returning 1", payment.payment_id
    )
    await world.resume()

    (row,) = await world.rows("select state, loss_minor from payments.disputes where payment_id = $1", payment.payment_id)
    assert (row["state"], row["loss_minor"]) == ("open", 5_000)


async def two_disputes(world: OperatorsWorld) -> tuple[str, list[UUID]]:
    """Somebody who has 1,000 and four unsent withdrawals of 500, and two disputes of 1,000 each."""
    payer = world.somebody()
    made = [await world.paid_deposit(payer, 1_000) for _ in range(3)]
    world.refunds.withdrawals.holds[:] = [(await world.refunds.spend(payer, 500), 500) for _ in range(4)]
    await world.tell(*(told(one, "opened", amount_minor=1_000) for one in made[:2]))
    rows = await world.rows("select dispute_id from payments.disputes where owner_id = $1", payer)
    return payer, [row["dispute_id"] for row in rows]


async def test_two_disputes_at_once_let_as_many_withdrawals_give_way_as_have_to(world: OperatorsWorld) -> None:
    payer, disputes = await two_disputes(world)

    await asyncio.gather(*map(world.disputes.advance, disputes))

    assert await world.refunds.available(payer) == (0, 1_000), "1,000 was there, 1,000 gave way"
    assert len(world.refunds.withdrawals.canceled) == 2


async def test_two_replicas_leave_nobody_below_zero_beside_an_unsent_withdrawal(
    world: OperatorsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    payer, disputes = await two_disputes(world)
    both, looked, available = asyncio.Barrier(2), 0, world.ledger.available

    async def available_to_both(user_id: str, currency: str, correlation_id: str) -> int:
        nonlocal looked
        looked += 1
        found = await available(user_id, currency, correlation_id)
        if looked <= 2:
            await asyncio.wait_for(both.wait(), 5)  # each has looked before the other takes anything
        return found

    monkeypatch.setattr(world.ledger, "available", available_to_both)
    replicas = [replace(world.disputes, owners=WeakValueDictionary()) for _ in disputes]
    await asyncio.gather(*(replica.advance(dispute) for replica, dispute in zip(replicas, disputes, strict=True)))

    left, held = await world.refunds.available(payer)
    assert left >= 0
    assert left + held == 1_000


@pytest.mark.parametrize("end", ["lost", "open"])
async def test_a_refund_made_at_the_providers_site_of_a_disputed_charge_is_not_taken_from_its_owner_twice(
    world: OperatorsWorld, end: str
) -> None:
    payment = await world.refunds.paid(kind="payment", fee_minor=500)
    other = await world.refunds.paid(kind="payment", fee_minor=500, mentor_id=payment.mentor_id)
    await world.tell(told(payment, "opened"))
    await world.resume()
    if end == "lost":
        await world.tell(told(payment, "lost"))

    assert await world.tell(refund_event(payment, 2_000)) == ["applied"]
    await world.refunds.resume()

    assert await world.refunds.available(payment.mentor_id) == (4_500, 0), "what the other payment has brought"
    assert await world.refunds.moved(payment) == {"clearing:mock": 2_000, "loss:platform": -2_000}, "the fee went back with the dispute"
    assert await world.refunds.moved(other) != {}
