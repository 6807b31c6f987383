"""The fourth write-up clicked through: a guest orders with the arrow keys, pays, and reads the same result on another device."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from deploy.local.stack import Stack
from tests.browser.conftest import Arrive
from tests.browser.visitors import PHONE, SMALL_PHONE
from tests.browser.words import LANGUAGES

FORM = "/{locale}/orders/chakras"
RESULT = "/{locale}/orders/*/success?session_id=*"
PRICE_MINOR = 99_000


@pytest.mark.parametrize("locale", LANGUAGES)
async def test_an_order_by_keyboard_is_paid_and_opens_anywhere_by_its_link(arrive: Arrive, stack: Stack, locale: str) -> None:
    guest = await arrive(stack, locale)
    page = await guest.open(FORM)
    for slider, keys in (("#muladhara", "Home ArrowRight ArrowRight"), ("#anahata", "End ArrowLeft")):
        await page.locator(slider).focus()
        for key in keys.split():
            await page.keyboard.press(key)
    assert [await page.locator(slider).input_value() for slider in ("#muladhara", "#anahata")] == ["2", "9"]
    pay = guest.find("button", "Order and pay %(sum)s", sum=guest.money(PRICE_MINOR))
    await pay.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label(guest.say("E-mail"), exact=True)).to_have_attribute("aria-invalid", "true")
    await guest.fill("Phone", "+381 64 123 4567")
    await pay.focus()
    await page.keyboard.press("Enter")
    await guest.arrives("/payment/mock?*")
    await guest.press("Decline")
    await guest.arrives("/{locale}/orders/*/payment-failed?session_id=*")
    await guest.press("Try again")
    await guest.arrives("/payment/mock?*")
    await guest.press("Pay")
    await guest.arrives(RESULT)
    await guest.sees("Thank you, your order is paid.")
    reading = page.get_by_role("article")
    await expect(reading).to_be_visible()

    elsewhere = await arrive(stack, "en", viewport=PHONE)
    await elsewhere.open(await page.get_by_label(guest.say("Link to this page")).input_value())
    await expect(elsewhere.page.get_by_role("article")).to_have_text(await reading.inner_text(), use_inner_text=True)
    await expect(elsewhere.page.locator(".bars")).to_contain_text("9")


async def test_without_javascript_on_a_small_phone(arrive: Arrive, stack: Stack) -> None:
    guest = await arrive(stack, "sr", viewport=SMALL_PHONE, scripts=False)
    await guest.open(FORM)
    await guest.fill("E-mail", "ana@example.org")
    await guest.press("Order and pay %(sum)s", sum=guest.money(PRICE_MINOR))
    await guest.arrives("/payment/mock?*")
    await guest.press("Pay")
    await guest.arrives(RESULT)
    await guest.sees("Thank you, your order is paid.")
