"""The third write-up clicked through: the balance of every open page moves by itself, and says when it cannot be had."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from deploy.local.stack import Stack
from tests.browser.conftest import Arrive
from tests.browser.visitors import PHONE, Visitor
from tests.browser.words import LANGUAGES
from tests.flow.people import Person

A_PAGE = "/{locale}/balance/deposit"


async def mark(page: Page) -> None:
    """A reload would lose it."""
    await page.evaluate("window.neverReloaded = true")


async def never_reloaded(page: Page) -> None:
    assert await page.evaluate("window.neverReloaded === true"), page.url


@pytest.mark.parametrize("locale", LANGUAGES)
async def test_two_tabs_and_a_phone_show_what_was_paid_in_one_of_them(arrive: Arrive, stack: Stack, student: Person, locale: str) -> None:
    desktop = await arrive(stack, locale, person=student)
    phone = await arrive(stack, locale, person=student, viewport=PHONE)
    watching = Visitor(desktop.context, desktop.page, desktop.origin, locale, desktop.say, desktop.watch)
    for visitor in (watching, phone):
        await visitor.open(A_PAGE)
        await visitor.has(0)
        await mark(visitor.page)
    made = await student.deposit("1234.5")
    await desktop.new_tab(f"/{{locale}}/payment/mock?session_id={made['session_id']}")
    await desktop.press("Pay")
    await desktop.has(123_450)
    for visitor in (watching, phone):
        await visitor.has(123_450)
        await never_reloaded(visitor.page)


@pytest.mark.parametrize("locale", LANGUAGES)
async def test_where_nothing_can_be_had_it_says_so_and_tries_again(arrive: Arrive, stack: Stack, student: Person, locale: str) -> None:
    await student.top_up(10)
    visitor = await arrive(stack, locale, person=student)
    visitor.watch.expect(r"^failed request (GET|POST): .*/api/v1/")
    await visitor.context.route("**/api/v1/**", lambda route: route.abort())
    page = await visitor.open(A_PAGE)
    widget = page.locator("header balance-widget")
    retry = widget.get_by_role("button", name=visitor.say("Retry"), exact=True)
    await expect(retry).to_be_visible()
    await visitor.context.unroute("**/api/v1/**")
    await retry.click()
    await visitor.has(1_000)
    await expect(retry).to_be_hidden()
