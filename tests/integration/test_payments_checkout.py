"""What our own payment page is told: a session's secret, to whoever may pay it and while it can be paid; and what can be paid how."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from services.payments.domain.capabilities import AmountRange, Capabilities
from services.payments.domain.facts import Paid
from services.payments.handlers.checkout import Checkout
from services.payments.providers.base import Unknown
from services.payments.store.next_steps import StepSeals
from shared.contracts.base import new_id, utc_now
from shared.contracts.checkout import CheckoutView, GetCheckout, ListMethods
from shared.contracts.payment_commands import Refused
from shared.delivery.errors import NotYet
from shared.money import EXPONENTS, MAX_AMOUNT_MINOR, Money
from shared.sealing import Unreadable
from tests.integration.intents_world import an_intent, cancel_command, emptied, with_demo_sessions
from tests.integration.orders_world import OrdersWorld, orders_world
from tests.integration.payments_world import STEPS, deposit_command
from tests.integration.scripted_provider import ScriptedProvider

STRIPE = ScriptedProvider()


@pytest.fixture(scope="module")
async def running(module_database_url: str) -> AsyncIterator[OrdersWorld]:
    async with orders_world(module_database_url, more=[STRIPE]) as started:
        await with_demo_sessions(started.payments)
        yield started


@pytest.fixture
async def world(running: OrdersWorld, module_database_url: str) -> OrdersWorld:
    STRIPE.created = None
    await emptied(running.payments, module_database_url)
    return running


def checkout(world: OrdersWorld, **changes: Any) -> Checkout:
    return replace(Checkout(world.payments.pool, STEPS.secret, {"stripe": STRIPE}, ("stripe",)), **changes)


async def seen(world: OrdersWorld, session_id: UUID | None, viewer: str | None) -> CheckoutView | str:
    assert session_id is not None
    query = GetCheckout(correlation_id="q", session_id=session_id, viewer_user_id=viewer)
    answer = await checkout(world).session(query)
    return answer.code if isinstance(answer, Refused) else answer


async def test_a_top_up_is_shown_to_its_payer_alone_with_the_secret_and_the_pages_to_go_on_to(world: OrdersWorld) -> None:
    made = await world.payments.deposit(method="stripe", amount_minor=200_000, currency="rsd", locale="ru")

    view = await seen(world, made.session_id, "1")

    assert isinstance(view, CheckoutView)
    assert (view.payment_id, view.status, view.kind, view.amount_minor, view.currency) == (
        made.payment_id,
        "pending",
        "deposit",
        200_000,
        "rsd",
    )
    assert view.client_secret == made.client_secret == f"pi_{made.session_id}_secret_1"
    assert view.success_path == f"/ru/balance/deposit/success?session_id={made.session_id}&amount=2000.00"
    assert view.failure_path == f"/ru/balance/deposit?error=payment_failed&session_id={made.session_id}"
    assert view.client_secret not in repr(view), "nothing that logs an answer logs it"
    assert [await seen(world, made.session_id, viewer) for viewer in ("3", "9", None)] == ["session_not_found"] * 3


async def test_a_sessions_payment_is_its_payers_and_not_its_mentors(world: OrdersWorld) -> None:
    intent = await an_intent(world.payments, method="stripe")
    (row,) = await world.payments.rows("select session_id from payments.payments")

    view = await seen(world, row["session_id"], "1")

    assert isinstance(view, CheckoutView)
    assert (view.kind, view.client_secret) == ("payment", intent.client_secret)
    assert view.coaching_session_id == "1"
    assert view.success_path == f"/en/sessions/1/paid?session_id={row['session_id']}"
    assert view.failure_path == f"/en/sessions/1/pay?error=payment_failed&session_id={row['session_id']}"
    assert await seen(world, row["session_id"], "2") == "session_not_found"


async def test_an_orders_session_is_for_whoever_knows_it(world: OrdersWorld) -> None:
    order = await world.order(method="stripe")

    for viewer in (None, "3"):
        view = await seen(world, order.session_id, viewer)
        assert isinstance(view, CheckoutView)
        assert (view.order_id, view.title, view.locale) == (order.order_id, "Čitanje", "sr")
        assert view.success_path == f"/sr/orders/{order.order_id}/success?session_id={order.session_id}"
        assert view.failure_path == f"/sr/orders/{order.order_id}/payment-failed?session_id={order.session_id}"
    assert await seen(world, new_id(), None) == "session_not_found"


async def test_a_session_of_another_providers_page_is_none_of_ours(world: OrdersWorld) -> None:
    assert await seen(world, (await world.order(method="mock")).session_id, None) == "session_not_found"


@pytest.mark.parametrize("ending", ["completed", "canceled", "expired"])
async def test_the_secret_is_not_told_any_more_once_nobody_can_pay(world: OrdersWorld, ending: str) -> None:
    made = await world.payments.deposit(method="stripe")
    match ending:
        case "completed":
            proof = Paid(made.session_id, "pi_1", Money(200_000, "rsd"), utc_now())
            assert not await world.payments.settlement.handle([STRIPE.event(proof)])
        case "canceled":
            await world.payments.confirming.cancel(cancel_command(made.payment_id))
        case "expired":
            await world.execute("update payments.payments set expires_at = now()")

    view = await seen(world, made.session_id, "1")

    assert isinstance(view, CheckoutView)
    assert (view.status, view.client_secret) == (ending, None)


async def test_what_the_provider_has_not_answered_yet_has_no_secret(world: OrdersWorld) -> None:
    STRIPE.created = Unknown()
    with pytest.raises(NotYet):
        await world.payments.deposits.create(deposit_command(method="stripe"))
    (row,) = await world.payments.rows("select session_id from payments.payments")

    view = await seen(world, row["session_id"], "1")

    assert isinstance(view, CheckoutView)
    assert (view.status, view.client_secret) == ("pending", None)


async def test_a_secret_whose_key_is_gone_is_an_error_and_no_empty_page(world: OrdersWorld) -> None:
    made = await world.payments.deposit(method="stripe")
    query = GetCheckout(correlation_id="q", session_id=made.session_id, viewer_user_id="1")
    with pytest.raises(Unreadable):
        await checkout(world, seal=StepSeals.of(("another-data-key-of-the-tests-0123456789",)).secret).session(query)


async def test_the_methods_that_are_on_in_their_order_with_what_they_take_and_can_do(world: OrdersWorld) -> None:
    stripe = ScriptedProvider(currencies={"kwd": AmountRange(1_000, 99_999_990, 10), "eur": AmountRange(50, 99_999_999)})
    link = ScriptedProvider(name="prodamus", capabilities=Capabilities(False, False, False, False, False))
    providers = {"prodamus": link, "mock": world.payments.mock, "stripe": stripe}

    told = await checkout(world, providers=providers, enabled=("stripe", "prodamus")).methods(ListMethods(correlation_id="q"))

    assert [method.method for method in told.methods] == ["stripe", "prodamus", "balance"], "what is off for new payments is not among them"
    by_card, by_link, from_balance = told.methods
    assert [tuple(limit.model_dump().values()) for limit in by_card.limits] == [("eur", 50, 99_999_999, 1), ("kwd", 1_000, 99_999_990, 10)]
    assert (by_card.pays_for, from_balance.pays_for) == (("deposit", "session", "order"), ("session",))
    assert (by_link.capabilities, from_balance.capabilities) == ((), ("refund",))
    assert by_card.capabilities == ("refund", "status", "cancel", "payout", "dispute")
    assert {limit.currency: limit.maximum_minor for limit in from_balance.limits} == dict.fromkeys(EXPONENTS, MAX_AMOUNT_MINOR)


async def test_whether_and_where_to_withdrawals_are_paid_is_told_beside_the_methods(world: OrdersWorld) -> None:
    asked = ListMethods(correlation_id="q")
    nothing = await checkout(world).methods(asked)
    by_hand = await checkout(world, payout_method="manual").methods(asked)
    to_cards = await checkout(world, payout_method="allsecure", paid_out={"eur": AmountRange(100, 5_000)}).methods(asked)

    assert nothing.payouts is None
    assert by_hand.payouts is not None
    assert (by_hand.payouts.method, by_hand.payouts.destination) == ("manual", "bank_account")
    assert {limit.currency for limit in by_hand.payouts.limits} == set(EXPONENTS)
    assert to_cards.payouts is not None
    assert (to_cards.payouts.destination, [limit.currency for limit in to_cards.payouts.limits]) == ("card", ["eur"])
