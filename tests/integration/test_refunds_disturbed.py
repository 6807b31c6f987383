"""Refunds whose steps get lost: nothing is sent back twice, nothing is taken twice, nothing stays under way."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.payments.domain.refunds import State
from services.payments.handlers import refund_saga
from services.payments.store import refunds as store
from shared import postgres
from shared.contracts.base import Message
from shared.contracts.payment_commands import InProgress, Refused
from shared.contracts.refunds import RefundMade
from shared.contracts.wallet_commands import ReleaseHold, ReserveFunds, SettleHold
from tests.integration.refunds_world import RefundsWorld, refunds_world, together


@pytest.fixture(scope="module")
async def running(module_database_url: str) -> AsyncIterator[RefundsWorld]:
    async with refunds_world(module_database_url) as made:
        yield made


@pytest.fixture
async def world(running: RefundsWorld) -> AsyncIterator[RefundsWorld]:
    yield running
    running.withdrawals.holds.clear()
    running.withdrawals.canceled.clear()


async def sent_at_the_mock(world: RefundsWorld, refund_id: object) -> int:
    (row,) = await world.payments.rows("select count(*) as n from payments.mock_refunds where refund_id = $1", refund_id)
    return int(row["n"])


@pytest.mark.parametrize("way", ["lost", "unheard"])
@pytest.mark.parametrize(("step", "reason"), [(ReserveFunds, ""), (SettleHold, ""), (ReleaseHold, "mock:decline")])
async def test_wallets_silence_is_asked_again_until_it_tells(world: RefundsWorld, step: type[Message], reason: str, way: str) -> None:
    payment = await world.paid(5000, kind="payment", fee_minor=500)
    getattr(world.ledger, way)[step] = 2

    reply = await world.ask(payment, reason=reason, key=f"key-{way}-{step.TYPE}")
    assert isinstance(reply.answer, InProgress), "nobody may say yet what became of it"
    for _ in range(3):
        await world.resume()

    refund = await world.row(reply.answer.resource_id)
    again = await world.ask(payment, reason=reason, key=f"key-{way}-{step.TYPE}")
    assert isinstance(again.answer, RefundMade)
    assert again.answer.refund_id == refund.refund_id
    assert await world.available(payment.mentor_id) == ((4500, 0) if reason else (0, 0))
    assert await world.back(payment) == ((0, 0) if reason else (0, 5000))
    assert refund.state is (State.FAILED if reason else State.SUCCEEDED)


async def test_a_provider_that_was_not_heard_is_asked_what_it_did_before_anything_is_sent_again(world: RefundsWorld) -> None:
    """saleor #12491: a refund whose answer timed out was sent again, and made twice."""
    payment = await world.paid(5000)
    world.provider.unheard = 1

    reply = await world.ask(payment, amount_minor=3000)
    assert isinstance(reply.answer, InProgress)
    assert (await world.row(reply.answer.resource_id)).status == "pending"
    sent = len(world.provider.sent)
    await world.resume()

    assert (await world.row(reply.answer.resource_id)).state is State.SUCCEEDED
    assert len(world.provider.sent) == sent, "it was asked about, not sent again"
    assert await sent_at_the_mock(world, reply.answer.resource_id) == 1
    assert await world.back(payment) == (0, 3000)


async def test_a_refund_that_never_arrived_is_sent_again_under_the_same_key(world: RefundsWorld) -> None:
    """killbill #643: a retried refund was given a new key, so the provider took it for another one."""
    payment = await world.paid(5000)
    world.provider.lost = 3

    reply = await world.ask(payment, amount_minor=3000)
    assert isinstance(reply.answer, InProgress)
    for _ in range(3):
        await world.resume()

    orders = [order for order in world.provider.sent if order.payment_id == payment.payment_id]
    assert len(orders) == 4
    assert len(set(orders)) == 1, "the same order each time"
    assert (await world.row(reply.answer.resource_id)).state is State.SUCCEEDED
    assert await world.back(payment) == (0, 3000)


