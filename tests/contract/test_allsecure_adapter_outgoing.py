"""AllSecure's refunds, payouts to a payment's card and chargebacks, over its emulator; each as an answer and as a callback tell it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.payments.domain.facts import DisputeTold, Irrelevant, PayoutTold, RefundTold
from services.payments.providers.base import PaidOut, PayoutDeclined, PayoutTaken, RefundAccepted, RefundDeclined
from shared.money import Money
from tests.contract.allsecure_world import EUROS, AllSecureWorld, allsecure_world, payout_to, refund_of


@pytest.fixture(scope="module")
async def _world() -> AsyncIterator[AllSecureWorld]:
    async with allsecure_world() as world:
        yield world


@pytest.fixture
async def world(_world: AllSecureWorld) -> AsyncIterator[AllSecureWorld]:
    await _world.emulator.control.limit(per_user=60)
    yield _world
    await _world.emulator.control.behave(chargeback_amount="text", dispute_labels=False, naming="code")
    await _world.told()


async def test_refunds_in_parts_until_nothing_is_left(world: AllSecureWorld) -> None:
    payment, charge = await world.paid(Money(1_000, "eur"))
    first, rest, more = (refund_of(payment, charge, Money(minor, "eur"), "too\n  much") for minor in (400, 600, 1))

    answer = await world.refunds.refund(first)
    assert isinstance(answer, RefundAccepted)
    assert answer.settled
    assert await world.refunds.find_refund(first) == answer
    (told,) = await world.facts()
    assert isinstance(told, RefundTold)
    assert (told.refund_id, told.provider_reference, told.charge_reference) == (first.refund_id, answer.provider_reference, charge)
    assert (told.session_id, told.money, told.outcome) == (None, Money(400, "eur"), "succeeded")
    transaction = world.transaction(first.refund_id)
    assert transaction is not None
    assert transaction.request.description == "too much"

    assert isinstance(await world.refunds.refund(rest), RefundAccepted)
    declined = await world.refunds.refund(more)
    assert isinstance(declined, RefundDeclined)
    assert "more than is left" in declined.reason
    assert await world.refunds.find_refund(more) == declined


async def test_a_refund_that_is_pending_is_told_when_it_is_through(world: AllSecureWorld) -> None:
    payment, charge = await world.paid()
    order = refund_of(payment, charge)
    await world.emulator.control.outcome("refund", "pending")
    answer = await world.refunds.refund(order)
    assert isinstance(answer, RefundAccepted)
    assert not answer.settled
    assert await world.refunds.find_refund(order) == answer
    await world.emulator.control.settle(str(order.refund_id))
    assert await world.refunds.find_refund(order) == RefundAccepted(answer.provider_reference, settled=True)
    assert [getattr(fact, "outcome", "") for fact in await world.facts()] == ["pending", "succeeded"]


async def test_a_refund_that_fails_after_it_had_succeeded_is_told_later_than_its_success(world: AllSecureWorld) -> None:
    payment, charge = await world.paid()
    order = refund_of(payment, charge)
    await world.refunds.refund(order)
    await world.emulator.control.fail_refund(str(order.refund_id))
    succeeded, failed = sorted(await world.facts(), key=lambda fact: getattr(fact, "outcome", ""), reverse=True)
    assert isinstance(succeeded, RefundTold)
    assert isinstance(failed, RefundTold)
    assert (succeeded.outcome, failed.outcome, failed.refund_id) == ("succeeded", "failed", order.refund_id)
    assert failed.happened_at > succeeded.happened_at
    assert failed.reason == "The transaction could not be processed"
    assert isinstance(await world.refunds.find_refund(order), RefundDeclined)


async def test_a_refund_at_their_own_site_names_the_charge(world: AllSecureWorld) -> None:
    _, charge = await world.paid()
    made = await world.emulator.control.refund_elsewhere(charge, "2.50")
    (told,) = await world.facts()
    assert isinstance(told, RefundTold)
    assert (told.refund_id, told.charge_reference, told.provider_reference) == (None, charge, made.refund)
    assert (told.money, told.outcome) == (Money(250, "eur"), "succeeded")


async def test_a_payout_goes_to_the_card_of_the_payment(world: AllSecureWorld) -> None:
    _, charge = await world.paid()
    order = payout_to(charge, Money(5_000, "eur"))
    answer = await world.payouts.pay_out(order)
    assert isinstance(answer, PaidOut)
    assert await world.payouts.find_payout(order) == answer
    (payout,) = [one for one in world.emulator.control.payouts() if one.reference == str(order.withdrawal_id)]
    assert (payout.payout, payout.charge, payout.amount) == (answer.provider_reference, charge, "50.00")
    (told,) = await world.facts()
    assert isinstance(told, PayoutTold)
    assert (told.withdrawal_id, told.provider_reference, told.outcome) == (order.withdrawal_id, payout.payout, "paid")

    await world.emulator.control.fail_payout(str(order.withdrawal_id))
    (told,) = await world.facts()
    assert isinstance(told, PayoutTold)
    assert told.outcome == "failed"
    assert isinstance(await world.payouts.find_payout(order), PayoutDeclined)


async def test_a_payout_that_is_declined_or_pending(world: AllSecureWorld) -> None:
    _, charge = await world.paid()
    await world.emulator.control.outcome("payout", "declined")
    declined = payout_to(charge)
    assert await world.payouts.pay_out(declined) == PayoutDeclined("The transaction was declined")
    assert await world.payouts.find_payout(declined) == PayoutDeclined("The transaction was declined")

    await world.emulator.control.outcome("payout", "pending")
    pending = payout_to(charge)
    assert await world.payouts.pay_out(pending) == PayoutTaken()
    assert await world.payouts.find_payout(pending) == PayoutTaken()
    await world.emulator.control.settle(str(pending.withdrawal_id))
    assert isinstance(await world.payouts.find_payout(pending), PaidOut)
    assert [getattr(fact, "outcome", type(fact)) for fact in await world.facts()] == ["failed", Irrelevant, "paid"]


async def test_a_payout_to_no_card_of_theirs_or_of_too_much_is_declined(world: AllSecureWorld) -> None:
    assert await world.payouts.pay_out(payout_to("no-such-debit")) == PayoutDeclined("referenceUuid is unknown")
    _, charge = await world.paid()
    order = payout_to(charge, Money(10**12, "eur"))
    assert isinstance(await world.payouts.pay_out(order), PayoutDeclined)
    assert world.transaction(order.withdrawal_id) is None


@pytest.mark.parametrize("chargeback_amount", ["text", "number"])
@pytest.mark.parametrize("dispute_labels", [False, True])
async def test_a_chargeback_and_its_reversal_are_one_dispute_of_the_charge(
    world: AllSecureWorld, chargeback_amount: str, dispute_labels: bool
) -> None:
    await world.emulator.control.behave(chargeback_amount=chargeback_amount, dispute_labels=dispute_labels)
    payment, charge = await world.paid(EUROS)
    opened = await world.emulator.control.dispute(charge, amount="3.33")
    reversal = await world.emulator.control.dispute(charge, "won")
    assert opened.reference.startswith("auto-")

    events = {event.event_id: event.fact for event in await world.told()}
    labels = ("DISPUTE", "DISPUTE-REVERSAL") if dispute_labels else ("CHARGEBACK", "CHARGEBACK-REVERSAL")
    first, last = events[f"{opened.dispute}:{labels[0]}:OK"], events[f"{reversal.dispute}:{labels[1]}:OK"]
    for fact, told in ((first, "opened"), (last, "won")):
        assert isinstance(fact, DisputeTold)
        assert (fact.event, fact.dispute_reference, fact.money) == (told, opened.dispute, Money(333, "eur"))
        assert (fact.session_id, fact.charge_reference) == (payment.session_id, charge)
        assert fact.happened_at.microsecond == 0, "their own time of it"
