"""Fixtures of the tests in a real browser: visitors of the shared stack, whose pages may do nothing that the test did not expect."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Generator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.async_api import Browser, Error, expect

from deploy.local.stack import Stack
from tests.browser.chromium import MISSING, find_chromium, running_chromium
from tests.browser.looking import screenshot
from tests.browser.visitors import PATIENCE_MILLISECONDS, Visitor, origin_of_pages, origins_of, visiting
from tests.flow.people import Person, logged_in, newcomer

_HERE = Path(__file__).parent
_FAILED = pytest.StashKey[bool]()


class Arrive(Protocol):
    """What the fixture `arrive` gives: a call that brings a new device to a stack's pages."""

    def __call__(self, stack: Stack, locale: str = "en", *, person: Person | None = None, **device: Any) -> Awaitable[Visitor]:
        """person: whose session cookie it has. device: viewport, scale, dark, still, scripts as in visitors.visiting."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser these tests say so."""
    mine = [item for item in items if item.path.is_relative_to(_HERE)]
    try:
        missing = bool(mine) and find_chromium() is None
    except FileNotFoundError as error:
        raise pytest.UsageError(str(error)) from error
    if missing:
        for item in mine:
            item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.CallInfo[None], None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed:
        item.stash[_FAILED] = True


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for the whole session."""
    program = find_chromium()
    assert program is not None, MISSING
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    async with running_chromium(program) as running:
        yield running


@pytest.fixture
async def arrive(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Arrive]:
    """Brings visitors; after the test nothing unexpected may have happened on any of their pages."""
    visitors: list[Visitor] = []
    async with AsyncExitStack() as exits:

        async def bring(stack: Stack, locale: str = "en", *, person: Person | None = None, **device: Any) -> Visitor:
            visitor = await exits.enter_async_context(visiting(browser, origin_of_pages(stack), origins_of(stack), locale, **device))
            visitors.append(visitor)
            if person is not None:
                await visitor.log_in_as(person)
            return visitor

        yield bring
        if request.node.stash.get(_FAILED, False):
            await _keep_pictures(request.node.name, visitors)
        complaints = [line for visitor in visitors for line in visitor.watch.complaints]
    if complaints:
        pytest.fail("the pages did what nobody expected:\n" + "\n".join(complaints), pytrace=False)


async def _keep_pictures(test: str, visitors: list[Visitor]) -> None:
    for page in [page for visitor in visitors for page in visitor.context.pages]:
        name = "failed/" + re.sub(r"[^\w.-]+", "-", f"{test}-{page.url.partition('//')[2]}")[:120]
        try:
            await screenshot(page, name)
        except Error as error:
            print(f"no picture of {page.url}: {error}")


@pytest.fixture
async def visitor(arrive: Arrive, stack: Stack) -> Visitor:
    """A guest in front of a desktop, in English."""
    return await arrive(stack)


@pytest.fixture
async def student(stack: Stack) -> AsyncIterator[Person]:
    """Somebody new, with nothing in any currency: over the API, and for arrive(…, person=student)."""
    async with newcomer(stack) as person:
        yield person


@pytest.fixture
async def mentor(stack: Stack) -> AsyncIterator[Person]:
    """A new mentor, without sessions."""
    async with newcomer(stack, "mentor") as person:
        yield person


@pytest.fixture
async def admin(stack: Stack) -> AsyncIterator[Person]:
    """The demo directory's admin."""
    async with logged_in(stack.gateway_url, stack.notifier_urls[0], "admin") as person:
        yield person
