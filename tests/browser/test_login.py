"""The first page that anybody sees: logging in, right and wrong, with nothing but a keyboard."""

from __future__ import annotations

from playwright.async_api import expect

from deploy.local.stack import Stack
from tests.browser.conftest import Arrive
from tests.browser.looking import axe, is_within_its_width
from tests.browser.visitors import SMALL_PHONE, Visitor


async def test_whoever_mistypes_is_told_and_tries_again(visitor: Visitor) -> None:
    page = await visitor.open("/en/login")
    await axe(page)
    await page.keyboard.type("testuser")
    await page.keyboard.press("Tab")
    await page.keyboard.type("wrong")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_be_visible()
    await axe(page)
    await expect(page.locator("input[name=login]")).to_have_value("testuser")
    await visitor.log_in()


async def test_a_small_phone_in_the_dark(arrive: Arrive, stack: Stack) -> None:
    visitor = await arrive(stack, "ru", viewport=SMALL_PHONE, dark=True)
    page = await visitor.open("/{locale}/login")
    await axe(page)
    await is_within_its_width(page)
