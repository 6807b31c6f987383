"""Makes README's pictures anew (`make pictures`): a throwaway stack, some weeks of made-up life in a second, three photographs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, ViewportSize

from deploy.local.stack import Stack
from tests.browser.chromium import MISSING, find_chromium, running_chromium
from tests.browser.furnished import answered, coaching_session, order, session_paid, withdraw
from tests.browser.visitors import Visitor, origin_of_pages, origins_of, visiting
from tests.flow.people import Person, logged_in
from tests.servers import PROJECT, shared_stack, throwaway_postgres, throwaway_rabbitmq

FOLDER: Final = PROJECT / "docs" / "pictures"
BYTES_MAX: Final = 150_000

_FRAME: Final = ViewportSize(width=1120, height=760)


async def lived(student: Person, other: Person, mentor: Person, admin: Person) -> str:
    """Money in, out, held and waiting. The id of a payment worth looking at."""
    for amount in (2000, 3500, 1200):
        await student.top_up(amount)
    await other.top_up(5000)
    await other.top_up(60, "eur")
    for amount in (700, 900):
        failed = await other.deposit(amount)
        await declined(other, failed["session_id"])
    await student.deposit(1500)
    lesson = await coaching_session(mentor, 180_000, title="An hour of coaching")
    payment = await session_paid(student, mentor, lesson, 180_000)
    await session_paid(other, mentor, lesson, 180_000)
    await answered(mentor, f"/payments/refund/{payment}", {"amount": 60_000, "reason": "shorter than booked"})
    paid, rejected = await withdraw(student, "800"), await withdraw(student, "250")
    await answered(admin, f"/withdrawals/{paid}/approve", status=200)
    await answered(admin, f"/withdrawals/{rejected}/reject", {"reason": "the name does not fit the account"}, 200)
    await withdraw(student, "1500")
    await withdraw(other, "400.50")
    for _ in range(3):
        made = await order(other)
        await answered(admin, "/balance/mock/complete", {"session_id": made["session_id"]}, 200)
    await order(other)
    return payment


async def declined(person: Person, session_id: str) -> None:
    """The provider says no."""
    await answered(person, "/balance/mock/complete", {"session_id": session_id, "outcome": "failure"}, 200)


async def photograph(visitor: Visitor, path: str, name: str) -> Path:
    """What fits into the window, as it is when everything has arrived."""
    page = await visitor.open(path)
    await page.wait_for_load_state("load")
    if await page.locator("balance-widget").count():
        await page.locator("balance-widget").first.evaluate("widget => widget.refresh && widget.refresh()")
    await page.evaluate("document.fonts.ready")
    target = FOLDER / f"{name}.png"
    await page.screenshot(path=target, animations="disabled")
    size = target.stat().st_size
    print(f"{target.relative_to(PROJECT)}: {size / 1000:.0f} kB")
    if size > BYTES_MAX:
        raise SystemExit(f"{name}: more than {BYTES_MAX} bytes")
    return target


async def make(browser: Browser, stack: Stack) -> None:
    """All three, in English and by day."""
    async with AsyncExitStack() as exits:
        student, other, mentor, admin = [
            await exits.enter_async_context(logged_in(stack.gateway_url, stack.notifier_urls[0], login))
            for login in ("testuser", "other", "mentor", "admin")
        ]
        await lived(student, other, mentor, admin)
        for person, path, name in (
            (student, "/en/balance", "balance"),
            (student, "/en/balance/deposit", "deposit"),
            (admin, "/en/admin", "operator"),
        ):
            async with visiting(browser, origin_of_pages(stack), origins_of(stack), viewport=_FRAME) as visitor:
                await visitor.log_in_as(person)
                await photograph(visitor, path, name)
                if visitor.watch.complaints:
                    raise SystemExit("\n".join(visitor.watch.complaints))


@asynccontextmanager
async def throwaway_stack() -> AsyncIterator[Stack]:
    """All four services on servers of their own."""
    async with throwaway_postgres() as postgres, throwaway_rabbitmq() as rabbitmq, shared_stack(postgres, rabbitmq) as stack:
        yield stack


async def main() -> None:
    program = find_chromium()
    if program is None:
        sys.exit(MISSING)
    FOLDER.mkdir(parents=True, exist_ok=True)
    async with throwaway_stack() as stack, running_chromium(program) as browser:
        await make(browser, stack)


if __name__ == "__main__":
    asyncio.run(main())
