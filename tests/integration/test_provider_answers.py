"""What a provider answers to a new payment: its own names are kept, its no is final, its absence leaves nothing behind but a way on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.payments.domain.capabilities import AmountRange
from services.payments.domain.facts import Closed, Look, Paid
from services.payments.providers.base import Accepted, Canceled, Rejected, Unavailable, Unknown
from shared.contracts.base import utc_now
from shared.contracts.payment_commands import DepositCreated, Refused
from shared.contracts.queries import GetPayment, PaymentView
from shared.delivery.errors import NotYet
from shared.money import Money
from tests.integration.intents_world import an_intent, with_demo_sessions
from tests.integration.payments_world import STEPS, PaymentsWorld, deposit_command, payments_world, sameness
from tests.integration.scripted_provider import ScriptedProvider


async def status(world: PaymentsWorld, payment_id: object) -> str:
    view = await world.views.payment(GetPayment(correlation_id="q", payment_id=str(payment_id), viewer_user_id="1"))
    assert isinstance(view, PaymentView)
    return view.status


async def test_the_providers_own_name_and_the_payers_secret_are_kept_and_the_secret_is_sealed(fresh_database_url: str) -> None:
    stripe = ScriptedProvider()
    async with payments_world(fresh_database_url, enabled=("stripe",), more=[stripe]) as world:
        created = await world.deposit(method="stripe")
        assert created.client_secret == f"pi_{created.session_id}_secret_1"

        (row,) = await world.rows("select provider_reference, client_secret from payments.payments")
        assert row["provider_reference"] == f"pi_{created.session_id}"
        assert created.client_secret.encode() not in row["client_secret"]
        assert STEPS.secret.open(row["client_secret"]) == created.client_secret.encode()


async def test_a_repeat_under_the_same_key_gets_the_same_secret_and_asks_nobody(fresh_database_url: str) -> None:
    stripe = ScriptedProvider()
    async with payments_world(fresh_database_url, enabled=("stripe",), more=[stripe]) as world:
        first = await world.deposit(method="stripe", idempotency=sameness("key-1"))
        again = await world.deposit(method="stripe", idempotency=sameness("key-1"))
        assert again == first
        assert len(stripe.creations) == 1


async def test_a_payment_that_the_provider_rejects_has_failed_and_tells_why_for_good(fresh_database_url: str) -> None:
    stripe = ScriptedProvider(created=Rejected("currency is not enabled for this account"))
    async with payments_world(fresh_database_url, enabled=("stripe",), more=[stripe]) as world:
        command = deposit_command(method="stripe", idempotency=sameness("key-1"))
        refused = (await world.deposits.create(command)).answer
        assert isinstance(refused, Refused)
        assert refused.code == "payment_rejected"
        assert "currency is not enabled" in refused.detail
        assert await status(world, command.payment_id) == "failed"

        stripe.created = None
        repeat = await world.deposits.create(deposit_command(method="stripe", idempotency=sameness("key-1")))
        assert repeat.replayed
        assert repeat.answer == refused
        await world.reconciler.reconcile_due()
        assert len(stripe.creations) == 1
        assert stripe.asked == [], "nothing is there that could be asked about"


async def test_a_provider_that_does_not_serve_leaves_the_key_free_and_the_repeat_goes_on_with_the_same_payment(
    fresh_database_url: str,
) -> None:
    stripe = ScriptedProvider(created=Unavailable("too many requests"))
    async with payments_world(fresh_database_url, enabled=("stripe",), more=[stripe]) as world:
        command = deposit_command(method="stripe", idempotency=sameness("key-1"))
        refused = (await world.deposits.create(command)).answer
        assert isinstance(refused, Refused)
        assert refused.code == "provider_unavailable"

        stripe.created = None
        answer = (await world.deposits.create(deposit_command(method="stripe", idempotency=sameness("key-1")))).answer
        assert isinstance(answer, DepositCreated)
        assert answer.payment_id == command.payment_id
        assert [again for _, _, again in stripe.creations] == [False, True], "it may be there already: the adapter is told"
        assert len({payment.session_id for payment, _, _ in stripe.creations}) == 1


async def test_silence_is_asked_again_with_the_same_session(fresh_database_url: str) -> None:
    stripe = ScriptedProvider(created=Unknown())
    async with payments_world(fresh_database_url, enabled=("stripe",), more=[stripe]) as world:
        command = deposit_command(method="stripe")
        with pytest.raises(NotYet):
            await world.deposits.create(command)
        stripe.created = None
        assert isinstance((await world.deposits.create(command)).answer, DepositCreated)
        assert [again for _, _, again in stripe.creations] == [False, True]


async def test_what_is_rejected_after_silence_has_failed_with_its_reason_for_whoever_polls(fresh_database_url: str) -> None:
    stripe = ScriptedProvider(created=Unknown())
    async with payments_world(fresh_database_url, enabled=("stripe",), more=[stripe]) as world:
        command = deposit_command(method="stripe")
        with pytest.raises(NotYet):
            await world.deposits.create(command)
        stripe.created = Rejected("currency is not enabled for this account")
        await world.deposits.create(command)

        view = await world.views.payment(GetPayment(correlation_id="q", payment_id=str(command.payment_id), viewer_user_id="1"))
        assert isinstance(view, PaymentView)
        assert view.problem is not None
        assert (view.status, view.problem.code) == ("failed", "payment_rejected")
        assert "currency is not enabled" in view.problem.detail


async def test_an_intent_has_the_providers_own_secret_or_none_where_the_payer_goes_on_at_its_page(fresh_database_url: str) -> None:
    stripe, allsecure = ScriptedProvider(), ScriptedProvider(name="allsecure")
    allsecure.created = Accepted("https://pay.example.org/redirect", utc_now() + timedelta(hours=1), provider_reference="uuid-1")
    async with payments_world(fresh_database_url, enabled=("allsecure", "stripe"), more=[stripe, allsecure]) as world:
        await with_demo_sessions(world)
        by_card, elsewhere, chosen = [await an_intent(world, method=method) for method in ("stripe", "allsecure", None)]

        assert by_card.client_secret == f"pi_{stripe.creations[0][0].session_id}_secret_1"
        assert (elsewhere.client_secret, elsewhere.payment_url) == (None, "https://pay.example.org/redirect")
        assert chosen.method == "stripe", "without a wish it is Stripe where that is on"


@pytest.mark.parametrize(
    ("amount_minor", "currency", "code", "told"),
    [
        (49, "usd", "amount_not_available", "stripe takes at least 0.50 usd."),
        (100_000_000, "usd", "amount_not_available", "stripe takes at most 999999.99 usd."),
        (5_124, "kwd", "amount_not_available", "stripe takes whole multiples of 0.010 kwd."),
        (5_000, "rsd", "currency_not_available", "stripe does not take rsd."),
    ],
)
async def test_a_sum_that_the_provider_does_not_take_is_refused_before_it_is_asked(
    fresh_database_url: str, amount_minor: int, currency: str, code: str, told: str
) -> None:
    stripe = ScriptedProvider(currencies={"usd": AmountRange(50, 99_999_999), "kwd": AmountRange(1_000, 99_999_990, 10)})
    async with payments_world(fresh_database_url, enabled=("stripe",), more=[stripe]) as world:
        refused = (await world.deposits.create(deposit_command(method="stripe", amount_minor=amount_minor, currency=currency))).answer
        assert isinstance(refused, Refused)
        assert (refused.code, refused.detail) == (code, told)
        assert refused.errors[0].loc[-1] in ("amount", "currency")
        assert stripe.creations == []


async def test_a_session_that_was_closed_at_the_provider_is_canceled_here_and_paid_money_still_beats_it(fresh_database_url: str) -> None:
    stripe = ScriptedProvider()
    async with payments_world(fresh_database_url, enabled=("stripe",), more=[stripe]) as world:
        created = await world.deposit(method="stripe")
        await world.settlement.handle([stripe.event(Closed(created.session_id, utc_now()))])
        assert await status(world, created.payment_id) == "canceled"

        proof = Paid(created.session_id, "pi_1", Money(200_000, "rsd"), utc_now())
        await world.settlement.handle([stripe.event(proof)])
        assert await status(world, created.payment_id) == "completed"


async def test_something_else_than_was_asked_for_is_paid_and_kept_apart(fresh_database_url: str) -> None:
    """A link that was tampered with: the sum is right, what was bought for it is not."""
    stripe = ScriptedProvider()
    async with payments_world(fresh_database_url, enabled=("stripe",), more=[stripe]) as world:
        created = await world.deposit(method="stripe")
        ours = stripe.creations[0][0].title
        money = Money(200_000, "rsd")
        await world.settlement.handle([stripe.event(Paid(created.session_id, "pi_1", money, utc_now(), title="A yacht"))])
        assert await status(world, created.payment_id) == "pending"
        (item,) = await world.rows("select reason, amount_minor from payments.suspense_items")
        assert item == {"reason": "something_else_paid", "amount_minor": 200_000}

        await world.settlement.handle([stripe.event(Paid(created.session_id, "pi_2", money, utc_now(), title=ours))])
        assert await status(world, created.payment_id) == "completed"


async def test_an_event_that_does_not_decide_has_the_provider_asked_at_once(fresh_database_url: str) -> None:
    stripe = ScriptedProvider()
    async with payments_world(fresh_database_url, enabled=("stripe",), more=[stripe]) as world:
        created = await world.deposit(method="stripe")
        await world.rows("update payments.payments set reconcile_at = now() + interval '1 hour' returning 1")
        await world.reconciler.reconcile_due()
        assert stripe.asked == []

        stripe.told = Paid(created.session_id, "pi_1", Money(200_000, "rsd"), utc_now())
        await world.settlement.handle([stripe.event(Look(created.session_id))])
        await world.reconciler.reconcile_due()
        assert await status(world, created.payment_id) == "completed"


async def test_so_it_is_about_a_session_that_is_over_here(fresh_database_url: str) -> None:
    """The event that tells of late money is rendered in a version that nobody here reads."""
    stripe = ScriptedProvider()
    async with payments_world(fresh_database_url, enabled=("stripe",), more=[stripe]) as world:
        created = await world.deposit(method="stripe")
        await world.settlement.handle([stripe.event(Closed(created.session_id, utc_now()))])
        stripe.told = Paid(created.session_id, "pi_1", Money(200_000, "rsd"), utc_now())
        await world.reconciler.reconcile_due()
        assert stripe.asked == []

        await world.settlement.handle([stripe.event(Look(created.session_id))])
        await world.reconciler.reconcile_due()
        assert await status(world, created.payment_id) == "completed"


async def test_what_a_provider_cannot_end_is_asked_about_for_a_day_after_it_is_over_here(fresh_database_url: str) -> None:
    """Somebody had the page still open, paid, and the webhook was lost."""
    slow = ScriptedProvider(name="allsecure", ended=Canceled(still_payable=True))
    async with payments_world(fresh_database_url, enabled=("allsecure",), more=[slow], session_ttl_seconds=3600) as world:
        created = await world.deposit(method="allsecure")
        await world.rows("update payments.payments set expires_at = now(), reconcile_at = now() returning 1")
        await world.reconciler.reconcile_due()
        assert await status(world, created.payment_id) == "expired"
        (row,) = await world.rows(
            "select watch_until - now() between interval '23 hours' and interval '25 hours' as watched from payments.payments"
        )
        assert row["watched"]

        await world.rows("update payments.payments set reconcile_at = now() returning 1")
        slow.told = Paid(created.session_id, "uuid-1", Money(200_000, "rsd"), utc_now())
        await world.reconciler.reconcile_due()
        assert await status(world, created.payment_id) == "completed"
        assert len(slow.ends) == 1, "it was ended once, not with every question"
        assert await world.rows("select watch_until from payments.payments") == [{"watch_until": None}]


async def test_what_nobody_paid_is_asked_about_once_more_when_the_day_is_over_and_then_left_alone(fresh_database_url: str) -> None:
    """Else all that was ever given up would be looked at every few seconds."""
    slow = ScriptedProvider(name="allsecure", ended=Canceled(still_payable=True))
    async with payments_world(fresh_database_url, enabled=("allsecure",), more=[slow]) as world:
        await world.deposit(method="allsecure")
        await world.rows("update payments.payments set expires_at = now(), reconcile_at = now() returning 1")
        await world.reconciler.reconcile_due()
        asked = len(slow.asked)
        await world.rows("update payments.payments set watch_until = now() returning 1")
        for _ in range(2):
            await world.rows("update payments.payments set reconcile_at = now() returning 1")
            await world.reconciler.reconcile_due()
            assert len(slow.asked) == asked + 1
        assert await world.rows("select status, watch_until from payments.payments") == [{"status": "expired", "watch_until": None}]
