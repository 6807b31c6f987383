"""Money back at Stripe's stand-in: refunds whole, in parts, slow, declined and failed later; disputes; and a day's lists."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.payments.domain.facts import RefundTold
from services.payments.providers.base import NoSuchRefund, RefundAccepted, RefundDeclined, Unknown
from services.payments.providers.stripe import client as stripe_client
from services.payments.providers.stripe import lists as stripe_lists
from shared.contracts.base import new_id, utc_now
from shared.money import Money
from tests.contract.stripe_world import EUROS, StripeWorld, order, stripe_world
from tests.emulators.faults import Kind

REFUND = "create_refund"
LISTED = "list_refunds"


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


# ---- refunds


async def test_the_whole_of_it_goes_back_once(world: StripeWorld) -> None:
    back = order(await world.paid())
    first, second = [await world.refunds.refund(back) for _ in range(2)]
    assert isinstance(first, RefundAccepted)
    assert first == second
    assert first.settled
    (refund,) = world.refunds_of(back)
    assert (refund.refund, refund.amount_minor, refund.status) == (first.provider_reference, 5_000, "succeeded")
    (told,) = await world.following()
    assert isinstance(told, RefundTold)
    assert (told.session_id, told.refund_id, told.charge_reference) == (back.session_id, back.refund_id, back.charge_reference)
    assert (told.provider_reference, told.money, told.outcome) == (first.provider_reference, EUROS, "succeeded")


async def test_it_goes_back_in_parts_and_never_more_than_there_was(world: StripeWorld) -> None:
    payment = await world.paid()
    parts = [order(payment, Money(minor, "eur")) for minor in (1_000, 3_999, 2, 1, 1)]
    answers = [await world.refunds.refund(part) for part in parts]
    assert [type(answer) for answer in answers] == [RefundAccepted, RefundAccepted, RefundDeclined, RefundAccepted, RefundDeclined]
    assert answers[-1] == RefundDeclined("charge_already_refunded")
    assert sorted(told.money.amount_minor for told in await world.following()) == [1, 1_000, 3_999]


@pytest.mark.parametrize(
    "money", [Money(5_000, "jpy"), Money(700, "isk"), Money(40_000, "ugx"), Money(500_000, "mga"), Money(5_120, "kwd")]
)
async def test_parts_of_each_kind_of_currency(world: StripeWorld, money: Money) -> None:
    payment = await world.paid(money)
    part = Money(money.amount_minor // 5, money.currency) if money.currency != "kwd" else Money(1_020, "kwd")
    assert isinstance(await world.refunds.refund(order(payment, part)), RefundAccepted)
    (told,) = await world.following()
    assert told.money == part


async def test_what_was_never_paid_cannot_go_back(world: StripeWorld) -> None:
    assert await world.refunds.refund(order(await world.opened())) == RefundDeclined("payment_intent_unexpected_state")


async def test_what_is_disputed_cannot_go_back(world: StripeWorld) -> None:
    payment = await world.paid()
    await world.payer.dispute(payment.provider_reference, "open")
    assert await world.refunds.refund(order(payment)) == RefundDeclined("charge_disputed")


async def test_a_slow_refund_tells_later(world: StripeWorld) -> None:
    back = order(await world.paid(method="pm_card_pendingRefund"))
    answer = await world.refunds.refund(back)
    assert isinstance(answer, RefundAccepted)
    assert not answer.settled
    await world.payer.settle_refund(answer.provider_reference)
    assert await world.refunds.find_refund(back) == RefundAccepted(answer.provider_reference, settled=True)
    outcomes = [told.outcome for told in await world.following() if isinstance(told, RefundTold)]
    assert sorted(outcomes) == ["pending", "succeeded"]


async def test_a_refund_may_fail_after_it_had_succeeded(world: StripeWorld) -> None:
    back = order(await world.paid())
    answer = await world.refunds.refund(back)
    assert isinstance(answer, RefundAccepted)
    await world.payer.fail_refund(answer.provider_reference, "lost_or_stolen_card")
    # The key still has the first answer; who asks for the refund itself hears the truth.
    assert await world.refunds.refund(back) == answer
    assert await world.refunds.find_refund(back) == RefundDeclined("lost_or_stolen_card")
    told = [one for one in await world.following() if isinstance(one, RefundTold)]
    assert {(one.outcome, one.reason) for one in told} == {("succeeded", ""), ("failed", "lost_or_stolen_card")}


async def test_made_at_stripes_own_site_it_is_known_by_its_charge(world: StripeWorld) -> None:
    payment = await world.paid()
    made = await world.payer.refund_elsewhere(payment.provider_reference, 1_500)
    (told,) = await world.following()
    assert isinstance(told, RefundTold)
    assert (told.session_id, told.refund_id, told.charge_reference) == (None, None, payment.provider_reference)
    assert (told.provider_reference, told.money, told.outcome) == (made.refund, Money(1_500, "eur"), "succeeded")


# ---- broken wires


@pytest.mark.parametrize("kind", ["cut_before", "cut_after", "504_after", "503", "429"])
async def test_one_fault_is_got_over(world: StripeWorld, kind: Kind) -> None:
    back = order(await world.paid())
    world.emulator.faults.once(kind, REFUND)
    assert isinstance(await world.refunds.refund(back), RefundAccepted)
    assert len(world.refunds_of(back)) == 1


@pytest.mark.parametrize("kind", ["cut_after", "504_after", "500_after"])
async def test_a_lost_answer_is_found_by_what_we_wrote_into_it(world: StripeWorld, kind: Kind) -> None:
    back = order(await world.paid())
    world.emulator.faults.once(kind, REFUND, times=3)
    assert await world.refunds.refund(back) == Unknown()
    found = await world.refunds.find_refund(back)
    assert isinstance(found, RefundAccepted)
    assert [one.refund for one in world.refunds_of(back)] == [found.provider_reference]
    named = replace(back, provider_reference=found.provider_reference)
    assert await world.refunds.find_refund(named) == found
    # Somebody else's reference is no answer.
    assert await world.refunds.find_refund(replace(named, refund_id=new_id())) == Unknown()


@pytest.mark.parametrize("kind", ["cut_before", "503", "429"])
async def test_what_never_arrived_is_sent_again_under_the_same_key(world: StripeWorld, kind: Kind) -> None:
    back = order(await world.paid())
    world.emulator.faults.once(kind, REFUND, times=3)
    assert await world.refunds.refund(back) == Unknown()
    assert await world.refunds.find_refund(back) == NoSuchRefund()
    assert isinstance(await world.refunds.refund(back), RefundAccepted)
    assert len(world.refunds_of(back)) == 1


async def test_a_failure_that_stripe_keeps_is_for_somebody_to_settle_by_hand(world: StripeWorld) -> None:
    payment = await world.paid()
    back = order(payment)
    world.emulator.faults.once("500_before", REFUND)
    # Nobody knows whether Stripe carries it out yet: another key might send it twice.
    assert await world.refunds.refund(back) == Unknown()
    assert await world.refunds.refund(back) == Unknown()
    assert await world.refunds.find_refund(back) == NoSuchRefund()
    made = await world.payer.refund_elsewhere(payment.provider_reference)
    by_hand: Any = {"metadata": {"purser_refund_id": str(back.refund_id), "purser_session_id": str(back.session_id)}}
    await world.api.v1.refunds.update_async(made.refund, by_hand)
    assert await world.refunds.find_refund(back) == RefundAccepted(made.refund, settled=True)
    told = [one for one in await world.following() if isinstance(one, RefundTold)]
    assert [one.refund_id for one in told] == [None, back.refund_id]


@pytest.mark.parametrize("kind", ["429", "503", "cut_before"])
async def test_silence_when_asked_says_nothing(world: StripeWorld, kind: Kind) -> None:
    back = order(await world.paid())
    answer = await world.refunds.refund(back)
    world.emulator.faults.once(kind, LISTED, times=3)
    assert await world.refunds.find_refund(back) == Unknown()
    assert await world.refunds.find_refund(back) == answer


async def test_a_refund_far_down_the_list_is_found(world: StripeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_lists, "_PAGE", 2)
    payment = await world.paid()
    parts = [order(payment, Money(10, "eur")) for _ in range(5)]
    answers = [await world.refunds.refund(part) for part in parts]
    assert [await world.refunds.find_refund(part) for part in parts] == answers


# ---- disputes


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (["open"], ["opened"]),
        (["open", "review", "win"], ["opened", "won"]),
        (["open", "lose"], ["opened", "lost"]),
        (["inquire", "close_inquiry"], []),
        (["inquire", "escalate"], ["opened"]),
        (["inquire", "prevent"], []),
    ],
)
async def test_disputes_are_told_when_money_moves(world: StripeWorld, events: list[str], told: list[str]) -> None:
    payment = await world.paid()
    heard = []
    for event in events:
        await world.payer.dispute(payment.provider_reference, event)
        heard += await world.following()
    assert [one.event for one in heard if not isinstance(one, RefundTold)] == told
    assert {one.charge_reference for one in heard} <= {payment.provider_reference}
    assert {one.money for one in heard} <= {EUROS}


# ---- a day's lists


async def test_a_days_lists_are_stripes_own_book(world: StripeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_lists, "_PAGE", 2)
    since = utc_now() + timedelta(seconds=1)
    await world.payer.advance(2)
    paid, ended, left = await world.paid(Money(700, "isk")), await world.opened(), await world.opened()
    await world.provider.cancel(ended)
    back = order(paid, Money(200, "isk"))
    refunded = await world.refunds.refund(back)
    assert isinstance(refunded, RefundAccepted)
    theirs = await world.payer.pay_elsewhere(1_250, "eur")
    until = utc_now() + timedelta(seconds=10)
    charges = {one.charge_reference: one async for one in world.statements.charges(since, until)}
    assert {reference: (one.session_id, one.status, one.money) for reference, one in charges.items()} == {
        paid.provider_reference: (paid.session_id, "paid", Money(700, "isk")),
        ended.provider_reference: (ended.session_id, "closed", EUROS),
        left.provider_reference: (left.session_id, "pending", EUROS),
        theirs: (None, "paid", Money(1_250, "eur")),
    }
    (one,) = [one async for one in world.statements.refunds(since, until)]
    assert (one.refund_id, one.provider_reference, one.charge_reference) == (
        back.refund_id,
        refunded.provider_reference,
        paid.provider_reference,
    )
    assert (one.money, one.status) == (Money(200, "isk"), "succeeded")
    assert [one async for one in world.statements.charges(until, until + timedelta(days=1))] == []
