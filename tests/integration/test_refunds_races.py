"""Many at once: whatever overlaps, no more goes back than was paid, and the book is exact to the last minor unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.payments.domain.refunds import State
from services.payments.store import refunds as store
from shared import postgres
from shared.contracts.payment_commands import InProgress, Refused
from shared.contracts.refunds import RefundMade
from tests.integration.refunds_world import RefundsWorld, refund_event, refunds_world, together


@pytest.fixture(scope="module")
async def world(module_database_url: str) -> AsyncIterator[RefundsWorld]:
    async with refunds_world(module_database_url) as made:
        yield made


async def test_fifty_partial_refunds_at_once_never_exceed_what_was_paid(world: RefundsWorld) -> None:
    payment = await world.paid(10_007, kind="payment", fee_minor=1009)

    replies = await together(*(world.ask(payment, amount_minor=500 + n % 7, requested_by=payment.mentor_id) for n in range(50)))

    made = [reply.answer for reply in replies if isinstance(reply.answer, RefundMade)]
    refused = Counter(reply.answer.code for reply in replies if isinstance(reply.answer, Refused))
    assert len(made) + refused.total() == 50
    assert set(refused) == {"refund_exceeds_payment"}
    assert {answer.refund_status for answer in made} == {"succeeded"}
    back = sum(answer.amount_minor for answer in made)
    assert 10_007 - 506 < back <= 10_007
    assert await world.back(payment) == (0, back)
    refunds = await world.refunds_of(payment)
    assert sum(refund.fee_minor for refund in refunds) == 1009 * back // 10_007
    await world.refund(payment)
    assert await world.moved(payment) == {}
    (row,) = await world.payments.rows(
        "select sum(amount_minor)::bigint as minor from payments.mock_refunds where session_id = $1 and declined is null",
        payment.session_id,
    )
    assert row["minor"] == 10_007, "the provider's own book says the same"


async def test_two_refunds_of_everything_at_once_are_one(world: RefundsWorld) -> None:
    payments = [await world.paid(5000) for _ in range(10)]

    replies = await together(*(world.ask(payment) for payment in payments for _ in range(2)))

    answers = [reply.answer for reply in replies]
    assert sum(isinstance(answer, RefundMade) for answer in answers) == 10
    assert {answer.code for answer in answers if isinstance(answer, Refused)} == {"already_refunded"}
    for payment in payments:
        assert await world.back(payment) == (0, 5000)
        assert await world.moved(payment) == {}


async def test_refunds_of_several_payments_share_one_balance_and_nobody_goes_below_zero(world: RefundsWorld) -> None:
    """blnk #181, as refunds: a balance that covers ten of them gives ten."""
    user = world.somebody()
    payments = [await world.paid(1000, user_id=user) for _ in range(20)]
    await world.spend(user, 10_000)

    replies = await together(*(world.ask(payment) for payment in payments))

    answers = [reply.answer for reply in replies]
    assert sum(isinstance(answer, RefundMade) for answer in answers) == 10
    assert Counter(answer.code for answer in answers if isinstance(answer, Refused)) == {"insufficient_funds": 10}
    assert await world.available(user) == (0, 10_000)
    assert sum([(await world.back(payment))[1] for payment in payments]) == 10_000
    assert {(await world.back(payment))[0] for payment in payments} == {0}


async def test_refunds_of_ours_and_the_providers_own_at_once_are_both_booked(world: RefundsWorld) -> None:
    payment = await world.paid(9000, kind="payment", fee_minor=900)
    elsewhere = [refund_event(payment, 1000 + n, reference=f"re_race_{n}") for n in range(3)]

    await together(
        *(world.ask(payment, amount_minor=700) for _ in range(5)),
        *(world.settlement.handle([event]) for event in (*elsewhere, *elsewhere)),
    )
    await world.resume()
    await world.resume()

    refunds = await world.refunds_of(payment)
    assert Counter((refund.origin, refund.state) for refund in refunds) == {
        ("request", State.SUCCEEDED): 5,
        ("provider", State.SUCCEEDED): 3,
    }
    assert await world.back(payment) == (0, 5 * 700 + 3003)
    assert sum(refund.fee_minor for refund in refunds) == 900 * (5 * 700 + 3003) // 9000
    await world.refund(payment)
    assert await world.moved(payment) == {}


async def test_the_same_request_while_it_is_under_way_is_one_refund(world: RefundsWorld) -> None:
    """blnk #152: repeats meet the first one half-way."""
    payment = await world.paid(5000)
    world.provider.unheard = 1

    replies = await together(*(world.ask(payment, amount_minor=3000, key="key-race") for _ in range(10)))
    await world.resume()
    last = await world.ask(payment, amount_minor=3000, key="key-race")

    assert isinstance(last.answer, RefundMade)
    begun = {
        reply.answer.refund_id if isinstance(reply.answer, RefundMade) else reply.answer.resource_id
        for reply in replies
        if isinstance(reply.answer, (RefundMade, InProgress))
    }
    assert begun == {last.answer.refund_id}
    assert [refund.state for refund in await world.refunds_of(payment)] == [State.SUCCEEDED]
    assert await world.back(payment) == (0, 3000)


async def test_the_database_itself_keeps_more_from_going_back_than_was_paid(world: RefundsWorld) -> None:
    payment = await world.paid(5000)
    await world.refund(payment, 3000)

    for refunding, refunded in ((2001, 0), (0, 2001), (0, -3001)):
        with pytest.raises(asyncpg.CheckViolationError, match="payments_back_at_most_paid"):
            async with postgres.transaction(world.payments.pool) as tx:
                await store.count(tx, payment.payment_id, refunding, refunded)
