"""Stripe's form on our own page, against its stand-in: paid, declined, confirmed by a bank, kept away, without a mouse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from playwright.async_api import FrameLocator, Page, expect

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitmqServer
from deploy.local.stack import Stack
from tests.browser.conftest import Arrive
from tests.browser.furnished import coaching_session
from tests.browser.looking import axe, is_within_its_width, screenshot
from tests.browser.visitors import SMALL_PHONE, Visitor
from tests.emulators.server import EmulatorServer
from tests.emulators.stripe import StripeEmulator
from tests.emulators.stripe.emulator import TEST_WEBHOOK_SECRET
from tests.flow.people import Person, newcomer
from tests.servers import shared_stack

PRICE_MINOR, CURRENCY = 5_000, "usd"
PAY = "/{locale}/pay/*"
RESULT = "/{locale}/sessions/*/paid?session_id=*"


@dataclass(frozen=True, slots=True)
class Shop:
    stack: Stack
    stripe_origin: str
    student: Person
    path: str


@pytest.fixture(scope="module")
async def running(postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer) -> AsyncIterator[tuple[Stack, str]]:
    stripe = StripeEmulator(time_scale=0.001)
    async with EmulatorServer(stripe) as server:
        settings = {
            "STRIPE_SECRET_KEY": stripe.keys.secret,
            "STRIPE_PUBLISHABLE_KEY": stripe.keys.publishable,
            "STRIPE_WEBHOOK_SECRET": TEST_WEBHOOK_SECRET,
            "STRIPE_API_BASE": server.url,
        }
        async with shared_stack(postgres_server, rabbitmq_server, settings) as stack:
            stripe.events.add_endpoint(f"{stack.gateway_url}/api/v1/payments/webhook", ["*"], "2026-10-28.endive", TEST_WEBHOOK_SECRET)
            yield stack, server.url


@pytest.fixture
async def shop(running: tuple[Stack, str]) -> AsyncIterator[Shop]:
    stack, stripe_origin = running
    async with newcomer(stack) as student, newcomer(stack, "mentor") as mentor:
        path = "/{locale}/sessions/" + await coaching_session(mentor, PRICE_MINOR, CURRENCY) + "/pay"
        yield Shop(stack, stripe_origin, student, path)


async def arrived(arrive: Arrive, shop: Shop, locale: str = "en", **device: object) -> Visitor:
    """In front of Stripe's form, from the page of the session."""
    visitor = await arrive(shop.stack, locale, person=shop.student, **device)
    visitor.watch.allow(shop.stripe_origin)
    await visitor.open(shop.path)
    await presses_pay(visitor)
    await visitor.arrives(PAY)
    return visitor


def fields(page: Page) -> FrameLocator:
    return page.frame_locator("#payment-element iframe")


async def pays(visitor: Visitor, card: str) -> None:
    await fields(visitor.page).get_by_label(card).check()
    await presses_pay(visitor)


async def presses_pay(visitor: Visitor) -> None:
    await visitor.press("Pay %(amount)s", amount=visitor.money(PRICE_MINOR, CURRENCY))


async def paid_of(shop: Shop) -> list[str]:
    return [item["status"] for item in (await shop.student.get("/payments/history")).json()]


async def test_a_card_is_declined_and_another_one_pays(arrive: Arrive, shop: Shop) -> None:
    visitor = await arrived(arrive, shop)
    page = visitor.page
    visitor.watch.expect(r"^status 402: POST .*/confirm$")
    await pays(visitor, "0002")
    await expect(page.get_by_role("alert")).to_have_text("Your card was declined.")
    await axe(page)
    await pays(visitor, "4242")
    await visitor.arrives(RESULT)
    await visitor.sees("Thank you. The payment has reached your mentor.")
    assert await paid_of(shop) == ["completed"]
    await axe(page)

    await page.go_back()
    await visitor.arrives(RESULT)
    assert await paid_of(shop) == ["completed"], "back leads to the result, not to another payment"


async def test_word_of_the_payment_does_not_start_the_way_on_anew(arrive: Arrive, shop: Shop) -> None:
    visitor = await arrived(arrive, shop)
    page = visitor.page
    broken_off: list[str] = []
    page.on("requestfailed", lambda request: broken_off.append(request.url) if request.is_navigation_request() else None)
    payment_id = await page.locator("#checkout").get_attribute("data-payment-id")
    # While the result's page is on its way.
    await page.evaluate(
        """id => addEventListener("beforeunload", () => setTimeout(() => document.dispatchEvent(
            new CustomEvent("purser:payment", { detail: { payment_id: id, status: "completed" } }))), { once: true })""",
        payment_id,
    )
    await pays(visitor, "4242")
    await visitor.sees("Thank you. The payment has reached your mentor.")
    assert broken_off == []


