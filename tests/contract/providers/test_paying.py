"""Paying, at every provider: what is paid is credited once, what is not is not, in every kind of currency that it takes."""

from __future__ import annotations

import pytest

from shared.contracts.payment_commands import Refused
from shared.money import EXPONENTS, Money
from tests.contract.providers.world import ProviderWorld, session_of

plays, can, cannot = pytest.mark.plays, pytest.mark.can, pytest.mark.cannot


async def test_what_the_payer_pays_is_credited_once(world: ProviderWorld) -> None:
    made = await world.deposit()
    assert await world.status(made) == "pending"
    await world.stage.pay(session_of(made))
    await world.arrive()
    assert await world.status(made) == "completed"
    assert await world.available(made) == made.amount_minor
    assert await world.credits(made) == 1


async def test_sums_of_every_number_of_decimals_come_back_as_they_went(world: ProviderWorld) -> None:
    for money in world.stage.sums:
        made = await world.deposit(money)
        await world.stage.pay(session_of(made))
        await world.arrive()
        assert await world.status(made) == "completed"
        (charge,) = [charge for charge in await world.stage.charges() if charge.session_id == made.session_id]
        assert charge.money == money
        assert await world.available(made) == money.amount_minor


@plays("attempts")
async def test_a_declined_attempt_leaves_the_payment_open_and_the_next_one_pays_it(world: ProviderWorld) -> None:
    made = await world.deposit()
    await world.stage.decline(session_of(made))
    await world.arrive()
    assert await world.status(made) == "pending"
    await world.stage.pay(session_of(made))
    await world.arrive()
    assert await world.status(made) == "completed"


async def test_what_is_declined_is_not_credited(world: ProviderWorld) -> None:
    made = await world.deposit()
    await world.stage.decline(session_of(made))
    await world.arrive()
    assert await world.status(made) in ("failed", "pending")
    assert await world.available(made) == 0


@plays("3ds")
@pytest.mark.parametrize("passes", [True, False], ids=["passed", "not passed"])
async def test_3d_secure_decides(world: ProviderWorld, passes: bool) -> None:
    made = await world.deposit()
    await world.stage.pay_with_3ds(session_of(made), passes=passes)
    await world.arrive()
    told = await world.status(made)
    assert told == "completed" if passes else told in ("failed", "pending")
    assert await world.available(made) == (made.amount_minor if passes else 0)


@plays("give_up")
async def test_a_payer_who_gives_up_has_paid_nothing(world: ProviderWorld) -> None:
    made = await world.deposit()
    await world.stage.give_up(session_of(made))
    await world.arrive()
    assert await world.status(made) in ("pending", "canceled", "failed")
    assert await world.available(made) == 0


@plays("confirm")
async def test_confirming_asks_the_provider_and_no_webhook_is_needed(world: ProviderWorld) -> None:
    world.stage.deliveries.switches.drop = True
    made = await world.deposit()
    await world.stage.pay(session_of(made))
    assert await world.confirm(made) == "completed"
    await world.credit()
    assert await world.available(made) == made.amount_minor


@can("status")
async def test_the_reconciler_finds_what_no_webhook_told(world: ProviderWorld) -> None:
    world.stage.deliveries.switches.drop = True
    made = await world.deposit()
    await world.stage.pay(session_of(made))
    await world.reconcile()
    assert await world.status(made) == "completed"
    assert await world.available(made) == made.amount_minor


@cannot("status")
async def test_a_provider_that_cannot_be_asked_is_named_and_nothing_is_pretended(world: ProviderWorld) -> None:
    made = await world.deposit()
    assert await world.confirm(made) == "operation_not_supported"
    await world.reconcile()
    assert await world.status(made) == "pending"
    await world.stage.pay(session_of(made))
    await world.arrive()
    assert await world.confirm(made) == "completed"


@plays("faults")
@can("cancel")
async def test_a_canceled_payment_cannot_be_paid_any_more(world: ProviderWorld) -> None:
    made = await world.deposit()
    assert await world.cancel(made) == "canceled"
    assert await world.status(made) == "canceled"
    with pytest.raises(Exception):  # noqa: B017, PT011 - each stand-in's own refusal
        await world.stage.pay(session_of(made))
    await world.arrive()
    assert await world.available(made) == 0


@plays("confirm")
@can("cancel")
async def test_canceling_what_was_paid_a_moment_ago_completes_it(world: ProviderWorld) -> None:
    world.stage.deliveries.switches.drop = True
    made = await world.deposit()
    await world.stage.pay(session_of(made))
    assert await world.cancel(made) == "already_paid"
    await world.credit()
    assert await world.status(made) == "completed"
    assert await world.available(made) == made.amount_minor


async def test_a_session_that_nobody_paid_in_time_expires(world: ProviderWorld) -> None:
    made = await world.deposit()
    await world.expire(made)
    assert await world.status(made) == "expired"
    assert await world.available(made) == 0


@plays("slow")
async def test_what_the_bank_decides_later_is_neither_canceled_nor_over_until_it_has(world: ProviderWorld) -> None:
    made = await world.deposit()
    await world.stage.pay_slowly(session_of(made))
    await world.arrive()
    assert await world.cancel(made) == "payment_processing"
    await world.expire(made)
    (row,) = await world.payments.rows("select status from payments.payments where payment_id = $1", made.payment_id)
    assert row["status"] == "pending", "nobody says that it is over while the money is on its way"
    assert await world.status(made) == "pending", "nor does the clock"
    await world.stage.settle_slowly(session_of(made))
    await world.arrive()
    assert await world.status(made) == "completed"
    assert await world.available(made) == made.amount_minor


@cannot("cancel")
async def test_where_sessions_cannot_be_ended_late_money_is_credited_all_the_same(world: ProviderWorld) -> None:
    made = await world.deposit()
    await world.expire(made)
    await world.stage.pay(session_of(made))
    await world.arrive()
    assert await world.status(made) == "completed"
    assert await world.available(made) == made.amount_minor


@cannot("cancel")
@can("status")
async def test_late_money_is_found_even_when_no_webhook_tells_of_it(world: ProviderWorld) -> None:
    made = await world.deposit()
    await world.expire(made)
    world.stage.deliveries.switches.drop = True
    await world.stage.pay(session_of(made))
    await world.reconcile()
    assert await world.status(made) == "completed"


async def test_a_currency_that_the_provider_does_not_take_is_refused_by_its_name(world: ProviderWorld) -> None:
    missing = sorted(set(EXPONENTS) - set(world.stage.provider.currencies))
    refused = [await world.ask(Money(10_000, currency)) for currency in missing[:3]]
    assert [answer.code for answer in refused if isinstance(answer, Refused)] == ["currency_not_available"] * len(missing[:3])
    assert all(world.stage.name in answer.detail for answer in refused if isinstance(answer, Refused))
