"""Pieces of pages that are brought anew leave whoever works there with a keyboard where they are."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Browser, expect

from services.gateway.auth import COOKIE
from shared.contracts.base import utc_now
from shared.contracts.history import ListedPayment, ListPayments, PaymentList
from shared.contracts.operator import ListSeries, SeriesPoint, SeriesView
from tests.browser.visitors import Visitor, visiting
from tests.integration.admin_world import Desk
from tests.integration.gateway_world import World, gateway_world, token
from tests.integration.purse_world import CARD_PAYMENT, PAYMENT

LOOK = "document.dispatchEvent(new Event('visibilitychange'))"
TOLD = "document.dispatchEvent(new CustomEvent('purser:payment', { detail: { payment_id: 'x' } }))"


async def opened(visitor: Visitor, world: World, path: str) -> None:
    admin = token("9", roles=["admin"])
    await visitor.context.add_cookies([{"name": COOKIE, "value": admin, "url": visitor.origin, "httpOnly": True, "sameSite": "Lax"}])
    await visitor.open(path)


async def test_a_keyboard_stays_where_it_is_when_figures_and_lists_change(browser: Browser, amqp_url: str) -> None:
    counted, listed = [17], [PAYMENT]

    async def series(_: ListSeries) -> SeriesView:
        at = utc_now().replace(minute=0, second=0, microsecond=0)
        return SeriesView(first=at, last=at, points=(SeriesPoint(at=at, method="mock", status="completed", count=counted[0]),))

    async def payments(_: ListPayments) -> PaymentList:
        fields: dict[str, Any] = {
            "session_id": None, "user_id": "9", "mentor_id": None, "coaching_session_id": None, "kind": "deposit", "method": "mock",
            "status": "completed", "amount_minor": 100, "currency": "rsd", "credit_reference": "x", "description": "",
            "created_at": utc_now(), "updated_at": utc_now(),
        }  # fmt: skip
        return PaymentList(items=tuple(ListedPayment(payment_id=one, **fields) for one in listed), next_cursor=None)

    async with gateway_world(amqp_url) as world:
        Desk(world)
        world.stand_ins.answers |= {ListSeries: series, ListPayments: payments}
        origin = str(world.http.base_url).rstrip("/")
        async with visiting(browser, origin, [origin]) as visitor:
            page = visitor.page
            await opened(visitor, world, "/{locale}/admin")
            summary = page.locator("[data-live=charts] summary").nth(1)
            await summary.focus()
            counted[0] = 18
            await page.evaluate(LOOK)
            await expect(page.locator("[data-live=charts] .legend strong").first).to_have_text("18")
            await expect(summary).to_be_focused()

            await visitor.open("/{locale}/payments")
            link = page.locator(f"#payments a[href$='{PAYMENT}']")
            await link.focus()
            listed.insert(0, CARD_PAYMENT)
            await page.evaluate(TOLD)
            await expect(page.locator("#payments tbody tr")).to_have_count(2)
            await expect(link).to_be_focused()