async def test_the_payers_bank_asks_refuses_and_then_agrees(arrive: Arrive, shop: Shop) -> None:
    visitor = await arrived(arrive, shop, "ru")
    page = visitor.page
    await pays(visitor, "3184")
    await page.get_by_role("button", name="Fail authentication").click()
    await visitor.arrives(f"{PAY}?error=payment_failed")
    await expect(page.get_by_role("alert")).to_have_text(
        visitor.say("The payment did not go through. You can try again, with another card too.")
    )
    await pays(visitor, "3184")
    await page.get_by_role("button", name="Complete authentication").click()
    await visitor.arrives(RESULT)
    assert "secret" not in page.url, "what Stripe writes behind the return address is gone"
    await visitor.sees("Thank you. The payment has reached your mentor.")


async def test_a_payment_that_the_bank_takes_days_for_is_told_as_under_way(arrive: Arrive, shop: Shop) -> None:
    visitor = await arrived(arrive, shop)
    await pays(visitor, "Bank debit that is processed slowly and paid")
    await visitor.arrives(RESULT)
    await visitor.sees("We are waiting for the payment provider. This page updates by itself.")
    assert await paid_of(shop) == ["pending"]


async def test_paid_in_another_tab_this_one_goes_on_by_itself(arrive: Arrive, shop: Shop) -> None:
    visitor = await arrived(arrive, shop)
    first = visitor.page
    await expect(fields(first).get_by_label("4242")).to_be_visible()
    second = await visitor.new_tab(first.url)
    await expect(fields(second).get_by_label("4242")).to_be_visible()
    await pays(visitor, "4242")
    visitor.page = first
    await visitor.arrives(RESULT)
    assert await paid_of(shop) == ["completed"]


async def test_by_keyboard_alone_in_the_dark_on_a_small_phone(arrive: Arrive, shop: Shop) -> None:
    visitor = await arrived(arrive, shop, "sr", viewport=SMALL_PHONE, dark=True)
    page = visitor.page
    await expect(page.locator("#pay")).to_be_enabled()
    await axe(page)
    await is_within_its_width(page)
    await screenshot(page, "checkout-small-dark")
    colour = await page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()")
    told = "getComputedStyle(document.documentElement).getPropertyValue('--colorText')"
    assert await fields(page).locator("body").evaluate(f"() => {told}") == colour, "Stripe's fields are as dark as the page"
    for _ in range(30):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement?.tagName") == "IFRAME":
            break
    await page.keyboard.press("Space")
    await page.keyboard.press("Tab")
    await expect(page.locator("#pay")).to_be_focused()
    await page.keyboard.press("Enter")
    await visitor.arrives(RESULT)


async def test_a_script_that_is_kept_away_is_told(arrive: Arrive, shop: Shop) -> None:
    visitor = await arrive(shop.stack, person=shop.student)
    visitor.watch.allow(shop.stripe_origin)
    visitor.watch.expect(r"^failed request GET: .*/v3/ net::ERR_BLOCKED_BY_CLIENT")
    await visitor.context.route("**/v3/", lambda route: route.abort("blockedbyclient"))
    await visitor.open(shop.path)
    await presses_pay(visitor)
    await visitor.arrives(PAY)
    words = "The card fields could not be loaded. Check your connection and what your browser blocks, then open this page again."
    await expect(visitor.page.get_by_role("alert")).to_have_text(words)
    await expect(visitor.page.locator("#pay")).to_be_disabled()
    await visitor.follow("Back without paying")
    await visitor.arrives(shop.path)


async def test_without_javascript_the_page_says_what_it_needs(arrive: Arrive, shop: Shop) -> None:
    visitor = await arrived(arrive, shop, scripts=False)
    told = visitor.page.locator("noscript p")
    await expect(told).to_be_visible()
    assert "which need JavaScript" in (await told.text_content() or "")
    await expect(visitor.page.locator("#checkout")).to_be_hidden()


async def test_the_policy_lets_nobody_in_but_stripe(arrive: Arrive, shop: Shop) -> None:
    visitor = await arrived(arrive, shop)
    await expect(visitor.page.locator("#pay")).to_be_enabled()
    elsewhere = f"http://localhost:{urlsplit(shop.stripe_origin).port}/"
    visitor.watch.expect("Content Security Policy", "Failed to fetch", "csp", elsewhere)
    blocked = await visitor.page.evaluate(
        """async (address) => {
            const seen = [];
            document.addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
            await fetch(address).catch(() => {});
            for (const [name, value] of [["script", "src"], ["iframe", "src"], ["img", "src"]]) {
                const element = document.createElement(name);
                element[value] = address;
                document.body.append(element);
            }
            const inline = document.createElement("script");
            inline.textContent = "window.ran = true";
            document.body.append(inline);
            while (seen.length < 5) await new Promise((resolve) => setTimeout(resolve, 20));
            return [...seen.map((one) => one.replace("-elem", "")).sort(), String(window.ran)];
        }""",
        elsewhere,
    )
    assert blocked == ["connect-src", "frame-src", "img-src", "script-src", "script-src", "undefined"]
