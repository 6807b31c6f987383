"""What only Stripe does, from its webhook to the book: two Event objects of one change, and a secret that is rolled while they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from services.gateway.signatures import stripe as signatures
from shared.contracts.refunds import RefundMade
from shared.money import Money
from tests.contract.providers.receiver import Receiver
from tests.contract.providers.stripe_stage import StripeStage, stripe_stage
from tests.contract.providers.world import ProviderWorld, provider_world, session_of
from tests.emulators.server import EmulatorServer
from tests.emulators.stripe.emulator import TEST_WEBHOOK_SECRET


@asynccontextmanager
async def stripes_world(database_url: str) -> AsyncIterator[tuple[ProviderWorld, StripeStage]]:
    receiver = Receiver()
    async with EmulatorServer(receiver), stripe_stage(receiver) as stage:
        receiver.checks["stripe"] = stage.check
        on_stage: Any = stage
        async with provider_world(database_url, on_stage, receiver) as world:
            yield world, stage
            await world.arrive()
            await world.books_agree()


async def test_two_events_of_each_change_move_everything_once(fresh_database_url: str) -> None:
    async with stripes_world(fresh_database_url) as (world, stage):
        await stage.emulator.control.set_twins(1)
        made = await world.deposit(Money(5_000, "eur"))
        await stage.pay(session_of(made))
        await world.arrive()
        assert (await world.credits(made), await world.available(made)) == (1, 5_000)
        assert isinstance(await world.refund(made, 1_000), RefundMade)
        await stage.refund_elsewhere(session_of(made), Money(500, "eur"))
        await world.arrive()
        assert await world.available(made) == 3_500
        await stage.dispute(session_of(made), "opened")
        await world.arrive()
        assert (await world.status(made), await world.available(made)) == ("disputed", 0)
        await stage.dispute(session_of(made), "won")
        await world.arrive()
        assert (await world.status(made), await world.available(made)) == ("partially_refunded", 3_500)
        told = Counter(event["type"] for event in stage.emulator.control.events())
        assert {told[kind] for kind in ("payment_intent.succeeded", "refund.created", "charge.dispute.funds_withdrawn")} == {2, 4}
        (row,) = await world.payments.rows("select count(distinct event_id) as n from payments.provider_events")
        assert row["n"] == told.total(), "each with an id of its own"


async def test_while_a_secret_is_rolled_no_webhook_is_refused_whichever_side_is_first(fresh_database_url: str) -> None:
    async with stripes_world(fresh_database_url) as (world, stage):
        secrets: tuple[str, ...] = (TEST_WEBHOOK_SECRET,)
        world.receiver.checks["stripe"] = lambda received, now: signatures.verify(received, secrets, now)
        fresh = await stage.emulator.control.roll_secret(overlap_seconds=3_600)
        for ours in ((TEST_WEBHOOK_SECRET,), (fresh, TEST_WEBHOOK_SECRET), (fresh,)):
            secrets = ours
            made = await world.deposit(Money(5_000, "eur"))
            await stage.pay(session_of(made))
            await world.arrive()
            assert await world.status(made) == "completed"
        assert {tried.status for tried in stage.deliveries.attempts} == {200}
