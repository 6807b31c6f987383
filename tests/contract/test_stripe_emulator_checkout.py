"""Checkout Sessions at Stripe's emulator: made by the real library, paid at the hosted page, told by events of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import stripe

from tests.contract.stripe_emulator_world import LIBRARY_WARNINGS, StripeWorld, stripe_world

pytestmark = LIBRARY_WARNINGS
ITEMS: Any = [
    {"quantity": 2, "price_data": {"currency": "eur", "unit_amount": 450, "product_data": {"name": "<b>Lesson</b>"}}},
    {"quantity": 1, "price_data": {"currency": "eur", "unit_amount": 100, "product_data": {"name": "Notes"}}},
]
ASKED: Any = {
    "mode": "payment",
    "line_items": ITEMS,
    "success_url": "https://shop.example/ok?session={CHECKOUT_SESSION_ID}",
    "cancel_url": "https://shop.example/back",
    "metadata": {"order": "7"},
    "payment_intent_data": {"metadata": {"order": "of the intent"}},
}


@pytest.fixture(scope="module")
async def shared_world() -> AsyncIterator[StripeWorld]:
    async with stripe_world() as world:
        yield world


@pytest.fixture
async def world(shared_world: StripeWorld) -> StripeWorld:
    await shared_world.calm()
    return shared_world


@pytest.fixture
async def browser(world: StripeWorld) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=world.emulator.base_url, trust_env=False, timeout=2) as browser:
        yield browser


async def opened(world: StripeWorld, **changes: Any) -> stripe.checkout.Session:
    return await world.client.v1.checkout.sessions.create_async(ASKED | changes)


async def now(world: StripeWorld, session: stripe.checkout.Session) -> tuple[str | None, str, bool]:
    """Status, payment status, and whether there is a page to pay at."""
    found = await world.client.v1.checkout.sessions.retrieve_async(session.id)
    return found.status, found.payment_status, found.url is not None


async def test_it_is_paid_at_its_page_and_its_intent_inherits_nothing(world: StripeWorld, browser: httpx.AsyncClient) -> None:
    session = await opened(world)
    assert (session.status, session.payment_status, session.amount_total, session.payment_intent) == ("open", "unpaid", 1_000, None)
    assert session.url is not None
    page = (await browser.get(session.url)).text
    assert "2 × &lt;b&gt;Lesson" in page
    assert "1000 eur" in page
    paid = await browser.post(session.url, data={"choice": "pay"})
    assert (paid.status_code, paid.headers["location"]) == (303, f"https://shop.example/ok?session={session.id}")
    found = await world.client.v1.checkout.sessions.retrieve_async(session.id, {"expand": ["payment_intent"]})
    assert isinstance(found.payment_intent, stripe.PaymentIntent)
    assert (found.status, found.payment_status, found.url) == ("complete", "paid", None)
    assert found.payment_intent.metadata.to_dict() == {"order": "of the intent"}
    assert found.payment_intent.amount_received == 1_000
    told = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"]
    assert await world.told() == told
    for again in (await browser.get(session.url), await browser.post(session.url, data={"choice": "pay"})):
        assert (again.status_code, "complete" in again.text) == (410, True)


async def test_a_declined_card_and_3d_secure_leave_it_open_until_it_is_paid(world: StripeWorld, browser: httpx.AsyncClient) -> None:
    session = await opened(world)
    assert session.url is not None
    declined = await browser.post(session.url, data={"choice": "decline"})
    assert (declined.status_code, "Your card was declined." in declined.text) == (402, True)
    for choice, leads in (("fail", session.url), ("complete", f"https://shop.example/ok?session={session.id}")):
        bank = await browser.post(session.url, data={"choice": "pay_3ds"})
        assert await now(world, session) == ("open", "unpaid", True)
        back = await browser.post(bank.headers["location"], data={"choice": choice})
        assert (await browser.get(back.headers["location"])).headers["location"] == leads
    assert await now(world, session) == ("complete", "paid", False)
    assert (await world.told()).count("checkout.session.completed") == 1
    listed = await world.intents.list_async({"limit": 1})
    assert listed.data[0].amount_received == 1_000, "one intent, whatever was tried"


@pytest.mark.parametrize(
    ("choice", "payment_status", "last"),
    [("pay_slowly", "paid", "async_payment_succeeded"), ("fail_slowly", "unpaid", "async_payment_failed")],
)
async def test_complete_is_not_paid_where_a_bank_decides_later(
    world: StripeWorld, browser: httpx.AsyncClient, choice: str, payment_status: str, last: str
) -> None:
    session = await opened(world)
    assert session.url is not None
    assert (await browser.post(session.url, data={"choice": choice})).status_code == 303
    assert await now(world, session) == ("complete", "unpaid", False)
    found = await world.client.v1.checkout.sessions.retrieve_async(session.id)
    await world.emulator.control.settle(str(found.payment_intent))
    assert await now(world, session) == ("complete", payment_status, False)
    told = [kind for kind in await world.told() if kind.startswith("checkout.")]
    assert told == ["checkout.session.completed", f"checkout.session.{last}"]


async def test_who_goes_back_pays_nothing_and_may_return_until_it_is_over(world: StripeWorld, browser: httpx.AsyncClient) -> None:
    left, ended, late = [await opened(world) for _ in range(3)]
    assert left.url is not None
    back = await browser.post(left.url, data={"choice": "cancel"})
    assert (back.headers["location"], await now(world, left)) == ("https://shop.example/back", ("open", "unpaid", True))
    assert (await browser.post(left.url, data={"choice": "steal"})).status_code == 400
    assert (await browser.get("/c/pay/cs_test_nobody")).status_code == 404

    sessions = world.client.v1.checkout.sessions
    assert (await sessions.expire_async(ended.id)).status == "expired"
    with pytest.raises(stripe.InvalidRequestError, match="status of expired"):
        await sessions.expire_async(ended.id)
    await world.emulator.control.advance(86_401)
    assert await now(world, late) == ("expired", "unpaid", False)
    assert (await browser.post(left.url, data={"choice": "pay"})).status_code == 410
    assert await world.told() == ["checkout.session.expired"] * 3
    assert {one.id for one in (await sessions.list_async({"status": "expired"})).data} >= {left.id, ended.id, late.id}


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"payment_method_types": ["card"]}, "payment_method_types_no_longer_supported", "payment_method_types"),
        ({"mode": "subscription"}, None, "mode"),
        ({"line_items": []}, "parameter_missing", "line_items"),
        ({"line_items": [{"quantity": 1}]}, "parameter_missing", "line_items[0][price_data]"),
        ({"line_items": [*ITEMS, ITEMS[0] | {"price_data": ITEMS[0]["price_data"] | {"currency": "usd"}}]}, None, "line_items"),
        ({"line_items": [ITEMS[0] | {"quantity": 0}]}, "parameter_invalid_integer", "line_items[0][quantity]"),
        ({"success_url": "javascript:alert(1)"}, "url_invalid", "success_url"),
        ({"expires_at": 1}, None, "expires_at"),
        ({"discounts": [{"coupon": "x"}]}, "not_emulated", "discounts"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
    ],
)
async def test_what_cannot_be_a_session_is_refused(world: StripeWorld, changes: Any, code: str | None, param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await opened(world, **changes)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert await world.told() == []
