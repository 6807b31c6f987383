"""The mock's controls: what it is made to say takes the road of every event, when it is due, as often as was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from services.payments.handlers.mock_controls import MockControls
from services.payments.providers.mock.events import MockEvents
from shared.contracts.base import new_id
from shared.contracts.mock_controls import MockEventScheduled
from shared.contracts.payment_events import ProviderEventReceived
from shared.delivery.errors import NotConfirmed
from shared.keys import Keys
from tests.integration.operators_world import OperatorsWorld, operators_world
from tests.integration.payments_world import ANSWERS, SECRET


@pytest.fixture(scope="module")
async def world(module_database_url: str) -> AsyncIterator[OperatorsWorld]:
    async with operators_world(module_database_url) as world:
        yield world


async def scheduled(world: OperatorsWorld, session_id: UUID, outcome: str = "success", **changes: object) -> MockEventScheduled:
    answer = await world.control(session_id, outcome, **changes)  # type: ignore[arg-type]
    assert isinstance(answer, MockEventScheduled), answer
    return answer


async def test_a_success_decides_the_session_and_completes_the_payment(world: OperatorsWorld) -> None:
    payer = world.somebody()
    made = await world.deposit(payer)

    answer = await scheduled(world, made.session_id)

    assert (answer.payment_id, answer.session_id, answer.times) == (made.payment_id, made.session_id, 1)
    assert await world.status(made.payment_id) == "pending", "not before it is told"
    assert await world.tell_due() == ["applied"]
    assert await world.available(payer) == 5_000
    assert await world.audited(f"payment:{made.payment_id}") == [("user:9", "mock.success")]
    proof = await world.refunds.payments.decide(made.session_id, user_id=payer)
    assert await world.tell(proof) == ["applied"], "completing it on the page now is the same event, kept once"
    assert await world.available(payer) == 5_000


async def test_an_intent_is_named_by_its_payment(world: OperatorsWorld) -> None:
    made = await world.deposit(world.somebody())

    assert (await scheduled(world, made.payment_id, "failure")).session_id == made.session_id
    assert await world.tell_due() == ["applied"]
    assert await world.status(made.payment_id) == "failed"


@pytest.mark.parametrize("before", ["failure", "expired"])
async def test_a_contrary_success_completes_what_was_over(world: OperatorsWorld, before: str) -> None:
    payer = world.somebody()
    made = await world.deposit(payer)
    if before == "failure":
        await scheduled(world, made.session_id, "failure")
        await world.tell_due()
    else:
        await world.rows(
            "update payments.payments set expires_at = now(), reconcile_at = now() where payment_id = $1 returning 1", made.payment_id
        )
        await world.rows("update payments.mock_sessions set expires_at = now() where payment_id = $1 returning 1", made.payment_id)
        await world.reconciler.reconcile_due()
    assert await world.status(made.payment_id) == ("failed" if before == "failure" else "expired")

    await scheduled(world, made.session_id)
    assert await world.tell_due() == ["applied"]

    assert await world.available(payer) == 5_000
    assert await world.dispute(made.payment_id, "opened") == "applied", "what the contrary event charged can be disputed"


async def test_another_success_is_a_second_charge_and_a_duplicate_is_none(world: OperatorsWorld) -> None:
    payer = world.somebody()
    made = await world.deposit(payer)

    await scheduled(world, made.session_id, duplicate=3)
    await world.mock_events.tell_due()
    assert len({event.body for event in world.published}) == 1
    assert len(world.published) == 4
    assert await world.tell_due() == ["applied"] * 4
    await scheduled(world, made.session_id)
    assert await world.tell_due() == ["second_payment"]
    await world.resume()

    assert await world.available(payer) == 10_000


async def test_another_sum_is_what_the_provider_says_from_then_on(world: OperatorsWorld) -> None:
    payer = world.somebody()
    made = await world.deposit(payer)

    await scheduled(world, made.session_id, amount="49.99")
    assert await world.tell_due() == ["less_than_asked"]
    await world.rows("update payments.payments set reconcile_at = now() where payment_id = $1 returning 1", made.payment_id)
    await world.reconciler.reconcile_due()

    assert await world.status(made.payment_id) == "pending"
    assert [item.amount_minor for item in await world.items(made.payment_id)] == [4_999]


async def test_what_it_cannot_be_made_to_say(world: OperatorsWorld) -> None:
    made = await world.deposit(world.somebody())

    assert await world.control(new_id(), "success") == "session_not_found"
    assert await world.control(made.session_id, "success", amount="50.001") == "invalid_amount"
    assert await world.control(made.session_id, "success", amount="50.5", currency="jpy") == "invalid_amount"
    assert await world.dispute(made.payment_id, "opened") == "payment_not_disputable"
    from_balance = await world.refunds.paid(kind="payment", provider="balance", credited=False)
    assert await world.dispute(from_balance.payment_id, "opened") == "payment_not_disputable", "it is there, and no bank knows of it"
    assert await world.dispute(new_id(), "opened") == "payment_not_found"
    world.controls, on = MockControls(world.refunds.payments.pool, ANSWERS, on=False, wake=lambda: None), world.controls
    try:
        assert await world.control(made.session_id, "success") == "session_not_found"
    finally:
        world.controls = on
    assert await world.rows("select 1 from payments.mock_events where session_id = $1", made.session_id) == []


async def test_the_same_key_schedules_once(world: OperatorsWorld) -> None:
    made = await world.deposit(world.somebody())

    first, again = [await world.control(made.session_id, "success", "key-1") for _ in range(2)]

    assert first == again
    (row,) = await world.rows("select count(*) as n from payments.mock_events where session_id = $1", made.session_id)
    assert row["n"] == 1
    await world.tell_due()


async def test_delayed_it_is_told_when_it_is_due_by_whoever_runs_then(world: OperatorsWorld) -> None:
    """The book keeps it: a restart forgets nothing, and one replica tells it."""
    payer = world.somebody()
    made = await world.deposit(payer)
    await scheduled(world, made.session_id, delay_seconds=600)
    assert await world.tell_due() == []

    await world.rows("update payments.mock_events set due_at = now() where session_id = $1 returning 1", made.session_id)
    told: list[ProviderEventReceived] = []

    async def publish(event: ProviderEventReceived) -> None:
        told.append(event)

    replicas = [MockEvents(world.refunds.payments.pool, Keys((SECRET,)), publish) for _ in range(5)]
    await asyncio.gather(*(replica.tell_due() for replica in replicas))

    assert len(told) == 1
    assert await world.tell(*told) == ["applied"]
    assert await world.available(payer) == 5_000


async def test_what_may_not_have_been_told_is_told_again(world: OperatorsWorld) -> None:
    made = await world.deposit(world.somebody())
    await scheduled(world, made.session_id)

    async def not_confirmed(_: ProviderEventReceived) -> None:
        raise NotConfirmed("nobody knows")

    with pytest.raises(NotConfirmed):
        await MockEvents(world.refunds.payments.pool, Keys((SECRET,)), not_confirmed).tell_due()
    assert await world.tell_due() == [], "somebody is at it"

    await world.rows("update payments.mock_events set leased_until = now() where session_id = $1 returning 1", made.session_id)
    assert await world.tell_due() == ["applied"]


async def test_the_loop_is_woken_by_what_is_due_now(world: OperatorsWorld) -> None:
    made = await world.deposit(world.somebody())
    told = asyncio.Event()

    async def publish(_: ProviderEventReceived) -> None:
        told.set()

    events = MockEvents(world.refunds.payments.pool, Keys((SECRET,)), publish)
    await events.start()
    try:
        await scheduled(world, made.session_id)
        events.wake()
        async with asyncio.timeout(5):
            await told.wait()
    finally:
        await events.stop()
