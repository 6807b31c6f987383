"""Money that goes back, at every provider: refunds by us, by its own site and failed later; disputes; and what a provider lacks."""

from __future__ import annotations

from typing import Any

import pytest

from shared.contracts.payment_commands import DepositCreated
from shared.contracts.refunds import RefundMade
from shared.money import Money
from tests.contract.providers.world import ProviderWorld, session_of

plays, can, cannot = pytest.mark.plays, pytest.mark.can, pytest.mark.cannot


async def paid(world: ProviderWorld, **changes: Any) -> DepositCreated:
    made = await world.deposit(**changes)
    await world.stage.pay(session_of(made))
    await world.arrive()
    assert await world.status(made) == "completed"
    return made


@can("refund")
async def test_a_whole_refund_takes_the_money_back_and_the_provider_has_it_once(world: ProviderWorld) -> None:
    made = await paid(world)
    refund = await world.refund(made)
    assert isinstance(refund, RefundMade)
    await world.arrive()
    assert await world.status(made) == "refunded"
    assert await world.available(made) == 0
    assert await world.refund(made) == "already_refunded"


@can("refund")
async def test_parts_add_up_and_never_go_beyond_what_was_paid(world: ProviderWorld) -> None:
    made = await paid(world)
    half = made.amount_minor // 2
    assert isinstance(await world.refund(made, half), RefundMade)
    await world.arrive()
    assert await world.status(made) == "partially_refunded"
    assert await world.refund(made, made.amount_minor) == "refund_exceeds_payment"
    assert isinstance(await world.refund(made, made.amount_minor - half), RefundMade)
    await world.arrive()
    assert await world.status(made) == "refunded"
    assert await world.available(made) == 0


@can("refund")
async def test_the_same_refund_asked_for_twice_is_one(world: ProviderWorld) -> None:
    made = await paid(world)
    half = made.amount_minor // 2
    first = await world.refund(made, half, key="refund-1")
    again = await world.refund(made, half, key="refund-1")
    assert isinstance(first, RefundMade)
    assert isinstance(again, RefundMade)
    assert again.refund_id == first.refund_id
    await world.arrive()
    assert await world.available(made) == made.amount_minor - half


@can("refund")
async def test_a_refunds_own_webhooks_change_nothing_more(world: ProviderWorld) -> None:
    world.stage.deliveries.switches.duplicate = 2
    made = await paid(world)
    await world.refund(made, made.amount_minor // 2)
    await world.arrive()
    assert await world.status(made) == "partially_refunded"
    assert await world.available(made) == made.amount_minor - made.amount_minor // 2


@can("refund")
@plays("fail_refunds")
async def test_a_refund_that_fails_after_it_had_succeeded_gives_the_money_back_to_its_owner(world: ProviderWorld) -> None:
    made = await paid(world)
    await world.refund(made)
    await world.arrive()
    assert await world.available(made) == 0
    await world.stage.fail_refunds(session_of(made))
    await world.arrive()
    assert await world.status(made) == "completed"
    assert await world.available(made) == made.amount_minor


@plays("refund_elsewhere")
async def test_a_refund_made_at_the_providers_own_site_is_booked_here(world: ProviderWorld) -> None:
    made = await paid(world)
    part = Money(made.amount_minor // 2, made.currency)
    await world.stage.refund_elsewhere(session_of(made), part)
    await world.arrive()
    assert await world.status(made) == "partially_refunded"
    assert await world.available(made) == made.amount_minor - part.amount_minor


@plays("disputes")
async def test_a_dispute_takes_the_money_and_winning_it_brings_it_back(world: ProviderWorld) -> None:
    made = await paid(world)
    await world.stage.dispute(session_of(made), "opened")
    await world.arrive()
    assert await world.status(made) == "disputed"
    assert await world.available(made) == 0
    await world.stage.dispute(session_of(made), "won")
    await world.arrive()
    assert await world.status(made) == "completed"
    assert await world.available(made) == made.amount_minor


@plays("disputes")
async def test_a_dispute_whose_end_comes_first_comes_to_the_same(world: ProviderWorld) -> None:
    made = await paid(world)
    world.stage.deliveries.hold()
    await world.stage.dispute(session_of(made), "opened")
    await world.stage.dispute(session_of(made), "won")
    world.stage.deliveries.switches.reorder = 20
    world.stage.deliveries.release()
    await world.arrive()
    assert await world.status(made) == "completed"
    assert await world.available(made) == made.amount_minor


@cannot("refund")
async def test_a_refund_that_the_provider_cannot_make_is_refused_by_name_and_can_be_recorded_by_hand(world: ProviderWorld) -> None:
    made = await paid(world)
    assert await world.refund(made) == "refund_not_supported"
    assert await world.available(made) == made.amount_minor, "no fake success"
    await world.stage.refund_elsewhere(session_of(made), Money(made.amount_minor, made.currency))
    recorded = await world.refund(made, manual_reference="cabinet-17")
    assert isinstance(recorded, RefundMade)
    await world.arrive()
    assert await world.status(made) == "refunded"
    assert await world.available(made) == 0
