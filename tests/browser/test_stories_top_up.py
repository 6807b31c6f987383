"""The second write-up's top-up clicked through: from the login to the form, the stand-in's page and back, in every language."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from deploy.local.stack import Stack
from tests.browser.conftest import Arrive
from tests.browser.looking import tab_to
from tests.browser.words import LANGUAGES
from tests.flow.people import Person, logged_in

FORM = "/{locale}/balance/deposit"
MOCK = "/payment/mock?session_id=*"
SUCCESS = f"{FORM}/success?session_id=*&amount=*"


@pytest.mark.parametrize("locale", LANGUAGES)
async def test_logged_in_by_the_form_a_preset_amount_is_paid(arrive: Arrive, stack: Stack, locale: str) -> None:
    async with logged_in(stack.gateway_url, stack.notifier_urls[0], "other") as other:
        before = (await other.balance())["available_minor"]
    visitor = await arrive(stack, locale)
    await visitor.log_in("other")
    page = await visitor.open("/{locale}/balance")
    await visitor.has(before)
    await page.locator("main").get_by_role("link", name=visitor.say("Top up"), exact=True).click()
    await visitor.arrives(FORM)
    preset = page.locator(".presets a").nth(1)
    await preset.click()
    await expect(page.get_by_label(visitor.say("Amount"), exact=True)).to_have_value("2000")
    await page.get_by_role("radio", name=visitor.say("Test payment")).check()
    await visitor.press("Top up")
    await visitor.arrives(MOCK)
    await visitor.press("Pay")
    await visitor.arrives(SUCCESS)
    await visitor.sees("The money is on your balance.")
    await visitor.has(before + 200_000)
    await visitor.follow("To the balance")
    await visitor.arrives("/{locale}/balance")
    await visitor.has(before + 200_000)


@pytest.mark.parametrize(("locale", "typed"), [("en", "1234.5"), ("ru", "1234,50"), ("sr", "1.234,5")])
async def test_a_free_amount_as_the_language_writes_it_is_declined_and_then_paid(
    arrive: Arrive, stack: Stack, student: Person, locale: str, typed: str
) -> None:
    visitor = await arrive(stack, locale, person=student)
    page = await visitor.open(FORM)
    await visitor.fill("Amount", typed)
    await visitor.press("Top up")
    await visitor.arrives(MOCK)
    await expect(page.locator("main")).to_contain_text(visitor.money(123_450))
    await visitor.press("Decline")
    await visitor.arrives(f"{FORM}?error=payment_failed&session_id=*")
    await expect(page.get_by_role("alert")).to_contain_text(visitor.say("The payment did not go through; your balance has not changed."))
    await visitor.press("Top up")
    await visitor.arrives(MOCK)
    await visitor.press("Pay")
    await visitor.arrives(SUCCESS)
    await visitor.has(123_450)


@pytest.mark.parametrize("locale", LANGUAGES)
async def test_what_the_server_would_refuse_is_said_beside_the_field(arrive: Arrive, stack: Stack, student: Person, locale: str) -> None:
    with_script = await arrive(stack, locale, person=student)
    without = await arrive(stack, locale, person=student, scripts=False)
    said: list[str] = []
    for visitor in (with_script, without):
        page = await visitor.open(FORM)
        await visitor.fill("Amount", "-5")
        await visitor.press("Top up")
        field = page.get_by_label(visitor.say("Amount"), exact=True)
        await expect(field).to_have_attribute("aria-invalid", "true")
        said.append(await page.locator("#amount-error").inner_text())
        assert await field.input_value() == "-5"
    assert said[0] == said[1] != ""


async def test_with_nothing_but_a_keyboard(arrive: Arrive, stack: Stack, student: Person) -> None:
    visitor = await arrive(stack, person=student)
    page = await visitor.open(FORM)
    await tab_to(page, "textbox", "Amount")
    await page.keyboard.type("700")
    await page.keyboard.press("Enter")
    await visitor.arrives(MOCK)
    await tab_to(page, "button", "Pay")
    await page.keyboard.press("Enter")
    await visitor.arrives(SUCCESS)
    await visitor.has(70_000)


async def test_without_javascript(arrive: Arrive, stack: Stack, student: Person) -> None:
    visitor = await arrive(stack, "sr", person=student, scripts=False)
    page = await visitor.open(FORM)
    await visitor.fill("Amount", "900,50")
    await visitor.press("Top up")
    await visitor.arrives(MOCK)
    await visitor.press("Pay")
    await visitor.arrives(SUCCESS)
    await visitor.sees("The money is on your balance.")
    await visitor.open("/{locale}/balance")
    await expect(page.locator("balance-widget[currency=rsd]").first).to_have_text(visitor.money(90_050))
