"""Stripe's adapter, with the real library, against the stand-in: paying, declining, 3-D Secure, slow money, ending, each on both roads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from services.payments.domain.facts import Closed, Irrelevant, Look, Paid
from services.payments.providers.base import Accepted, BeingPaid, Canceled, Open, Payer, Rejected, Unavailable, Unknown
from services.payments.providers.stripe import client as stripe_client
from services.payments.providers.stripe.adapter import StripeProvider
from services.payments.providers.stripe.client import StripeApi
from shared.money import Money
from tests.contract.stripe_world import EUROS, PAGES, TTL, StripeWorld, proof, stripe_world
from tests.emulators.faults import Kind
from tests.emulators.stripe.emulator import TEST_WEBHOOK_SECRET

CREATE = "create_payment_intent"
FIND = "retrieve_payment_intent"
CANCEL = "cancel_payment_intent"


@pytest.fixture(scope="module")
async def _world() -> AsyncIterator[StripeWorld]:
    async with stripe_world() as world:
        yield world


@pytest.fixture
async def world(_world: StripeWorld, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StripeWorld]:
    monkeypatch.setattr(stripe_client, "_FIRST_DELAY_SECONDS", 0.001)
    yield _world
    _world.emulator.faults.off()
    await _world.facts()


# ---- opening


async def test_a_payment_is_opened_once_however_often_it_is_asked(world: StripeWorld) -> None:
    payment = world.asked()
    first, second = [await world.created(payment, again=again) for again in (False, True)]
    assert isinstance(first, Accepted)
    assert first == second
    (intent,) = world.intents_of(payment)
    assert (intent.id, intent.client_secret) == (first.provider_reference, first.client_secret)
    assert first.payment_url == f"https://pay.example/en/pay/{payment.session_id}"
    assert intent.view()["receipt_email"] == "payer@example.org"
    assert intent.view()["automatic_payment_methods"]["enabled"]


@pytest.mark.parametrize(
    "money",
    [
        Money(50, "usd"),
        Money(99_999_999, "rsd"),
        Money(50, "jpy"),
        Money(9_999_999_999, "jpy"),
        Money(999_999, "isk"),
        Money(40_000, "ugx"),
        Money(500_000, "mga"),
        Money(51_200, "kwd"),
        Money(17_500, "huf"),
        Money(999_999_999_999, "idr"),
    ],
    ids=lambda money: f"{money.major}{money.currency}",
)
async def test_sums_of_each_kind_of_currency_come_back_as_they_went(world: StripeWorld, money: Money) -> None:
    payment = await world.paid(money)
    expected = (payment.session_id, payment.provider_reference, money)
    assert proof([await world.provider.find(payment)]) == expected  # type: ignore[list-item]
    assert proof(await world.facts()) == expected


async def test_what_stripe_takes_in_no_such_sum_is_rejected_with_words_of_ours(world: StripeWorld) -> None:
    assert await world.created(world.asked(Money(49, "usd"))) == Rejected("the amount is too small")


@pytest.mark.parametrize("kind", ["cut_before", "cut_after", "504_after", "500_before", "500_after", "503", "429"])
async def test_one_fault_is_got_over(world: StripeWorld, kind: Kind) -> None:
    payment = world.asked()
    world.emulator.faults.once(kind, CREATE)
    made = await world.created(payment)
    assert isinstance(made, Accepted)
    assert await world.created(payment, again=True) == made
    # What a kept failure has left behind nobody has the secret of.
    assert len(world.intents_of(payment)) == (2 if kind == "500_after" else 1)
    await world.payer.pay(made.provider_reference)
    assert proof(await world.facts()) == (payment.session_id, made.provider_reference, EUROS)


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("cut_before", Unknown()),
        ("cut_after", Unknown()),
        ("504_after", Unknown()),
        ("503", Unknown()),
        ("429", Unavailable("too many requests")),
    ],
)
async def test_a_longer_outage_is_waited_for_under_the_same_key(world: StripeWorld, kind: Kind, made: object) -> None:
    payment = world.asked()
    world.emulator.faults.once(kind, CREATE, times=3)
    assert await world.created(payment) == made
    assert await world.provider.find(payment) == Open(expired=False)
    assert isinstance(await world.created(payment, again=True), Accepted)
    assert len(world.intents_of(payment)) == 1


async def test_what_takes_too_long_may_have_been_done(world: StripeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    payment = world.asked()
    world.emulator.faults.once("slow", CREATE, seconds=0.5, when="after")
    with monkeypatch.context() as impatient:
        impatient.setattr(stripe_client, "CALL_SECONDS", 0.1)
        assert await world.created(payment) == Unknown()
    # Stripe is still at it, and says so (409), until the first answer can be had.
    async with asyncio.timeout(5):
        while not isinstance(made := await world.created(payment, again=True), Accepted):
            assert made == Unknown()
    assert len(world.intents_of(payment)) == 1


@pytest.mark.parametrize("key", ["rk_test_emulator", "sk_test_of_somebody_else"])
async def test_a_key_that_may_not_is_no_fault_of_the_payment(world: StripeWorld, key: str) -> None:
    api = StripeApi(key, world.emulator.base_url)
    payment = world.asked()
    made = await StripeProvider(api, PAGES, session_ttl=TTL).create(payment, Payer(), again=False)
    await api.close()
    assert made == Unavailable("Stripe does not accept our key")
    assert isinstance(await world.created(payment, again=True), Accepted)


async def test_other_parameters_under_our_key_are_an_alarm_and_no_second_payment(world: StripeWorld) -> None:
    payment = await world.opened()
    assert await world.created(replace(payment, money=Money(6_000, "eur")), again=True) == Unknown()
    assert len(world.intents_of(payment)) == 1


async def test_a_forgotten_key_makes_another_intent_that_is_the_only_one_to_be_paid(world: StripeWorld) -> None:
    payment = world.asked()
    world.emulator.faults.once("cut_after", CREATE, times=3)
    assert await world.created(payment) == Unknown()
    await world.payer.advance(25 * 3600)
    made = await world.created(payment, again=True)
    assert isinstance(made, Accepted)
    lost, answered = world.intents_of(payment)
    assert (lost.id != made.provider_reference, answered.id) == (True, made.provider_reference)


# ---- paying


async def test_nobody_has_paid_yet(world: StripeWorld) -> None:
    payment = await world.opened()
    assert await world.provider.find(payment) == Open(expired=False)
    assert set(await world.facts()) == {Irrelevant("type payment_intent.created")}


async def test_a_declined_attempt_leaves_it_open_for_the_next(world: StripeWorld) -> None:
    payment = await world.opened()
    await world.payer.decline(payment.provider_reference)
    assert await world.provider.find(payment) == Open(expired=False)
    assert Irrelevant("attempt declined") in await world.facts()
    await world.payer.pay(payment.provider_reference)
    expected = (payment.session_id, payment.provider_reference, EUROS)
    assert proof([await world.provider.find(payment)]) == expected  # type: ignore[list-item]
    assert proof(await world.facts()) == expected


async def test_three_d_secure_that_is_passed(world: StripeWorld) -> None:
    payment = await world.opened()
    await world.payer.start_3ds(payment.provider_reference)
    assert await world.provider.find(payment) == Open(expired=False)
    await world.payer.require_3ds(payment.provider_reference, True)
    assert isinstance(await world.provider.find(payment), Paid)
    assert proof(await world.facts())[2] == EUROS


async def test_three_d_secure_that_fails_can_be_tried_again(world: StripeWorld) -> None:
    payment = await world.opened()
    await world.payer.require_3ds(payment.provider_reference, False)
    assert await world.provider.find(payment) == Open(expired=False)
    assert not await world.paying_of(payment)
    await world.payer.require_3ds(payment.provider_reference, True)
    assert isinstance(await world.provider.find(payment), Paid)


async def test_slow_money_is_waited_for_and_cannot_be_called_off(world: StripeWorld) -> None:
    payment = await world.opened()
    assert await world.payer.pay_slowly(payment.provider_reference) == "processing"
    assert await world.provider.find(payment) == Open(expired=False, being_paid=True)
    assert await world.provider.cancel(payment) == BeingPaid()
    assert [type(fact) for fact in await world.paying_of(payment)] == [Look]
    await world.payer.settle(payment.provider_reference)
    assert isinstance(await world.provider.cancel(payment), Paid)
    assert proof(await world.facts())[2] == EUROS


async def test_slow_money_that_does_not_come_leaves_it_open(world: StripeWorld) -> None:
    payment = await world.opened()
    await world.payer.pay_slowly(payment.provider_reference, succeeds=False)
    await world.payer.settle(payment.provider_reference)
    assert await world.provider.find(payment) == Open(expired=False)
    assert await world.provider.cancel(payment) == Canceled()


@pytest.mark.parametrize(("kind", "times"), [("429", 3), ("503", 3), ("cut_before", 3), ("504_after", 3)])
async def test_silence_when_asked_says_nothing(world: StripeWorld, kind: Kind, times: int) -> None:
    payment = await world.paid()
    world.emulator.faults.once(kind, FIND, times=times)
    assert await world.provider.find(payment) == Unknown()
    assert isinstance(await world.provider.find(payment), Paid)


async def test_another_accounts_key_finds_nothing_and_concludes_nothing(world: StripeWorld) -> None:
    payment = replace(await world.opened(), provider_reference="pi_of_somebody_else")
    assert await world.provider.find(payment) == Unknown()
    assert await world.provider.cancel(payment) == Unknown()


async def test_somebody_elses_payments_are_kept_and_ignored(world: StripeWorld) -> None:
    await world.payer.pay_elsewhere(1_250, "eur")
    assert Irrelevant("no reference of ours") in (facts := await world.facts())
    assert all(isinstance(fact, Irrelevant) for fact in facts)


async def test_an_endpoint_of_another_version_makes_us_ask(world: StripeWorld) -> None:
    older = world.emulator.events.add_endpoint(world.receiver.url("stripe"), ["*"], "2025-03-31.basil", TEST_WEBHOOK_SECRET)
    payment = await world.paid()
    told = await world.paying_of(payment)
    del world.emulator.events.endpoints[older.id]
    assert sorted(type(fact).__name__ for fact in told) == ["Look", "Paid"]
    assert Look(payment.session_id) in told  # type: ignore[arg-type]


# ---- ending


async def test_what_is_ended_nobody_can_pay(world: StripeWorld) -> None:
    payment = await world.opened()
    assert await world.provider.cancel(payment) == Canceled()
    (intent,) = world.intents_of(payment)
    assert (intent.status, intent.cancellation_reason) == ("canceled", "abandoned")
    with pytest.raises(ValueError, match="canceled"):
        await world.payer.pay(payment.provider_reference)
    assert isinstance(await world.provider.find(payment), Closed)
    assert [type(fact) for fact in await world.paying_of(payment)] == [Closed]
    assert await world.provider.cancel(payment) == Canceled()


async def test_what_is_paid_cannot_be_ended(world: StripeWorld) -> None:
    payment = await world.paid()
    ended = await world.provider.cancel(payment)
    assert isinstance(ended, Paid)
    assert (ended.charge_reference, ended.money) == (payment.provider_reference, EUROS)


async def test_three_d_secure_under_way_can_be_called_off(world: StripeWorld) -> None:
    payment = await world.opened()
    await world.payer.start_3ds(payment.provider_reference)
    assert await world.provider.cancel(payment) == Canceled()


@pytest.mark.parametrize("kind", ["cut_after", "504_after", "500_after", "500_before", "429"])
async def test_one_fault_while_ending_is_got_over_or_says_nothing(world: StripeWorld, kind: Kind) -> None:
    payment = await world.opened()
    world.emulator.faults.once(kind, CANCEL)
    first = await world.provider.cancel(payment)
    assert first in (Canceled(), Unknown())
    assert await world.provider.cancel(payment) == Canceled()


async def test_what_was_ended_at_stripes_own_site_is_closed(world: StripeWorld) -> None:
    payment = await world.opened()
    await world.payer.cancel_elsewhere(payment.provider_reference)
    assert [type(fact) for fact in await world.paying_of(payment)] == [Closed]
    assert await world.provider.cancel(payment) == Canceled()
