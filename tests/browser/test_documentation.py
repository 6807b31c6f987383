"""The API's documentation in a browser, under a policy that lets no other script in."""

from __future__ import annotations

from playwright.async_api import expect

from deploy.local.stack import Stack
from tests.browser.conftest import Arrive


async def test_operations_are_listed_and_the_policy_is_in_nothings_way(arrive: Arrive, stack: Stack) -> None:
    visitor = await arrive(stack)
    await visitor.page.goto("/docs")
    await expect(visitor.page.locator(".opblock-summary-path").first).to_be_visible()
