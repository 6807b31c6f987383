"""When something is in the way: pages in the same look, in the visitor's language, with a way back."""

from __future__ import annotations

from datetime import timedelta

import jwt
import pytest
from playwright.async_api import Browser, expect

from deploy.local.stack import Stack
from services.gateway.auth import COOKIE
from shared.contracts.base import utc_now
from tests.browser.conftest import Arrive
from tests.browser.looking import axe, is_within_its_width, screenshot
from tests.browser.visitors import SMALL_PHONE, Visitor, visiting
from tests.browser.words import LANGUAGES
from tests.flow.people import Person, newcomer
from tests.integration.gateway_world import gateway_world
from tests.integration.pages_world import SESSION, Site

NOTHING = "This page does not exist, or you have no access to it."
NOT_ALLOWED = "Your account has no access to this page."
LATER = "We cannot answer right now. Nothing is lost: try again in a moment."


async def is_a_page_of_ours(visitor: Visitor, words: str) -> None:
    page = visitor.page
    await expect(page.get_by_role("alert")).to_have_text(visitor.say(words))
    await axe(page)
    await is_within_its_width(page)


@pytest.mark.parametrize("locale", LANGUAGES)
async def test_what_is_not_there_leads_back_to_the_start(arrive: Arrive, stack: Stack, locale: str) -> None:
    visitor = await arrive(stack, locale, viewport=SMALL_PHONE)
    await visitor.open("/{locale}/no-such-page", status=404)
    await is_a_page_of_ours(visitor, NOTHING)
    await visitor.follow("To the start page")
    await visitor.arrives("/")
    await expect(visitor.page.locator("h1")).to_have_text(visitor.say("Payments and balances"))


async def test_the_operators_page_is_not_for_a_student(arrive: Arrive, stack: Stack, student: Person) -> None:
    visitor = await arrive(stack, "ru", person=student)
    await visitor.open("/{locale}/admin", status=403)
    await is_a_page_of_ours(visitor, NOT_ALLOWED)


async def test_whoever_is_logged_out_by_time_logs_in_and_is_back(arrive: Arrive, stack: Stack) -> None:
    visitor = await arrive(stack, "sr")
    claims = {"sub": "1", "roles": ["student"], "iss": "purser", "aud": "purser", "exp": utc_now() - timedelta(minutes=1)}
    ended = jwt.encode(claims, stack.jwt_secret, "HS256")
    await visitor.context.add_cookies([{"name": COOKIE, "value": ended, "url": visitor.origin, "httpOnly": True, "sameSite": "Lax"}])
    await visitor.open("/{locale}/balance/deposit/success")
    await visitor.arrives("/{locale}/login?next=*")
    await visitor.fill("Name or e-mail", "testuser")
    await visitor.fill("Password", "testuser")
    await visitor.press("Log in")
    await visitor.arrives("/{locale}/balance/deposit/success")


async def test_a_page_that_was_open_for_too_long_says_so_and_moves_nothing(arrive: Arrive, stack: Stack, student: Person) -> None:
    made = await student.deposit(300)
    visitor = await arrive(stack, person=student)
    page = await visitor.open(f"/{{locale}}/payment/mock?session_id={made['session_id']}")
    async with newcomer(stack) as somebody_else:
        await visitor.log_in_as(somebody_else)
        async with page.expect_response(lambda answer: answer.url.endswith("/payment/mock")) as answer:
            await visitor.press("Pay")
    assert (await answer.value).status == 403
    await is_a_page_of_ours(visitor, "This page has expired. Open it again and try once more.")
    assert (await student.balance())["version"] == 0


async def test_while_the_services_behind_are_away_it_says_so_and_comes_back_by_itself(browser: Browser, amqp_url: str) -> None:
    async with gateway_world(amqp_url) as world:
        world.broker.cut()
        await world.lost()
        Site(world)
        origin = str(world.http.base_url).rstrip("/")
        async with visiting(browser, origin, [origin], "ru") as visitor:
            visitor.watch.expect(r"^status 503: GET .*/payment/mock")
            await visitor.open(f"/{{locale}}/payment/mock?session_id={SESSION}", status=503)
            await is_a_page_of_ours(visitor, LATER)
            await screenshot(visitor.page, "unavailable-desktop-light")
            await world.restored()
            await expect(visitor.page.get_by_role("button", name=visitor.say("Pay"), exact=True)).to_be_visible(timeout=20_000)
            assert visitor.watch.complaints == []
