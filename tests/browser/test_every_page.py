"""Every page, for everybody: in all languages, light and dark, on a small phone, enlarged, by keyboard, and weighed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import pytest
from playwright.async_api import Page, ViewportSize, expect

from deploy.local.stack import Stack
from tests.browser.conftest import Arrive
from tests.browser.furnished import Furnished, furnish
from tests.browser.looking import axe, axe_of_colours, is_within_its_width, screenshot, tab_to
from tests.browser.visitors import DESKTOP, PHONE, SMALL_PHONE, Role, Visitor
from tests.browser.weighing import weighed
from tests.flow.people import Person, logged_in, newcomer

TWICE_AS_LARGE: Final = ViewportSize(width=DESKTOP["width"] // 2, height=DESKTOP["height"] // 2)
"""What 200 % leaves of a desktop."""

WIRE_BYTES_MAX: Final = 60_000


@dataclass(frozen=True, slots=True)
class Hosted:
    """A page. `path`: with {locale} and the names of furnished ids. `main`: what one comes for, by role and English name."""

    name: str
    path: str
    who: str
    main: tuple[Role, str] | None
    status: int = 200


PAGES: Final = (
    Hosted("start", "/", "guest", ("link", "Log in")),
    Hosted("login", "/{locale}/login", "guest", ("button", "Log in")),
    Hosted("balance", "/{locale}/balance", "student", ("link", "Top up")),
    Hosted("balance-empty", "/{locale}/balance", "newcomer", ("link", "Top up")),
    Hosted("withdrawal-cancel", "/{locale}/balance/withdrawals/{withdrawal}/cancel", "student", ("button", "Cancel the withdrawal")),
    Hosted("deposit", "/{locale}/balance/deposit", "student", ("button", "Top up")),
    Hosted("deposit-again", "/{locale}/balance/deposit?error=payment_failed&session_id={failed_session}", "student", ("button", "Top up")),
    Hosted("deposit-success", "/{locale}/balance/deposit/success?session_id={deposit_session}&amount=1", "student", None),
    Hosted("deposit-waiting", "/{locale}/balance/deposit/success?session_id={open_session}&amount=1", "student", None),
    Hosted("deposit-failed", "/{locale}/balance/deposit/success?session_id={failed_session}&amount=1", "student", None),
    Hosted("mock-payment", "/{locale}/payment/mock?session_id={open_session}", "student", ("button", "Pay")),
    Hosted("mock-decided", "/{locale}/payment/mock?session_id={deposit_session}", "student", None),
    Hosted("order", "/{locale}/orders/chakras", "guest", ("button", "Order and pay RSD 990.00")),
    Hosted("order-result", "/{locale}/orders/{order}/success?session_id={order_session}", "guest", ("button", "Copy the link")),
    Hosted(
        "order-waiting", "/{locale}/orders/{open_order}/success?session_id={open_order_session}", "guest", ("link", "Continue to payment")
    ),
    Hosted(
        "order-failed", "/{locale}/orders/{failed_order}/payment-failed?session_id={failed_order_session}", "guest", ("button", "Try again")
    ),
    Hosted("session", "/{locale}/sessions/{coaching}/pay", "newcomer", ("button", "Pay RSD 2,500.00")),
    Hosted("session-again", "/{locale}/sessions/{coaching}/pay", "student", ("link", "Show the receipt")),
    Hosted("session-own", "/{locale}/sessions/{coaching}/pay", "mentor", None),
    Hosted("session-paid", "/{locale}/sessions/{coaching}/paid?payment_id={session_payment}", "student", ("link", "All my payments")),
    Hosted("payments", "/{locale}/payments", "student", None),
    Hosted("payments-of-mentor", "/{locale}/payments", "mentor", None),
    Hosted("payment", "/{locale}/payments/{refunded}", "student", None),
    Hosted("payment-for-admin", "/{locale}/payments/{refunded}", "admin", None),
    Hosted("refund", "/{locale}/payments/{session_payment}/refund", "mentor", None),
    Hosted("admin", "/{locale}/admin", "admin", ("link", "See all pending")),
    Hosted("admin-withdrawals", "/{locale}/admin/withdrawals", "admin", ("button", "Show")),
    Hosted("admin-withdrawal", "/{locale}/admin/withdrawals/{withdrawal}", "admin", ("link", "Approve")),
    Hosted("admin-suspense", "/{locale}/admin/suspense", "admin", None),
    Hosted("admin-log", "/{locale}/admin/log", "admin", None),
    Hosted("forbidden", "/{locale}/admin", "student", ("link", "To the start page"), 403),
    Hosted("not-found", "/{locale}/nothing-here", "guest", ("link", "To the start page"), 404),
    Hosted("not-yours", "/{locale}/payment/mock?session_id={open_session}", "mentor", None, 404),
)
EVERY: Final = pytest.mark.parametrize("hosted", PAGES, ids=[one.name for one in PAGES])


@pytest.fixture(scope="module")
async def furnished(stack: Stack) -> AsyncIterator[Furnished]:
    async with (
        newcomer(stack) as student,
        newcomer(stack) as nobody_yet,
        newcomer(stack, "mentor") as mentor,
        logged_in(stack.gateway_url, stack.notifier_urls[0], "admin") as admin,
    ):
        yield await furnish(student, nobody_yet, mentor, admin)


def person_of(furnished: Furnished, who: str) -> Person | None:
    return furnished.people.get(who)


async def visit(visitor: Visitor, hosted: Hosted, furnished: Furnished, locale: str = "en") -> Page:
    """Opens it, and what holds for every page of ours holds."""
    visitor.locale = locale
    answer = await visitor.page.goto(hosted.path.format(locale=locale, **furnished.ids))
    assert answer is not None
    assert answer.status == hosted.status
    headers = await answer.all_headers()
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
    person = person_of(furnished, hosted.who)
    if person is not None:
        assert person.http.headers["Authorization"].split()[1] not in await answer.text()
    page = visitor.page
    if "{locale}" in hosted.path:
        assert await page.locator("html").get_attribute("lang") in (locale, f"{locale}-Latn")
    assert (await page.title()).strip()
    await expect(page.locator("h1")).to_have_count(1)
    return page


@EVERY
async def test_a_page_is_good_for_everybody(arrive: Arrive, stack: Stack, furnished: Furnished, hosted: Hosted) -> None:
    visitor = await arrive(stack, person=person_of(furnished, hosted.who))
    async with weighed(visitor.page, hosted.name) as weight:
        page = await visit(visitor, hosted, furnished)
        await axe(page)
        await screenshot(page, f"{hosted.name}-desktop-light")
    assert 0 < weight.wire_bytes <= WIRE_BYTES_MAX, weight
    if hosted.main is not None:
        await tab_to(page, *hosted.main)
    await page.emulate_media(color_scheme="dark")
    await axe_of_colours(page)
    await screenshot(page, f"{hosted.name}-desktop-dark")
    await page.set_viewport_size(PHONE)
    await screenshot(page, f"{hosted.name}-phone-dark")
    await page.emulate_media(color_scheme="light")
    await screenshot(page, f"{hosted.name}-phone-light")
    await axe(page)
    await page.set_viewport_size(TWICE_AS_LARGE)
    await is_within_its_width(page)
    await page.set_viewport_size(SMALL_PHONE)
    await is_within_its_width(page)
    for locale in ("ru", "sr"):
        await is_within_its_width(await visit(visitor, hosted, furnished, locale))
        await screenshot(page, f"{hosted.name}-small-{locale}")
