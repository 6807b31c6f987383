"""Withdrawals to the card of a payment: only one's own, paid and not taken back; sealed, masked, and really sent there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from services.payments.domain.withdrawals import Step
from services.payments.handlers.withdrawals import Withdrawals
from services.payments.providers.allsecure.amounts import CURRENCIES
from shared import postgres
from shared.contracts.base import new_id
from shared.contracts.payment_commands import Refused
from shared.contracts.withdrawals import Card, GetWithdrawal, WithdrawalView
from tests.contract.allsecure_world import allsecure_world
from tests.integration.payments_world import ANSWERS
from tests.integration.withdrawals_world import WithdrawalsWorld, withdraw_command, withdrawals_world


@pytest.fixture
async def world(fresh_database_url: str) -> AsyncIterator[WithdrawalsWorld]:
    async with withdrawals_world(fresh_database_url, method="allsecure") as started:
        yield started


async def paid_by_card(world: WithdrawalsWorld, charge: str = "d94c0d72f3a36e21f16e", *, user_id: str = "1", **changes: Any) -> UUID:
    """A payment of 2000.00 rsd that was paid at AllSecure; `changes`: columns that are otherwise."""
    made = await world.payments.deposit(user_id=user_id)
    await world.payments.settlement.handle([await world.payments.decide(made.session_id, user_id=user_id)])
    columns = {"provider": "allsecure", "charge_reference": charge, "credit_reference": f"allsecure:{charge}"} | changes
    wanted = ", ".join(f"{name} = ${place}" for place, name in enumerate(columns, 2))
    query = f"update payments.payments set {wanted} where payment_id = $1 returning 1"  # noqa: S608 - names of ours
    assert await world.payments.rows(query, made.payment_id, *columns.values())
    return made.payment_id


async def test_the_card_of_a_payment_of_ones_own_is_sent_the_money(world: WithdrawalsWorld) -> None:
    payment_id = await paid_by_card(world)
    withdrawal_id = await world.approved(destination=Card(payment_id=str(payment_id)))
    await world.run()

    (order,) = world.payouts.sent
    assert order.destination == {"type": "card", "payment_id": str(payment_id), "charge_reference": "d94c0d72f3a36e21f16e"}
    assert await world.state(withdrawal_id) == ("paid", Step.DONE)
    view = await world.withdrawals.get(GetWithdrawal(correlation_id="q", withdrawal_id=str(withdrawal_id), viewer_user_id="1"))
    assert isinstance(view, WithdrawalView)
    assert (view.method, view.destination.type) == ("allsecure", "card")
    assert (view.destination.account, view.destination.name) == (f"****{str(payment_id)[-4:]}", "")
    assert b"d94c0d72" not in (await world.row(withdrawal_id))["destination"]


@pytest.mark.parametrize(
    ("owner", "columns"),
    [
        ("2", {}),
        ("1", {"provider": "stripe", "credit_reference": "stripe:d94c0d72f3a36e21f16e"}),
        ("1", {"status": "failed", "charge_reference": None, "credit_reference": None, "completed_at": None}),
        ("1", {"refunded_minor": 200_000}),
        ("1", {"dispute_status": "open"}),
        ("1", {"dispute_status": "lost"}),
    ],
    ids=["somebody else's", "another provider's", "not paid", "all back", "disputed", "lost"],
)
async def test_no_other_card_is(world: WithdrawalsWorld, owner: str, columns: dict[str, Any]) -> None:
    payment_id = await paid_by_card(world, user_id=owner, **columns)
    await refused(world, str(payment_id), "payment_id")


@pytest.mark.parametrize("payment_id", ["x", "' or true --", "00000000-0000-0000-0000-000000000000"])
async def test_what_is_no_payment_is_refused_alike(world: WithdrawalsWorld, payment_id: str) -> None:
    await refused(world, payment_id, "payment_id")


@pytest.mark.parametrize("columns", [{"refunded_minor": 199_999}, {"dispute_status": "won"}], ids=["partly back", "won"])
async def test_a_card_that_still_holds_some_of_it_will_do(world: WithdrawalsWorld, columns: dict[str, Any]) -> None:
    payment_id = await paid_by_card(world, **columns)
    assert (await world.withdraw(destination=Card(payment_id=str(payment_id)))).status == "pending"


async def test_what_a_way_of_paying_out_does_not_reach_is_refused_by_type(world: WithdrawalsWorld) -> None:
    answer = (await world.withdrawals.create(withdraw_command())).answer
    assert isinstance(answer, Refused)
    assert (answer.code, answer.errors[0].loc) == ("destination_not_available", ("body", "destination", "type"))
    payment_id = await paid_by_card(world)
    for method in ("mock", "manual"):
        elsewhere = Withdrawals(world.saga, ANSWERS, method, lambda: None)
        answer = (await elsewhere.create(withdraw_command(destination=Card(payment_id=str(payment_id))))).answer
        assert isinstance(answer, Refused)
        assert (answer.code, answer.errors[0].loc) == ("destination_not_available", ("body", "destination", "type"))
    assert world.book.held == 0


async def test_what_the_provider_cannot_pay_out_is_refused_before_anything_is_held(world: WithdrawalsWorld) -> None:
    payment_id = await paid_by_card(world)
    limited = Withdrawals(world.saga, ANSWERS, "allsecure", lambda: None, CURRENCIES)
    command = withdraw_command(amount_minor=10**12, destination=Card(payment_id=str(payment_id)))
    answer = (await limited.create(command)).answer
    assert isinstance(answer, Refused)
    assert (answer.code, world.book.held) == ("amount_not_available", 0)


async def test_over_the_wire_it_arrives_once_and_what_the_cards_bank_sends_back_is_credited_again(world: WithdrawalsWorld) -> None:
    async with allsecure_world() as theirs:
        _, charge = await theirs.paid()
        payment_id = await paid_by_card(world, charge)
        assert isinstance(world.saga.payouts, dict)
        world.saga.payouts["allsecure"] = theirs.payouts
        theirs.emulator.faults.once("cut_after", "payout")
        theirs.emulator.faults.once("cut_before", "status")

        withdrawal_id = await world.approved(destination=Card(payment_id=str(payment_id)))
        await world.run()
        assert await world.state(withdrawal_id) == ("sending", Step.SENDING), "nobody told"
        await world.run()
        assert await world.state(withdrawal_id) == ("paid", Step.DONE)
        (payout,) = theirs.emulator.control.payouts()
        assert (payout.reference, payout.charge, payout.amount, payout.currency) == (str(withdrawal_id), charge, "10.00", "RSD")
        assert (await world.row(withdrawal_id))["reference"] == payout.payout

        await theirs.emulator.control.fail_payout(str(withdrawal_id))
        for fact in await theirs.facts():
            async with postgres.transaction(world.pool) as tx:
                await world.saga.follow(tx, fact, None, "event-1")
        await world.run()
        assert await world.state(withdrawal_id) == ("returned", Step.DONE)
        assert (world.book.available, world.book.held, world.book.out) == (100_000, 0, 0)


async def refused(world: WithdrawalsWorld, payment_id: str, member: str) -> None:
    """The withdrawal is, for good, and nothing is held; a poller learns why."""
    command = withdraw_command("key-1", destination=Card(payment_id=payment_id))
    answer = (await world.withdrawals.create(command)).answer
    assert isinstance(answer, Refused)
    assert (answer.code, answer.errors[0].loc) == ("destination_not_available", ("body", "destination", member))
    assert world.book.held == 0
    polled = GetWithdrawal(correlation_id="q", withdrawal_id=str(command.withdrawal_id), viewer_user_id="1")
    view = await world.withdrawals.get(polled)
    assert isinstance(view, WithdrawalView)
    assert (view.status, view.problem) == ("failed", answer)
    again = withdraw_command("key-1", destination=Card(payment_id=payment_id), withdrawal_id=new_id())
    assert (await world.withdrawals.create(again)).answer == answer
