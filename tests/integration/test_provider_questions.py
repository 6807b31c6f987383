"""How often providers are asked: never beyond what they bear, the newest first where not all can be asked, and none waits for another."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from services.payments.domain.payments import Payment
from services.payments.providers.base import Told
from services.payments.reconciler import Reconciler
from services.payments.store import questions
from shared.contracts.base import utc_now
from shared.contracts.intents import ConfirmPayment, PaymentConfirmed
from shared.postgres import transaction
from tests.integration.payments_world import PaymentsWorld, payments_world, sameness
from tests.integration.scripted_provider import ScriptedProvider


async def granted(world: PaymentsWorld, wanted: int, per_minute: int) -> int:
    async with transaction(world.pool) as tx:
        return await questions.take_questions(tx, "allsecure", wanted, per_minute)


async def test_all_replicas_together_ask_a_fifth_of_a_minutes_questions_at_once_and_more_only_with_time(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        at_once = await asyncio.gather(*(granted(world, 3, 40) for _ in range(20)))
        assert sum(at_once) == 8
        await world.rows("update payments.provider_questions set at = at - interval '6 seconds' returning 1")
        assert await granted(world, 100, 40) == 4, "40 a minute are 4 in 6 seconds"
        await world.rows("update payments.provider_questions set at = at - interval '1 hour' returning 1")
        assert await granted(world, 100, 40) == 8, "what nobody asked for an hour does not add up"
        await world.rows("update payments.provider_questions set at = at + interval '1 hour' returning 1")
        assert await granted(world, 100, 40) == 0, "the database's clock was set back: nobody asks, and nothing fails"
        await world.rows("update payments.provider_questions set at = at - interval '6 seconds' returning 1")
        assert await granted(world, 100, 40) == 4


async def test_whose_payer_has_just_been_sent_there_is_asked_about_first(fresh_database_url: str) -> None:
    slow = ScriptedProvider(name="allsecure", questions_per_minute=1)
    async with payments_world(fresh_database_url, enabled=("allsecure",), more=[slow]) as world:
        made = [(await world.deposit(method="allsecure")).payment_id for _ in range(6)]
        for _ in range(6):
            await world.rows("update payments.provider_questions set at = at - interval '1 minute' returning 1")
            await world.rows("update payments.payments set reconcile_at = now() returning 1")
            await world.reconciler.reconcile_due()
        assert [payment.payment_id for payment in slow.asked] == [*made[-4:], *made[-4:-2]], "the newest four in turn"


async def test_of_many_askers_each_payment_has_one(fresh_database_url: str) -> None:
    stripe = ScriptedProvider()
    async with payments_world(fresh_database_url, enabled=("stripe",), more=[stripe]) as world:
        made = {(await world.deposit(method="stripe")).payment_id for _ in range(20)}
        await world.rows("update payments.payments set reconcile_at = now() returning 1")
        reconcilers = [Reconciler(world.pool, world.confirming.inquiry, after_seconds=60) for _ in range(6)]
        asked = await asyncio.gather(*(reconciler.reconcile_due() for reconciler in reconcilers))
        assert (sum(asked), len(stripe.asked)) == (20, 20)
        assert {payment.payment_id for payment in stripe.asked} == made


async def test_questions_that_are_not_asked_are_given_back(fresh_database_url: str) -> None:
    slow = ScriptedProvider(name="allsecure", questions_per_minute=15)
    async with payments_world(fresh_database_url, enabled=("allsecure",), more=[slow]) as world:
        await world.reconciler.reconcile_due()
        await world.deposit(method="allsecure")
        await world.reconciler.reconcile_due()
        assert len(slow.asked) == 1


async def test_payers_who_press_confirm_again_and_again_do_not_use_up_the_questions(fresh_database_url: str) -> None:
    """Their share is a quarter, a fifth of that at once; the reconciler's own is untouched."""
    slow = ScriptedProvider(name="allsecure", questions_per_minute=40)
    async with payments_world(fresh_database_url, enabled=("allsecure",), more=[slow]) as world:
        made = await world.deposit(method="allsecure")
        for _ in range(30):
            command = ConfirmPayment(
                correlation_id="request-3",
                idempotency=sameness(operation="POST /api/v1/payments/confirm/{payment_id}"),
                deadline=utc_now() + timedelta(seconds=60),
                payment_id=str(made.payment_id),
                user_id="1",
            )
            answer = (await world.confirming.confirm(command)).answer
            assert isinstance(answer, PaymentConfirmed)
            assert answer.status == "pending"
        assert 2 <= len(slow.asked) <= 4, "two at once, and perhaps one more that time has given back"
        await world.reconciler.reconcile_due()
        assert len(slow.asked) <= 5


async def test_a_provider_that_hangs_does_not_keep_another_from_being_asked(fresh_database_url: str) -> None:
    class Hanging(ScriptedProvider):
        async def find(self, payment: Payment) -> Told:
            self.asked.append(payment)
            await asyncio.Event().wait()
            raise AssertionError

    hanging, quick = Hanging(name="allsecure"), ScriptedProvider(name="stripe")
    async with payments_world(fresh_database_url, enabled=("stripe", "allsecure"), more=[hanging, quick]) as world:
        for method in ("allsecure", "stripe"):
            await world.deposit(method=method)
        reconciler = Reconciler(world.pool, world.confirming.inquiry, after_seconds=0.01)
        await reconciler.start()
        try:
            async with asyncio.timeout(20):
                while len(quick.asked) < 3:
                    await asyncio.sleep(0.01)
        finally:
            await reconciler.stop()
        assert len(hanging.asked) == 1


async def test_a_provider_that_cannot_be_asked_is_not_and_its_sessions_end_here(fresh_database_url: str) -> None:
    from services.payments.domain.capabilities import Capabilities

    mute = ScriptedProvider(
        name="prodamus", capabilities=Capabilities(refund=False, status=False, cancel=False, payout=False, dispute=False)
    )
    async with payments_world(fresh_database_url, enabled=("prodamus",), more=[mute]) as world:
        await world.deposit(method="prodamus", currency="rub")
        await world.reconciler.reconcile_due()
        await world.rows("update payments.payments set expires_at = now(), reconcile_at = now() returning 1")
        await world.reconciler.reconcile_due()
        assert mute.asked == []
        assert await world.rows("select status from payments.payments") == [{"status": "expired"}]
