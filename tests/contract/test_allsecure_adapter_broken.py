"""AllSecure's adapter on a wire that breaks: what is not known is asked about, and nothing is guessed or made twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from services.payments.domain.facts import Paid
from services.payments.providers.allsecure.adapter import LOST_ADDRESS
from services.payments.providers.base import Accepted, NoSuchRefund, Open, PaidOut, RefundAccepted, Rejected, Unavailable, Unknown
from tests.contract.allsecure_world import (
    PAYER,
    AllSecureWorld,
    allsecure_world,
    payment_of,
    payout_to,
    refund_of,
)
from tests.emulators.faults import Kind

BEFORE: list[Kind] = ["500_before", "cut_before"]
AFTER: list[Kind] = ["500_after", "504_after", "cut_after"]


@pytest.fixture(scope="module")
async def _world() -> AsyncIterator[AllSecureWorld]:
    # Long enough for an answer on this machine, too short for a slow one.
    async with allsecure_world(answer_seconds=0.6, call_seconds=1.5) as world:
        yield world


@pytest.fixture
async def world(_world: AllSecureWorld) -> AsyncIterator[AllSecureWorld]:
    await _world.emulator.control.limit(per_user=60)
    yield _world
    _world.emulator.faults.off()
    await _world.emulator.control.behave(maintenance=False)
    await _world.told()
    _world.pauses.clear()


@pytest.mark.parametrize("kind", BEFORE)
async def test_a_debit_that_did_not_arrive_is_unknown_and_made_when_it_is_asked_for_again(world: AllSecureWorld, kind: Kind) -> None:
    payment = payment_of()
    world.emulator.faults.once(kind, "debit")
    assert await world.provider.create(payment, PAYER, again=False) == Unknown()
    assert world.transaction(payment.session_id) is None
    assert await world.provider.find(payment) == Open(expired=False)

    assert isinstance(await world.provider.create(payment, PAYER, again=True), Accepted)


@pytest.mark.parametrize("kind", AFTER)
async def test_a_hosted_page_whose_address_was_lost_is_nobodys_and_the_payer_begins_again(world: AllSecureWorld, kind: Kind) -> None:
    payment = payment_of()
    world.emulator.faults.once(kind, "debit")
    count = len(world.emulator.book)
    assert await world.provider.create(payment, PAYER, again=False) == Rejected(LOST_ADDRESS)
    assert len(world.emulator.book) == count + 1

    # Money that comes for it all the same is proven, and not lost.
    await world.emulator.control.pay(str(payment.session_id))
    assert [type(fact) for fact in await world.facts()] == [Paid]


async def test_a_young_debit_may_be_somebody_elses_whose_answer_is_on_its_way(world: AllSecureWorld) -> None:
    """The same request came a second time while the first is still at it: it must not be told that the address is lost."""
    payment = payment_of()
    await world.begun(payment)
    assert await world.provider.create(payment, PAYER, again=True) == Unknown()
    older = replace(payment, created_at=payment.created_at - timedelta(seconds=20))
    assert await world.provider.create(older, PAYER, again=True) == Rejected(LOST_ADDRESS)


async def test_what_was_paid_before_the_answer_was_asked_for_again_is_accepted(world: AllSecureWorld) -> None:
    payment = payment_of()
    world.emulator.faults.once("cut_after", "debit")
    world.emulator.faults.once("cut_before", "status")
    assert await world.provider.create(payment, PAYER, again=False) == Unknown()
    charge = await world.emulator.control.pay(str(payment.session_id))
    created = await world.provider.create(payment, PAYER, again=True)
    assert isinstance(created, Accepted)
    assert created.provider_reference == charge.charge


async def test_an_id_that_is_there_already_is_looked_up(world: AllSecureWorld) -> None:
    """3004: an earlier attempt arrived after it had been asked about."""
    payment = payment_of()
    await world.begun(payment)
    await world.emulator.control.pay(str(payment.session_id))
    count = len(world.emulator.book)
    created = await world.provider.create(payment, PAYER, again=False)
    assert isinstance(created, Accepted)
    assert len(world.emulator.book) == count


async def test_a_slow_answer_is_not_waited_for_and_tells_nothing(world: AllSecureWorld) -> None:
    payment = payment_of()
    world.emulator.faults.once("slow", "debit", seconds=1.0)
    assert await world.provider.create(payment, PAYER, again=False) == Unknown()
    world.emulator.faults.once("slow", "status", seconds=1.0)
    assert await world.provider.find(payment) == Unknown()


async def test_too_many_requests_are_tried_again_a_little_later(world: AllSecureWorld) -> None:
    world.emulator.faults.once("429", "debit", times=2)
    assert isinstance(await world.provider.create(payment_of(), PAYER, again=False), Accepted)
    assert world.pauses == [1.0, 1.0], "as Retry-After says"


@pytest.mark.parametrize(("retry_after", "times"), [("1", 3), ("6", 1)])
async def test_too_many_for_longer_are_told_as_such(world: AllSecureWorld, retry_after: str, times: int) -> None:
    payment = payment_of()
    world.emulator.faults.once("429", "debit", times=times, retry_after=retry_after)
    assert await world.provider.create(payment, PAYER, again=False) == Unavailable("too many requests")
    assert world.transaction(payment.session_id) is None
    assert len(world.pauses) == times - 1


async def test_maintenance_is_told_as_such(world: AllSecureWorld) -> None:
    await world.emulator.control.behave(maintenance=True)
    assert await world.provider.create(payment_of(), PAYER, again=False) == Unavailable("maintenance")
    assert await world.provider.find(payment_of()) == Unknown()
    assert len(world.pauses) == 2


@pytest.mark.parametrize("kind", ["429", "503", *BEFORE, *AFTER])
async def test_a_question_without_an_answer_decides_nothing_and_is_asked_once(world: AllSecureWorld, kind: Kind) -> None:
    payment = payment_of()
    await world.begun(payment)
    await world.emulator.control.pay(str(payment.session_id))
    asked = len(world.emulator.faults.injected)
    world.emulator.faults.once(kind, "status", times=10)
    assert await world.provider.find(payment) == Unknown()
    assert await world.provider.cancel(payment) == Unknown()
    assert len(world.emulator.faults.injected) == asked + 2


async def test_their_limit_of_questions_is_kept_to_as_no_answer(world: AllSecureWorld) -> None:
    await world.emulator.control.limit(per_user=2)
    payment = payment_of()
    assert [await world.provider.find(payment) for _ in range(3)] == [Open(expired=False), Open(expired=False), Unknown()]


@pytest.mark.parametrize("kind", AFTER)
async def test_a_refund_and_a_payout_whose_answers_were_lost_are_asked_about_at_once(world: AllSecureWorld, kind: Kind) -> None:
    payment, charge = await world.paid()
    order, payout = refund_of(payment, charge), payout_to(charge)
    world.emulator.faults.once(kind, "refund")
    world.emulator.faults.once(kind, "payout")
    refunded, paid_out = await world.refunds.refund(order), await world.payouts.pay_out(payout)
    assert isinstance(refunded, RefundAccepted)
    assert isinstance(paid_out, PaidOut)
    assert len(world.emulator.control.refunds()) == len({one.reference for one in world.emulator.control.refunds()})
    assert refunded == await world.refunds.refund(order), "sent again it is the same: 3004, and looked up"
    assert paid_out == await world.payouts.pay_out(payout)


@pytest.mark.parametrize("kind", ["429", "503", *BEFORE])
async def test_a_refund_and_a_payout_that_nobody_did_are_unknown_until_they_are_sent_again(world: AllSecureWorld, kind: Kind) -> None:
    payment, charge = await world.paid()
    order, payout = refund_of(payment, charge), payout_to(charge)
    world.emulator.faults.once(kind, "refund", times=3)
    world.emulator.faults.once(kind, "payout", times=3)
    assert await world.refunds.refund(order) == Unknown()
    assert await world.refunds.find_refund(order) == NoSuchRefund(), "8001: they do not know it"
    assert await world.payouts.pay_out(payout) == Unknown()
    assert await world.payouts.find_payout(payout) == Unknown()
    world.emulator.faults.off()
    assert isinstance(await world.refunds.refund(order), RefundAccepted)
    assert isinstance(await world.payouts.pay_out(payout), PaidOut)


async def test_who_cannot_be_reached_was_asked_nothing() -> None:
    async with allsecure_world() as world:
        address = httpx.URL(world.emulator.base_url)
    async with allsecure_world(transport=_Elsewhere(address)) as world:
        assert isinstance(await world.provider.create(payment_of(), PAYER, again=False), Unavailable)
        assert await world.provider.create(payment_of(), PAYER, again=True) == Unknown(), "an earlier attempt may have arrived"
        assert await world.provider.find(payment_of()) == Unknown()


class _Elsewhere(httpx.AsyncHTTPTransport):
    """Leads to where nobody listens any more."""

    def __init__(self, address: httpx.URL) -> None:
        super().__init__()
        self._address = address

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(port=self._address.port)
        return await super().handle_async_request(request)
