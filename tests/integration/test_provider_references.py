"""Refunds and disputes that name only a charge find their payment; a shared account's strangers are kept and change nothing."""

from __future__ import annotations

from typing import Any

import pytest

from services.payments.domain.facts import Closed, DisputeTold, Fact, Paid, RefundTold
from services.payments.domain.payments import Payment, Status
from shared.contracts.base import new_id, utc_now
from shared.delivery.errors import NotYet
from shared.money import Money
from shared.postgres import Connection
from tests.integration.payments_world import PaymentsWorld, payments_world
from tests.integration.scripted_provider import ScriptedProvider


class Followed:
    """What refunds and disputes were told of, and of which payment."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    async def follow(self, tx: Connection, fact: Fact, payment: Payment | None, correlation_id: str) -> str:
        self.told.append((type(fact).__name__, None if payment is None else payment.payment_id))
        return "ignored" if payment is None else "applied"


async def outcomes(world: PaymentsWorld) -> list[str]:
    return [row["outcome"] for row in await world.rows("select outcome from payments.provider_events order by stored_at, event_id")]


async def test_they_are_found_by_the_charge_by_the_providers_name_of_the_session_and_by_our_refund(fresh_database_url: str) -> None:
    stripe, followed = ScriptedProvider(), Followed()
    money, now = Money(200_000, "rsd"), utc_now()
    async with payments_world(
        fresh_database_url, enabled=("stripe",), more=[stripe], follow={RefundTold: followed.follow, DisputeTold: followed.follow}
    ) as world:
        paid, unpaid = await world.deposit(method="stripe"), await world.deposit(method="stripe")
        await world.settlement.handle([stripe.event(Paid(paid.session_id, "ch_1", money, now))])
        by_charge = RefundTold(None, None, "re_1", money, "succeeded", now, charge_reference="ch_1")
        by_session = DisputeTold(None, "dp_1", "opened", money, now, charge_reference=f"pi_{unpaid.session_id}")
        await world.settlement.handle([stripe.event(by_charge), stripe.event(by_session)])
        assert sorted(followed.told) == [("DisputeTold", unpaid.payment_id), ("RefundTold", paid.payment_id)]


async def test_a_strangers_refund_is_kept_and_ignored(fresh_database_url: str) -> None:
    stripe, followed = ScriptedProvider(), Followed()
    async with payments_world(
        fresh_database_url, enabled=("stripe",), more=[stripe], follow={RefundTold: followed.follow, DisputeTold: followed.follow}
    ) as world:
        money, now = Money(5_000, "usd"), utc_now()
        await world.settlement.handle(
            [
                stripe.event(RefundTold(None, None, "re_9", money, "succeeded", now, charge_reference="ch_strange")),
                stripe.event(DisputeTold(None, "dp_9", "opened", money, now, charge_reference="ch_strange")),
            ]
        )
        assert followed.told == [("RefundTold", None), ("DisputeTold", None)]
        assert await outcomes(world) == ["ignored", "ignored"]


async def test_another_providers_charge_of_the_same_name_is_not_taken_for_it(fresh_database_url: str) -> None:
    stripe, allsecure, followed = ScriptedProvider(), ScriptedProvider(name="allsecure"), Followed()
    money, now = Money(200_000, "rsd"), utc_now()
    async with payments_world(
        fresh_database_url, enabled=("stripe", "allsecure"), more=[stripe, allsecure], follow={RefundTold: followed.follow}
    ) as world:
        created = await world.deposit(method="stripe")
        await world.settlement.handle([stripe.event(Paid(created.session_id, "same", money, now))])
        await world.settlement.handle(
            [allsecure.event(RefundTold(None, new_id(), "re_1", money, "succeeded", now, charge_reference="same"))]
        )
        assert followed.told == [("RefundTold", None)]


async def test_what_goes_back_before_it_is_known_to_have_come_has_the_provider_asked(fresh_database_url: str) -> None:
    """The webhook of the payment was lost, and its session is over: a dispute weeks later is the first word of it."""

    class OfPaidOnes:
        async def follow(self, tx: Connection, fact: Fact, payment: Payment | None, correlation_id: str) -> str:
            assert payment is not None
            if payment.status is not Status.COMPLETED:
                raise NotYet("the payment is not known to be paid")
            return "applied"

    stripe = ScriptedProvider()
    async with payments_world(fresh_database_url, enabled=("stripe",), more=[stripe], follow={DisputeTold: OfPaidOnes().follow}) as world:
        made = await world.deposit(method="stripe")
        await world.settlement.handle([stripe.event(Closed(made.session_id, utc_now()))])
        stripe.told = Paid(made.session_id, "ch_1", Money(200_000, "rsd"), utc_now())
        event = stripe.event(DisputeTold(None, "dp_1", "opened", stripe.told.money, utc_now(), charge_reference=f"pi_{made.session_id}"))
        with pytest.raises(NotYet):
            await world.settlement.handle([event])
        await world.reconciler.reconcile_due()
        assert await world.settlement.handle([event]) == []
        assert (await outcomes(world))[-1] == "applied"
