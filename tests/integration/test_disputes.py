"""Disputes, from the provider's event to the real book: who is debited how much, what is given back, in whatever order it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.payments.domain.payments import Payment
from shared import postgres
from shared.contracts.payment_commands import DepositCreated
from shared.contracts.payment_events import PaymentCompleted
from shared.contracts.wallet_commands import MoveFunds
from shared.delivery.errors import NotYet
from tests.integration.operators_world import OperatorsWorld, a_charge, mock_event, operators_world


@pytest.fixture(scope="module")
async def running(module_database_url: str) -> AsyncIterator[OperatorsWorld]:
    async with operators_world(module_database_url) as world:
        yield world


@pytest.fixture
async def world(running: OperatorsWorld) -> AsyncIterator[OperatorsWorld]:
    yield running
    running.ledger.lost.clear()
    running.ledger.unheard.clear()
    running.refunds.withdrawals.holds.clear()


def told(made: DepositCreated | Payment, event: str, *, reference: str = "dp_1", **data: Any) -> Any:
    assert made.session_id is not None
    return mock_event(f"dispute.{event}", made.session_id, dispute=f"{reference}_{made.session_id.hex}", **data)


async def moved(world: OperatorsWorld, payment: Payment) -> dict[str, int]:
    """What each account has more by all transfers of the payment."""
    return await world.refunds.moved(payment)


async def test_the_owner_is_debited_below_zero_and_gets_it_back_when_it_is_won(world: OperatorsWorld) -> None:
    payer = world.somebody()
    made = await world.paid_deposit(payer)
    await world.refunds.spend(payer, 4_000)

    assert await world.tell(told(made, "opened")) == ["applied"]
    assert await world.dispute_status(made.payment_id) == "open", "told at once"
    await world.resume()
    assert await world.available(payer) == -4_000

    assert await world.tell(told(made, "won")) == ["applied"]
    assert await world.dispute_status(made.payment_id) == "open", "until the money is back"
    await world.resume()
    assert await world.available(payer) == 1_000
    assert await world.dispute_status(made.payment_id) == "won"
    assert await world.frames(made.payment_id) == ["disputed", "completed"]


async def test_lost_it_stays_disputed_and_nothing_more_moves(world: OperatorsWorld) -> None:
    payer = world.somebody()
    made = await world.paid_deposit(payer)
    await world.tell(told(made, "opened"))
    await world.resume()

    assert await world.tell(told(made, "lost"), told(made, "lost")) == ["applied", "unchanged"]
    await world.resume()

    assert await world.available(payer) == 0
    assert await world.dispute_status(made.payment_id) == "lost"
    assert await world.frames(made.payment_id) == ["disputed", "disputed"]


@pytest.mark.parametrize("order", [("won", "opened"), ("won",), ("opened", "won", "won", "opened"), ("opened", "lost", "won")])
async def test_in_whatever_order_it_is_told_the_won_money_is_back_once(world: OperatorsWorld, order: tuple[str, ...]) -> None:
    payer = world.somebody()
    made = await world.paid_deposit(payer)

    await world.tell(*(told(made, event) for event in order))
    for _ in range(2):
        await world.resume()

    assert await world.available(payer) == 5_000
    assert await world.dispute_status(made.payment_id) == "won"
    rows = await world.ledger.book.rows(
        "select reference from wallet.transfers where payment_id = $1 and kind = 'dispute'", made.payment_id
    )
    assert sorted(row["reference"].rpartition(":")[2] for row in rows) == ["opened", "won"]


async def test_it_comes_in_the_same_batch_as_the_payment_itself(world: OperatorsWorld) -> None:
    payer = world.somebody()
    made = await world.deposit(payer)

    assert await world.tell(a_charge(made.session_id), told(made, "opened")) == ["applied", "applied"]
    await world.resume()

    assert await world.available(payer) == 0
    assert await world.dispute_status(made.payment_id) == "open"


async def test_before_the_payment_is_known_to_be_paid_it_waits(world: OperatorsWorld) -> None:
    made = await world.deposit(world.somebody())

    with pytest.raises(NotYet):
        await world.settlement.handle([told(made, "opened")])


async def test_the_mentor_bears_it_net_and_the_fee_goes_back_with_it(world: OperatorsWorld) -> None:
    payment = await world.refunds.paid(kind="payment", fee_minor=500)
    assert payment.mentor_id is not None

    await world.tell(told(payment, "opened"))
    await world.resume()
    assert await moved(world, payment) == {}, "as if it had never been paid"
    assert await world.available(payment.mentor_id) == 0

    await world.tell(told(payment, "won"))
    await world.resume()
    assert await moved(world, payment) == {"clearing:mock": -5_000, f"user:{payment.mentor_id}": 4_500, "fees:platform": 500}


async def test_what_was_refunded_before_is_the_platforms_loss(world: OperatorsWorld) -> None:
    payment = await world.refunds.paid(kind="payment", fee_minor=500)
    await world.refunds.refund(payment, 2_000)

    await world.tell(told(payment, "opened"))
    await world.resume()

    assert await moved(world, payment) == {"clearing:mock": 2_000, "loss:platform": -2_000}
    assert await world.available(payment.mentor_id or "") == 0
    assert await world.refunds.refused(payment) == "payment_disputed"


async def test_a_refund_is_possible_again_when_it_is_won(world: OperatorsWorld) -> None:
    payment = await world.refunds.paid()
    await world.tell(told(payment, "opened"), told(payment, "won"))
    await world.resume()

    assert (await world.refunds.refund(payment)).status == "refunded"
    assert await moved(world, payment) == {}


async def test_two_disputes_of_one_payment_take_it_from_the_owner_once(world: OperatorsWorld) -> None:
    payer = world.somebody()
    made = await world.paid_deposit(payer)

    await world.tell(told(made, "opened", amount_minor=3_000), told(made, "opened", reference="dp_2", amount_minor=4_000))
    await world.resume()

    assert await world.available(payer) == 0, "3,000 and the 2,000 that were left"
    await world.tell(told(made, "won", amount_minor=3_000))
    await world.resume()
    assert await world.available(payer) == 3_000
    assert await world.dispute_status(made.payment_id) == "open", "the other one is"


async def test_unsent_withdrawals_give_way_the_newest_first_and_only_as_far_as_needed(world: OperatorsWorld) -> None:
    payer = world.somebody()
    made = await world.paid_deposit(payer, 5_000)
    holds = [(await world.refunds.spend(payer, amount), amount) for amount in (1_000, 2_000, 1_500)]
    world.refunds.withdrawals.holds[:] = holds
    other = await world.paid_deposit(payer, 1_000)

    await world.tell(told(other, "opened", amount_minor=1_000))
    await world.resume()
    assert world.refunds.withdrawals.canceled == [], "what is available is enough"

    await world.tell(told(made, "opened"))
    await world.resume()

    assert world.refunds.withdrawals.canceled == [reference for reference, _ in reversed(holds)]
    assert await world.available(payer) == 0
    assert await world.refunds.available(payer) == (0, 0)


@pytest.mark.parametrize("trouble", ["lost", "unheard"])
async def test_a_silent_wallet_is_asked_again_and_takes_it_once(world: OperatorsWorld, trouble: str) -> None:
    """A crash between any two steps is the same: the row says what comes next."""
    payer = world.somebody()
    made = await world.paid_deposit(payer)
    getattr(world.ledger, trouble)[MoveFunds] = 2
    await world.tell(told(made, "opened"))
    for _ in range(3):
        await world.resume()
    assert await world.available(payer) == 0

    getattr(world.ledger, trouble)[MoveFunds] = 2
    await world.tell(told(made, "won"))
    for _ in range(3):
        await world.resume()
    assert await world.available(payer) == 5_000
    assert await world.dispute_status(made.payment_id) == "won"


async def test_withdrawals_do_not_give_way_to_a_credit_that_is_still_on_its_way(world: OperatorsWorld) -> None:
    payer = world.somebody()
    old = await world.paid_deposit(payer, 1_000)
    world.refunds.withdrawals.holds[:] = [(await world.refunds.spend(payer, 1_000), 1_000)]
    made = await world.deposit(payer)
    assert not await world.settlement.handle([a_charge(made.session_id), told(made, "opened")])
    await world.resume()
    assert world.refunds.withdrawals.holds, "its credit is not posted: nobody knows yet whether it is enough"

    await world.credit()
    world.ledger.lost[PaymentCompleted] = 1
    await world.resume()
    world.ledger.lost.clear()
    await world.resume()

    assert world.refunds.withdrawals.holds
    assert await world.available(payer) == 0
    assert await world.status(old.payment_id) == "completed"


async def test_fifty_events_at_once_move_it_once(world: OperatorsWorld) -> None:
    payer = world.somebody()
    made = await world.paid_deposit(payer)
    events = [told(made, ("opened", "won")[n % 2]) for n in range(50)]

    async def handle_and_step(n: int) -> None:
        await world.settlement.handle(events[n * 5 : n * 5 + 5])
        await world.resume()

    await asyncio.gather(*(handle_and_step(n) for n in range(10)))
    await world.resume()

    assert await world.available(payer) == 5_000
    assert await world.dispute_status(made.payment_id) == "won"
    (row,) = await world.rows("select count(*) as n from payments.disputes where payment_id = $1", made.payment_id)
    assert row["n"] == 1


async def test_what_cannot_be_a_dispute_of_ours_moves_nothing_and_is_told(world: OperatorsWorld) -> None:
    made = await world.paid_deposit(world.somebody())
    stranger = made.model_copy(update={"session_id": made.payment_id})
    await world.tell(told(made, "opened", reference="dp_w"), told(made, "won", reference="dp_w"))
    await world.resume()

    with capture_logs() as lines:
        outcomes = await world.tell(told(made, "opened", currency="eur"), told(stranger, "opened"), told(made, "lost", reference="dp_w"))

    assert outcomes == ["currency_mismatch", "unknown_reference", "contradiction"]
    assert [line["outcome"] for line in lines if line["log_level"] == "error"] == outcomes
    async with postgres.connection(world.refunds.payments.pool) as db:
        assert await db.fetchval("select count(*) from payments.disputes where payment_id = $1", made.payment_id) == 1
