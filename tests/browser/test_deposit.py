"""Topping up in a real browser: one payment whatever is clicked, the form says what the server says, and the result is waited for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Route, expect
from playwright.async_api import Response as PageResponse

from deploy.local.stack import Stack
from tests.browser.conftest import Arrive
from tests.browser.looking import axe, is_within_its_width
from tests.browser.visitors import SMALL_PHONE, Visitor, visiting
from tests.browser.words import LANGUAGES
from tests.flow.people import WAIT_SECONDS, Person
from tests.integration.deposit_page_world import Payer, beside
from tests.integration.gateway_world import World, gateway_world

FORM = "/{locale}/balance/deposit"
MOCK = "/payment/mock?session_id=*"
SUCCESS = "/{locale}/balance/deposit/success?session_id="


async def payments_of(person: Person) -> list[Any]:
    listed: list[Any] = (await person.get("/payments/history")).json()
    return listed


async def on_the_payment_page(visitor: Visitor) -> str:
    """Its address."""
    await visitor.arrives(MOCK)
    return visitor.page.url


# ---- one payment


async def test_double_click_back_button_reload_and_a_second_tab_make_one_payment(arrive: Arrive, stack: Stack, student: Person) -> None:
    visitor = await arrive(stack, person=student)
    page = await visitor.open(FORM)
    other = await visitor.context.new_page()
    await other.goto(page.url)

    await visitor.follow("2,000")
    await visitor.find("button", "Top up").dblclick()
    address = await on_the_payment_page(visitor)

    await page.go_back()
    await visitor.fill("Amount", "2000")
    await visitor.press("Top up")
    assert await on_the_payment_page(visitor) == address

    await page.reload()
    await page.go_back()
    await page.reload()
    await visitor.fill("Amount", "2 000.00")
    await visitor.press("Top up")
    assert await on_the_payment_page(visitor) == address

    visitor.page = other
    await visitor.fill("Amount", "2000")
    await other.keyboard.press("Enter")
    assert await on_the_payment_page(visitor) == address
    assert len(await payments_of(student)) == 1

    await visitor.press("Pay")
    await visitor.arrives(f"{SUCCESS}*")
    await visitor.open(FORM)
    await visitor.fill("Amount", "2000")
    await visitor.press("Top up")
    assert await on_the_payment_page(visitor) != address, "the one before has ended"


async def test_two_tabs_that_are_sent_at_once_lead_to_the_same_payment(arrive: Arrive, stack: Stack, student: Person) -> None:
    visitor = await arrive(stack, "ru", person=student)
    tabs = [await visitor.open(FORM), await visitor.new_tab(FORM)]
    for tab in tabs:
        await tab.locator("#amount").fill("1 500,50")
    await asyncio.gather(*(tab.locator("#deposit button").click() for tab in tabs))
    for tab in tabs:
        await tab.wait_for_url("**/payment/mock?session_id=*")
    assert len({tab.url for tab in tabs}) == 1
    assert [one["amount_minor"] for one in await payments_of(student)] == [150_050]


async def test_without_javascript_a_preset_is_a_link_on_a_small_phone(arrive: Arrive, stack: Stack, student: Person) -> None:
    visitor = await arrive(stack, "sr", person=student, scripts=False, viewport=SMALL_PHONE)
    page = await visitor.open(FORM)
    await page.get_by_role("link", name="5.000", exact=True).click()
    await expect(page.locator("#amount")).to_have_value("5000")
    await is_within_its_width(page)
    await visitor.press("Top up")
    await on_the_payment_page(visitor)
    assert [one["amount_minor"] for one in await payments_of(student)] == [500_000]


async def test_who_is_back_before_the_providers_word_is_told_of_it_by_the_page_itself(
    arrive: Arrive, stack: Stack, student: Person
) -> None:
    made = await student.deposit(2000)
    visitor = await arrive(stack, person=student)
    page = await visitor.open(f"{FORM}?error=payment_failed&session_id={made['session_id']}")
    await expect(page.get_by_role("status")).to_contain_text("is still open")

    await student.complete(made["session_id"], outcome="failure")
    await expect(page.get_by_role("alert")).to_contain_text("The payment did not go through")


async def test_what_is_being_entered_meanwhile_is_not_taken_away(arrive: Arrive, stack: Stack, student: Person) -> None:
    made = await student.deposit(2000)
    visitor = await arrive(stack, person=student)
    page = await visitor.open(f"{FORM}?error=payment_failed&session_id={made['session_id']}")
    await visitor.fill("Amount", "777")

    knows = asyncio.Event()

    async def told(answer: PageResponse) -> None:
        if f"/api/v1/payments/{made['payment_id']}" in answer.url and (await answer.json())["status"] == "completed":
            knows.set()

    page.on("response", told)
    await student.complete(made["session_id"])
    async with asyncio.timeout(WAIT_SECONDS):
        await knows.wait()
    await visitor.has(200_000)
    await expect(page.get_by_label("Amount", exact=True)).to_have_value("777")


# ---- the same words


ENTERED = [
    *[{"amount": amount} for amount in ("", "x", "0", "-5", "0.001", "12.345", "12,345", "1.234,5", "1,234.5", "1e3")],
    {"amount": "0.45", "currency": "eur"},
    {"amount": "5000.05", "currency": "eur"},
    {"amount": "1.01", "currency": "eur", "method": "stripe"},
    {"amount": "1.5", "currency": "jpy"},
    {"amount": "100", "currency": "eur", "method": "stripe"},
]

SAID_BY_THE_PAGE = """(all) => all.map(({amount, currency = "rsd", method = "mock"}) => {
    const form = document.getElementById("deposit");
    form.elements.currency.value = currency;
    form.elements.currency.dispatchEvent(new Event("change"));
    form.querySelector(`[value=${method}]`).checked = true;
    form.elements.amount.value = amount;
    let isSent = false;
    const stop = (event) => { isSent = !event.defaultPrevented; event.preventDefault(); };
    window.addEventListener("submit", stop, { once: true });
    form.requestSubmit();
    delete form.dataset.sent;
    return isSent ? "" : document.getElementById("amount-error").textContent;
})"""


@pytest.fixture(scope="module")
async def offering(module_amqp_url: str) -> AsyncIterator[World]:
    """A gateway alone, for what it offers."""
    async with gateway_world(module_amqp_url) as started:
        yield started


@asynccontextmanager
async def in_front_of_the_form(browser: Browser, payer: Payer, locale: str = "en") -> AsyncIterator[Visitor]:
    origin = str(payer.world.http.base_url).rstrip("/")
    async with visiting(browser, origin, [origin], locale) as visitor:
        name, _, value = payer.cookie()["Cookie"].partition("=")
        await visitor.context.add_cookies([{"name": name, "value": value, "url": origin}])
        await visitor.open(FORM)
        yield visitor


@pytest.mark.parametrize("locale", LANGUAGES)
async def test_the_form_says_at_once_what_the_server_would_say(browser: Browser, offering: World, locale: str) -> None:
    payer = Payer(offering)
    path = f"/{locale}/balance/deposit"
    form = await payer.opens(path)
    answers = [await payer.sends(form, path, **entered) for entered in ENTERED]
    async with in_front_of_the_form(browser, payer, locale) as visitor:
        said = await visitor.page.evaluate(SAID_BY_THE_PAGE, ENTERED)

    assert said == [beside(answer, "amount") for answer in answers]
    assert [bool(message) for message in said] == [answer.status_code == 422 for answer in answers]
    assert "" in said


async def test_each_currency_has_its_own_amounts_and_ways(browser: Browser, offering: World) -> None:
    async with in_front_of_the_form(browser, Payer(offering)) as visitor:
        page = visitor.page
        stripe = page.get_by_role("radio", name=re.compile("Stripe"))
        await expect(stripe).to_be_disabled()
        await page.locator("#currency").select_option("eur")
        await expect(page.locator(".presets a")).to_have_text(["10", "20", "50", "100"])
        await expect(stripe).to_be_enabled()
        await expect(page.locator("label", has=stripe)).to_contain_text("from €0.50 to €5,000.00")
        await axe(page)
        await stripe.check()
        await visitor.follow("50")
        await expect(page.locator("#amount")).to_have_value("50")
        await page.locator("#currency").select_option("jpy")
        await expect(page.get_by_role("radio", name=re.compile("Test payment"))).to_be_checked()


# ---- the result


async def test_the_result_appears_by_itself(arrive: Arrive, stack: Stack, student: Person) -> None:
    made = await student.deposit(2000)
    visitor = await arrive(stack, "sr", person=student)
    page = await visitor.open(f"{SUCCESS}{made['session_id']}&amount=9999")
    await visitor.sees("We are waiting for the payment provider. This page updates by itself.")
    await axe(page)
    assert (await student.balance())["available_minor"] == 0, "a visit proves nothing"
    await page.evaluate("window.neverReloaded = true")
    await student.complete(made["session_id"])
    await visitor.sees("The money is on your balance.")
    await expect(page.locator("h1")).to_have_text(visitor.say("Top-up completed"))
    await visitor.has(200_000)
    await expect(page).to_have_title(re.compile(visitor.say("Top-up completed")))
    await axe(page)
    assert await page.evaluate("window.neverReloaded")


async def test_without_live_updates_it_is_asked_for(arrive: Arrive, stack: Stack, student: Person) -> None:
    made = await student.deposit(2000)
    visitor = await arrive(stack, person=student)
    visitor.watch.expect(r"^failed request POST: .*/stream/ticket", r"^failed request GET: .*/balance\?")
    await visitor.context.route("**/api/v1/stream/ticket", refuse)
    await visitor.context.route("**/api/v1/balance?*", refuse)
    await visitor.open(f"{SUCCESS}{made['session_id']}")
    await student.complete(made["session_id"], outcome="failure")
    await visitor.sees("The payment did not go through; your balance has not changed.")
    await visitor.follow("Try again")
    await expect(visitor.page.locator("#amount")).to_have_value("2000")


async def refuse(route: Route) -> None:
    await route.abort()


async def test_what_takes_long_is_told_with_patience(arrive: Arrive, stack: Stack, student: Person) -> None:
    made = await student.deposit(2000)
    visitor = await arrive(stack, person=student)
    await visitor.page.clock.install()
    page = await visitor.open(f"{SUCCESS}{made['session_id']}")
    await visitor.sees("We are waiting for the payment provider. This page updates by itself.")
    await page.clock.fast_forward(31_000)
    await expect(page.locator("#told")).to_contain_text("The provider has not confirmed the payment yet.")
    await expect(visitor.find("link", "Check again")).to_be_visible()
    await student.complete(made["session_id"])
    await page.clock.fast_forward(16_000)
    await visitor.sees("The money is on your balance.")
