"""A page of somebody else's, opened by a visitor who is logged in here: it sends our forms, frames our pages, opens them and reads them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import Page, expect

from deploy.local.stack import Stack
from services.gateway.auth import COOKIE
from services.gateway.pages.troubles import message_of
from tests.browser.another_site import AnotherSite, another_site
from tests.browser.conftest import Arrive
from tests.browser.visitors import Visitor
from tests.flow.people import Person

TRAP = '<!doctype html><title>You have won</title><form method="post" action="{action}">{fields}<button>Take it</button></form>'
FRAME = """url => new Promise((done) => {
    const frame = document.createElement("iframe");
    frame.src = url;
    frame.onload = done;
    document.body.append(frame);
})"""


@pytest.fixture(scope="module")
def site() -> Iterator[AnotherSite]:
    with another_site() as running:
        yield running


async def lured(arrive: Arrive, stack: Stack, site: AnotherSite, person: Person, path: str = "/", **fields: str) -> Visitor:
    """In front of a page with a form that is sent to ours; whatever the browser itself complains about there is theirs."""
    visitor = await arrive(stack, person=person)
    visitor.watch.expect("")
    inputs = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in fields.items())
    site.pages["/trap"] = ("text/html", TRAP.format(action=visitor.origin + path, fields=inputs), {})
    await visitor.open(f"{site.twin}/trap")
    return visitor


async def take_it(page: Page) -> None:
    await page.get_by_role("button", name="Take it").click()
    await expect(page.get_by_role("alert")).to_have_text(message_of("csrf_failed"))


async def test_a_form_that_it_sends_pays_nothing(arrive: Arrive, stack: Stack, site: AnotherSite, student: Person) -> None:
    made = await student.deposit(700)
    visitor = await lured(arrive, stack, site, student, "/payment/mock", session_id=made["session_id"], outcome="success")
    await take_it(visitor.page)
    assert (await student.get(f"/payments/{made['payment_id']}")).json()["status"] == "pending"


async def test_nobody_is_logged_in_as_somebody_else_by_it(arrive: Arrive, stack: Stack, site: AnotherSite, student: Person) -> None:
    visitor = await lured(arrive, stack, site, student, "/en/login", login="other", password="other")
    await take_it(visitor.page)
    (cookie,) = await visitor.context.cookies(visitor.origin)
    assert (cookie["name"], cookie["value"]) == (COOKIE, student.http.headers["Authorization"].removeprefix("Bearer "))


async def test_it_neither_frames_nor_holds_nor_reads_a_page(arrive: Arrive, stack: Stack, site: AnotherSite, student: Person) -> None:
    visitor = await lured(arrive, stack, site, student)
    page, balance = visitor.page, f"{visitor.origin}/en/balance"

    await page.evaluate(FRAME, f"{visitor.origin}/en/login")
    assert await page.frames[-1].locator("#log-in").count() == 0

    async with page.expect_popup() as opening:
        await page.evaluate("url => { window.taken = window.open(url); }", balance)
    opened = await opening.value
    await expect(opened.locator("h1")).to_have_text("Balance")
    await page.wait_for_function("() => taken.closed")
    assert await opened.evaluate("opener") is None

    for mode in ("cors", "no-cors"):
        read = await page.evaluate(
            "([url, mode]) => fetch(url, { mode, credentials: 'include' }).then(() => 'read', () => 'refused')", [balance, mode]
        )
        assert read == "refused", mode
