"""The fifth write-up clicked through: a session is paid, at the stand-in or from the balance, and the mentor sends a part of it back."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from deploy.local.stack import Stack
from tests.browser.conftest import Arrive
from tests.browser.visitors import Visitor
from tests.browser.words import LANGUAGES
from tests.flow.people import Person

PAY = "/{locale}/sessions/1/pay"
PRICE_MINOR, CURRENCY = 5_000, "usd"  # of the demo's session 1


async def chooses(visitor: Visitor, way: str) -> None:
    """One of the ways to pay, and then the button that says the price."""
    await visitor.page.get_by_role("radio", name=visitor.say(way)).check()
    await visitor.press("Pay %(amount)s", amount=visitor.money(PRICE_MINOR, CURRENCY))


@pytest.mark.parametrize("locale", LANGUAGES)
async def test_a_session_is_paid_at_the_stand_in_at_the_second_try(arrive: Arrive, stack: Stack, student: Person, locale: str) -> None:
    visitor = await arrive(stack, locale, person=student)
    await visitor.open(PAY)
    await chooses(visitor, "Test payment")
    await visitor.arrives("/payment/mock?session_id=*")
    await visitor.press("Decline")
    await visitor.arrives(f"{PAY}?error=payment_failed&session_id=*")
    await visitor.sees("The payment did not go through. Nothing was taken; you can try again.")
    await chooses(visitor, "Test payment")
    await visitor.press("Pay")
    await visitor.arrives("/{locale}/sessions/1/paid?*")
    await visitor.sees("Thank you. The payment has reached your mentor.")
    await expect(visitor.page.locator("main")).to_contain_text(visitor.money(PRICE_MINOR, CURRENCY))
    await visitor.follow("To the session")
    await visitor.sees("You have paid for this session")

    payment_id = (await student.get("/payments/history")).json()[0]["id"]
    mentor = await arrive(stack, locale)
    await mentor.log_in("mentor")
    await mentor.open("/{locale}/payments")
    await mentor.page.locator(f"#payments a[href$='{payment_id}']").click()
    await mentor.fill("Amount, %(currency)s", "20", currency="USD")
    await mentor.press("Send back")
    await mentor.find("dialog", "Send this back?").get_by_role("button", name=mentor.say("Send back"), exact=True).click()
    await expect(mentor.page.locator("main .badge").first).to_have_text(mentor.say("Partly refunded"))

    await visitor.follow("Payments")
    mine = visitor.page.get_by_role("row").filter(has=visitor.page.locator(f"a[href$='{payment_id}']"))
    await expect(mine).to_contain_text(visitor.say("Partly refunded"))
    await expect(mine).to_contain_text(visitor.money(PRICE_MINOR, CURRENCY))


async def test_a_session_is_paid_from_the_balance_once_it_covers_the_price(arrive: Arrive, stack: Stack, student: Person) -> None:
    visitor = await arrive(stack, "ru", person=student)
    page = await visitor.open(PAY)
    from_balance = page.get_by_role("radio", name=visitor.say("From my balance"))
    await expect(from_balance).to_be_disabled()
    await student.top_up(60, CURRENCY)
    await page.reload()
    await chooses(visitor, "From my balance")
    await visitor.sees("Thank you. The payment has reached your mentor.")
    assert (await student.balance(CURRENCY))["available_minor"] == 6_000 - PRICE_MINOR


async def test_one_who_goes_back_and_presses_again_has_paid_once(arrive: Arrive, stack: Stack, student: Person) -> None:
    await student.top_up(200, CURRENCY)
    visitor = await arrive(stack, person=student)
    page = await visitor.open(PAY)
    await page.get_by_role("radio", name=visitor.say("From my balance")).check()
    await visitor.find("button", "Pay %(amount)s", amount=visitor.money(PRICE_MINOR, CURRENCY)).dblclick()
    await visitor.arrives("/{locale}/sessions/1/paid?*")
    await page.go_back()
    again = visitor.find("button", "Pay %(amount)s", amount=visitor.money(PRICE_MINOR, CURRENCY))
    paid = visitor.page.get_by_text(visitor.say("You have paid for this session"))
    await expect(again.or_(paid).first).to_be_visible()
    if await again.is_visible():
        await again.click()
        await visitor.arrives("/{locale}/sessions/1/paid?*")
    assert (await student.balance(CURRENCY))["available_minor"] == 20_000 - PRICE_MINOR
