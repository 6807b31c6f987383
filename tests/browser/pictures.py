"""Makes README's pictures anew (`make pictures`): a throwaway stack, some weeks of made-up life in a second, three photographs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import asyncpg
from playwright.async_api import Browser, ViewportSize

from deploy.local.stack import Stack
from tests.browser.chromium import MISSING, find_chromium, running_chromium
from tests.browser.furnished import answered, coaching_session, order, session_paid, withdraw
from tests.browser.visitors import Visitor, origin_of_pages, origins_of, visiting
from tests.flow.payers import deposit, payer_at, topped_up
from tests.flow.people import Person, logged_in
from tests.servers import PROJECT, shared_stack, throwaway_postgres, throwaway_rabbitmq

FOLDER: Final = PROJECT / "docs" / "pictures"
BYTES_MAX: Final = 150_000

PLAYED: Final = ("stripe", "allsecure")

# How many hours ago each of the payments in turn was begun: a day with a morning and a lunch break.
_HOURS_AGO: Final = (1, 2, 2, 3, 3, 3, 4, 5, 5, 6, 6, 6, 6, 7, 7, 7, 8, 8, 9, 10, 11, 11, 13, 16, 20)
_SPREAD: Final = """
    with numbered as (select payment_id, row_number() over (order by payment_id) as number from payments.payments)
    update payments.payments as one set created_at = created_at - make_interval(hours => ($1::int[])[1 + number % array_length($1, 1)])
    from numbered where one.payment_id = numbered.payment_id and status <> 'pending'
"""


@dataclass(frozen=True, slots=True)
class People:
    """The demo directory's, logged in."""

    student: Person
    other: Person
    mentor: Person
    admin: Person


async def lived(stack: Stack, people: People) -> None:
    """Money in, out, held and waiting: of many on the operator's page, and of one student on the balance's."""
    student, other, mentor, admin = people.student, people.other, people.mentor, people.admin
    await crowd(stack, people)
    lesson = await coaching_session(mentor, 180_000, title="An hour of coaching")
    await session_paid(other, mentor, lesson, 180_000)
    rejected = await withdraw(other, "250")
    await answered(admin, f"/withdrawals/{rejected}/reject", {"reason": "the name does not fit the account"}, 200)
    await withdraw(other, "400.50")
    await student.top_up(60, "eur")
    await student.top_up(3500)
    to_refund = await student.top_up(1200)
    body = {"amount": 180_000, "currency": "rsd", "session_id": lesson, "mentor_id": mentor.id, "method": "balance"}
    await answered(student, "/payments/create-intent", body)
    paid = await withdraw(student, "800")
    await answered(admin, f"/withdrawals/{paid}/approve", status=200)
    await student.top_up(2000)
    await answered(admin, f"/payments/refund/{to_refund['payment_id']}", {"amount": 60_000, "reason": "topped up twice"})
    await withdraw(student, "1500")
    await spread(stack)


async def crowd(stack: Stack, people: People) -> None:
    """Three dozen payments by every method: most of them paid, some declined, some still open."""
    other, admin = people.other, people.admin
    for number in range(14):
        await other.top_up(900 + 350 * number)
    for amount in (700, 900, 1500):
        failed = await other.deposit(amount)
        await declined(other, failed["session_id"])
    async with payer_at(stack, other) as payer:
        for method in ("stripe", "allsecure", "stripe", "stripe", "allsecure", "stripe", "stripe", "allsecure"):
            await topped_up(other, payer, method)
        await deposit(other, "stripe")
    for _ in range(5):
        made = await order(other)
        await answered(admin, "/balance/mock/complete", {"session_id": made["session_id"]}, 200)
    await order(other)


async def spread(stack: Stack) -> None:
    """As if it had been a day."""
    connection = await asyncpg.connect(stack.admin_database_url, ssl=False, timeout=10.0, command_timeout=30.0)
    try:
        await connection.execute(_SPREAD, _HOURS_AGO)
    finally:
        await connection.close(timeout=5.0)


async def declined(person: Person, session_id: str) -> None:
    """The provider says no."""
    await answered(person, "/balance/mock/complete", {"session_id": session_id, "outcome": "failure"}, 200)


async def photograph(visitor: Visitor, name: str) -> None:
    """What fits into the window, when everything has arrived."""
    page = visitor.page
    await page.wait_for_function("() => [...document.querySelectorAll('balance-widget')].every((one) => one.state === 'live')")
    target = FOLDER / f"{name}.png"
    await page.screenshot(path=target, animations="disabled")
    size = target.stat().st_size
    print(f"{target.relative_to(PROJECT)}: {size / 1000:.0f} kB")
    if size > BYTES_MAX:
        raise SystemExit(f"{name}: more than {BYTES_MAX} bytes")


async def make(browser: Browser, stack: Stack) -> None:
    """All three, in English and by day."""
    async with AsyncExitStack() as exits:
        login = partial(logged_in, stack.gateway_url, stack.notifier_urls[0])
        names = ("testuser", "other", "mentor", "admin")
        people = People(*[await exits.enter_async_context(login(name)) for name in names])
        await lived(stack, people)
        for name, person, path, (width, height) in (
            ("balance", people.student, "/en/balance", (1240, 900)),
            ("deposit", people.student, "/en/balance/deposit?amount=2000", (1000, 850)),
            ("operator", people.admin, "/en/admin", (1240, 1222)),
        ):
            size = ViewportSize(width=width, height=height)
            async with visiting(browser, origin_of_pages(stack), origins_of(stack), viewport=size) as visitor:
                await visitor.log_in_as(person)
                await visitor.open(path)
                await photograph(visitor, name)
                if visitor.watch.complaints:
                    raise SystemExit("\n".join(visitor.watch.complaints))


@asynccontextmanager
async def throwaway_stack() -> AsyncIterator[Stack]:
    """All four services on servers of their own, and stand-ins for two providers."""
    settings = {"PROVIDERS": ",".join((*PLAYED, "mock"))}
    async with (
        throwaway_postgres() as postgres,
        throwaway_rabbitmq() as rabbitmq,
        shared_stack(postgres, rabbitmq, settings, stand_ins=PLAYED) as stack,
    ):
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