async def test_the_mock_that_stays_silent_tells_when_it_is_asked(world: RefundsWorld) -> None:
    payment = await world.paid(5000)

    reply = await world.ask(payment, reason="mock:silent", key="key-silent")
    assert isinstance(reply.answer, InProgress)
    assert await world.available(payment.user_id) == (0, 5000), "held meanwhile"
    await world.resume()

    told = await world.ask(payment, reason="mock:silent", key="key-silent")
    assert isinstance(told.answer, RefundMade)
    assert (told.answer.refund_status, told.answer.status) == ("succeeded", "refunded")


@pytest.mark.parametrize("kind", ["deposit", "payment", "balance"])
async def test_a_crash_between_any_two_steps_resumes(world: RefundsWorld, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The effect of every step in turn, at wallet or the provider, is the last thing that its process did."""

    class Crash(Exception):
        pass

    crashes = 0
    while True:
        payer, mentor = world.somebody(), world.somebody()
        if kind == "balance":
            await world.paid(5000, user_id=payer)
            payment = await world.paid(
                5000, kind="payment", fee_minor=77, provider="balance", user_id=payer, mentor_id=mentor, credited=False
            )
            await world.pay_from_balance(payment)
        else:
            payment = await world.paid(5000, kind=kind, fee_minor=77 if kind == "payment" else 0)
        left = crashes

        async def dying(
            self: object, refund: object, seen: object, *, resumed: bool, step: object = refund_saga.RefundSaga._step
        ) -> object:
            nonlocal left
            made = await step(self, refund, seen, resumed=resumed)  # type: ignore[operator]
            if left == 0:
                raise Crash
            left -= 1
            return made

        with monkeypatch.context() as patched:
            patched.setattr(refund_saga.RefundSaga, "_step", dying)
            try:
                await world.ask(payment)
            except Crash:
                crashes += 1
            else:
                assert crashes >= 2
                return
        await world.resume()
        (refund,) = await world.refunds_of(payment)
        assert refund.state is State.SUCCEEDED
        assert await world.back(payment) == (0, 5000)
        assert await world.moved(payment) == {}
        assert await world.available(mentor) == (0, 0)
        if kind == "balance":
            assert await world.available(payer) == (5000, 0)


async def test_a_hold_that_was_believed_lost_cannot_come_after_the_refund_has_failed(world: RefundsWorld) -> None:
    """blnk #182: what was rejected cannot be committed later."""
    payment = await world.paid(5000)
    other = await world.paid(5000, user_id=payment.user_id)
    spent = await world.spend(payment.user_id, 10_000)
    world.ledger.lost[ReserveFunds] = 1

    reply = await world.ask(payment)
    assert isinstance(reply.answer, InProgress)
    await world.resume()
    assert (await world.row(reply.answer.resource_id)).state is State.FAILED
    await world.ledger.release(ReleaseHold(correlation_id="c", reference=spent))
    lost = next(m for m in world.ledger.asked if isinstance(m, ReserveFunds) and m.reference == f"refund:{reply.answer.resource_id}")
    late = await world.ledger.reserve(lost)

    assert isinstance(late, Refused)
    assert late.code == "insufficient_funds", "for good"
    assert await world.available(payment.user_id) == (10_000, 0)
    assert (await world.refund(other)).refund_status == "succeeded"


async def test_force_takes_what_there_is_after_unsent_withdrawals_gave_way_and_the_platform_bears_the_rest(world: RefundsWorld) -> None:
    payment = await world.paid(5000, kind="payment", fee_minor=500)
    mentor = payment.mentor_id
    sent = await world.spend(mentor, 2000)
    world.withdrawals.holds = [(await world.spend(mentor, amount), amount) for amount in (300, 400, 500)]
    assert await world.available(mentor) == (1300, 3200)

    made = await world.refund(payment, 2000, force=True)
    partly = await world.row(made.refund_id)
    assert (partly.wanted_minor, partly.held_minor, partly.loss_minor) == (1800, 1800, 0)
    assert len(world.withdrawals.canceled) == 1, "only as far as needed, the newest first"

    made = await world.refund(payment, force=True, reason="closed")
    rest = await world.row(made.refund_id)
    assert (rest.wanted_minor, rest.held_minor, rest.loss_minor) == (2700, 700, 2000)
    assert world.withdrawals.holds == []
    assert await world.available(mentor) == (0, 2000), "what is being sent stays, and nobody goes below zero"
    assert await world.moved(payment) == {f"user:{mentor}": 4500 - 1800 - 700, "loss:platform": -2000}
    assert await world.audited(made.refund_id) == [("user:9", "refund.force")]
    await world.ledger.release(ReleaseHold(correlation_id="c", reference=sent))


@pytest.mark.parametrize("way", ["lost", "unheard"])
async def test_force_that_is_interrupted_takes_nothing_twice(world: RefundsWorld, way: str) -> None:
    payment = await world.paid(5000)
    await world.spend(payment.user_id, 3000)
    world.withdrawals.holds = [(await world.spend(payment.user_id, 400), 400) for _ in range(5)]
    getattr(world.ledger, way)[ReserveFunds] = 1
    getattr(world.ledger, way)[SettleHold] = 1

    reply = await world.ask(payment, amount_minor=800, force=True)
    assert isinstance(reply.answer, InProgress)
    for _ in range(3):
        await world.resume()

    refund = await world.row(reply.answer.resource_id)
    assert (refund.state, refund.held_minor, refund.loss_minor) == (State.SUCCEEDED, 800, 0)
    assert len(world.withdrawals.canceled) == 2
    assert await world.available(payment.user_id) == (0, 3000 + 3 * 400)


async def test_force_with_nothing_there_books_the_whole_to_the_platform(world: RefundsWorld) -> None:
    payment = await world.paid(5000)
    await world.spend(payment.user_id, 5000)

    made = await world.refund(payment, force=True)

    assert (await world.row(made.refund_id)).loss_minor == 5000
    assert await world.moved(payment) == {f"user:{payment.user_id}": 5000, "loss:platform": -5000}


async def test_two_that_advance_one_refund_at_once_do_it_once(world: RefundsWorld) -> None:
    payment = await world.paid(5000, kind="payment", fee_minor=500)
    world.provider.lost = 1
    reply = await world.ask(payment)
    assert isinstance(reply.answer, InProgress)

    await together(*(world.saga.advance(reply.answer.resource_id) for _ in range(8)))

    assert (await world.row(reply.answer.resource_id)).state is State.SUCCEEDED
    assert await sent_at_the_mock(world, reply.answer.resource_id) == 1
    assert await world.moved(payment) == {}
    assert await world.frames_of(payment) == [("refunded", 5000)]


async def test_what_the_book_refuses_is_said_aloud_and_kept_under_way(world: RefundsWorld) -> None:
    payment = await world.paid(5000)
    world.provider.lost = 1
    reply = await world.ask(payment)
    assert isinstance(reply.answer, InProgress)
    # Somebody took the hold away by hand.
    await world.ledger.release(ReleaseHold(correlation_id="c", reference=f"refund:{reply.answer.resource_id}"))

    with pytest.raises(refund_saga.Contradicted, match="hold_released"):
        await world.saga.advance(reply.answer.resource_id)

    async with postgres.connection(world.payments.pool) as db:
        refund = await store.find(db, reply.answer.resource_id)
        due = await db.fetchval("select next_at is not null from payments.refunds where refund_id = $1", reply.answer.resource_id)
    assert getattr(refund, "state", None) is State.SETTLING
    assert due


async def test_a_refund_that_a_provider_forgot_for_a_day_is_only_asked_about_until_it_surely_never_arrived(world: RefundsWorld) -> None:
    """killbill #643 again: past the life of its key, the same order would be a second refund. But a key that is refused over a weekend must
    not leave the money held for ever."""
    payment = await world.paid(5000)
    world.provider.lost = 1
    reply = await world.ask(payment)
    assert isinstance(reply.answer, InProgress)
    sent = len(world.provider.sent)
    await world.payments.rows(
        "update payments.refunds set sent_at = sent_at - interval '1 day' where refund_id = $1 returning 1", reply.answer.resource_id
    )

    world.provider.mute = True
    await world.resume()

    assert (await world.row(reply.answer.resource_id)).state is State.SENDING
    assert len(world.provider.sent) == sent
    assert await world.available(payment.user_id) == (0, 5000)

    world.provider.mute = False
    await world.resume()
    assert (await world.row(reply.answer.resource_id)).state is State.SUCCEEDED
    assert await sent_at_the_mock(world, reply.answer.resource_id) == 1
