"""The page of a session, beyond the story of paying one: tabs, changed minds, new prices, no JavaScript, a keyboard alone."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from deploy.local.stack import Stack
from tests.browser.conftest import Arrive
from tests.browser.furnished import coaching_session
from tests.browser.looking import axe, is_within_its_width, screenshot
from tests.browser.visitors import SMALL_PHONE, Visitor
from tests.flow.people import Person

PRICE_MINOR, CURRENCY = 250_000, "rsd"
RESULT = "/{locale}/sessions/*/paid?*"


@pytest.fixture
async def path(mentor: Person) -> str:
    """Of the page of a session of the mentor's."""
    return "/{locale}/sessions/" + await coaching_session(mentor, PRICE_MINOR, CURRENCY) + "/pay"


async def chooses(visitor: Visitor, way: str) -> None:
    await visitor.page.get_by_role("radio", name=visitor.say(way)).check()
    await sends(visitor)


async def sends(visitor: Visitor) -> None:
    await visitor.press("Pay %(amount)s", amount=visitor.money(PRICE_MINOR, CURRENCY))


async def paid_of(person: Person) -> list[str]:
    """The states of what somebody has paid or begun."""
    return [item["status"] for item in (await person.get("/payments/history")).json()]


async def test_two_tabs_lead_to_one_payment_and_a_changed_mind_leaves_one(arrive: Arrive, stack: Stack, student: Person, path: str) -> None:
    await student.top_up(3_000, CURRENCY)
    visitor = await arrive(stack, person=student)
    first = await visitor.open(path)
    second = await visitor.new_tab(path)
    for tab in (first, second):
        visitor.page = tab
        await chooses(visitor, "Test payment")
        await visitor.arrives("/payment/mock?session_id=*")
    assert first.url == second.url
    assert await paid_of(student) == ["pending", "completed"], "one, beside the top-up"

    await visitor.open(path)
    await visitor.sees("You have started to pay. Continue below, or choose another way: you are charged only once.")
    await axe(visitor.page)
    await chooses(visitor, "From my balance")
    await visitor.sees("Thank you. The payment has reached your mentor.")
    await axe(visitor.page)
    assert await paid_of(student) == ["completed", "canceled", "completed"]
    assert (await student.balance(CURRENCY))["available_minor"] == 50_000

    visitor.page = first
    await visitor.press("Pay")
    await visitor.arrives("/{locale}/sessions/*/pay?error=payment_failed&session_id=*")
    await visitor.sees("You have paid for this session")
    assert (await student.balance(CURRENCY))["available_minor"] == 50_000


async def test_a_price_that_changes_while_the_page_is_open_is_not_paid_unseen(
    arrive: Arrive, stack: Stack, student: Person, mentor: Person, path: str
) -> None:
    visitor = await arrive(stack, "ru", person=student)
    page = await visitor.open(path)
    body = {"mentor_id": mentor.id, "price": PRICE_MINOR * 2, "currency": CURRENCY, "title": "Two hours"}
    assert (await mentor.http.put(f"/sessions/{path.split('/')[3]}", json=body)).status_code == 200
    visitor.watch.expect(r"^status 409: POST .*/pay$")
    await chooses(visitor, "Test payment")
    new_price = visitor.money(PRICE_MINOR * 2, CURRENCY)
    words = "The price has changed meanwhile: it is %(price)s now. Please look, and pay if you agree."
    await expect(page.get_by_role("alert")).to_contain_text(visitor.say(words, price=new_price))
    await expect(visitor.find("button", "Pay %(amount)s", amount=new_price)).to_be_visible()
    await axe(page)
    assert await paid_of(student) == []


@pytest.mark.parametrize("sockets", [True, False], ids=["told by the live updates", "asked for where there are none"])
async def test_a_payment_is_followed_until_it_is_paid_elsewhere(
    arrive: Arrive, stack: Stack, student: Person, path: str, sockets: bool
) -> None:
    visitor = await arrive(stack, "sr", person=student)
    if not sockets:
        await visitor.context.route_web_socket("**", lambda socket: socket.close())
    await visitor.open(path)
    await chooses(visitor, "Test payment")
    await visitor.arrives("/payment/mock?session_id=*")
    page = await visitor.open(path)
    await visitor.follow("See its status")
    await visitor.sees("Payment under way")
    if sockets:
        await axe(page)
    (begun,) = (await student.get("/payments/history")).json()
    await student.post(f"/payments/confirm/{begun['id']}")
    await visitor.sees("Thank you. The payment has reached your mentor.")
    await expect(page).to_have_title("Sesija je plaćena · Purser")


async def test_without_javascript_by_keyboard_on_a_small_phone(arrive: Arrive, stack: Stack, student: Person, path: str) -> None:
    visitor = await arrive(stack, person=student, scripts=False, viewport=SMALL_PHONE, dark=True)
    page = await visitor.open(path)
    await is_within_its_width(page)
    await screenshot(page, "session-small-dark")
    await by_tab(page, "input[name=method]")
    await page.keyboard.press("Tab")
    await by_tab(page, "form.card button")
    await page.keyboard.press("Enter")
    await visitor.arrives("/payment/mock?session_id=*")
    await visitor.press("Pay")
    await visitor.arrives(RESULT)
    await visitor.sees("Thank you. The payment has reached your mentor.")
    await is_within_its_width(page)
    await screenshot(page, "session-paid-small-dark")


async def by_tab(page: Page, selector: str) -> None:
    """Tab is pressed until the focus is there."""
    for _ in range(30):
        if await page.locator(f"{selector}:focus").count():
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"{selector} is not reached")
