"""A visitor of the pages: a device with its own cookies, language and screen, told in the words of the story."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Locator, Page, ViewportSize, expect

from deploy.local.stack import Stack
from services.gateway.auth import COOKIE
from services.gateway.hypertext.formats import Formats
from tests.browser.watching import Watch
from tests.browser.words import Words
from tests.flow.people import Person

PATIENCE_MILLISECONDS: Final = 15_000

DESKTOP: Final = ViewportSize(width=1280, height=800)
PHONE: Final = ViewportSize(width=390, height=844)
SMALL_PHONE: Final = ViewportSize(width=320, height=640)

_TAGS: Final = {"en": "en-GB", "ru": "ru-RU", "sr": "sr-Latn-RS"}

Role = Literal[
    "button", "link", "heading", "radio", "checkbox", "slider", "textbox", "combobox", "status", "alert", "dialog", "row", "option"
]


@dataclass(slots=True)
class Visitor:
    """`page` is the tab in front; `say` gives the words of the visitor's language for the English ones."""

    context: BrowserContext
    page: Page
    origin: str
    locale: str
    say: Words
    watch: Watch

    async def open(self, path: str, *, status: int = 200) -> Page:
        """Types the address: `path` begins with a slash, {locale} in it is the visitor's; or a whole URL."""
        answer = await self.page.goto(path.replace("{locale}", self.locale))
        assert answer is not None
        assert answer.status == status, f"{answer.url}: {answer.status}"
        return self.page

    async def new_tab(self, path: str | None = None) -> Page:
        """Another tab of the same browser comes to the front."""
        self.page = await self.context.new_page()
        return self.page if path is None else await self.open(path)

    def find(self, role: Role, english: str, **values: object) -> Locator:
        """By its role and its whole name."""
        return self.page.get_by_role(role, name=self.say(english, **values), exact=True)

    async def press(self, english: str, **values: object) -> None:
        """The button of that name."""
        await self.find("button", english, **values).click()

    async def follow(self, english: str, **values: object) -> None:
        """The link of that name."""
        await self.find("link", english, **values).click()

    async def fill(self, english: str, text: str, **values: object) -> None:
        """The field of that label."""
        await self.page.get_by_label(self.say(english, **values), exact=True).fill(text)

    async def sees(self, english: str, **values: object) -> None:
        """Waits until the page says so somewhere."""
        await expect(self.page.get_by_text(self.say(english, **values)).first).to_be_visible()

    def money(self, amount_minor: int, currency: str = "rsd") -> str:
        """As the pages of that language write it."""
        return Formats(self.locale).money(amount_minor, currency)

    async def has(self, amount_minor: int, currency: str = "rsd") -> None:
        """Waits until the balance on the page, which nobody reloads, says so."""
        widget = self.page.locator(f"balance-widget[currency={currency}]").first
        await expect(widget.locator("[part=amount]")).to_have_text(self.money(amount_minor, currency))

    async def arrives(self, pattern: str) -> None:
        """Waits for a page whose path and query match the glob; {locale} in it is the visitor's. A way there that was broken off (by the
        second click of a double click) and taken again is no matter."""
        glob = re.escape(self.origin + pattern.replace("{locale}", self.locale))
        await expect(self.page).to_have_url(re.compile("^" + glob.replace(r"\*\*", ".*").replace(r"\*", "[^/]*") + "$"))
        await self.page.wait_for_load_state("domcontentloaded")

    async def log_in(self, login: str = "testuser") -> None:
        """By the form, as one of the demo directory, whose passwords are the names."""
        await self.open("/{locale}/login")
        await self.page.locator("input[name=login]").fill(login)
        await self.page.locator("input[name=password]").fill(login)
        await self.page.locator("input[name=password]").press("Enter")
        await self.page.wait_for_url(lambda url: not urlsplit(url).path.endswith("/login"))

    async def log_in_as(self, person: Person) -> None:
        """The session cookie of somebody who is logged in over the API."""
        token = person.http.headers["Authorization"].removeprefix("Bearer ")
        await self.context.add_cookies([{"name": COOKIE, "value": token, "url": self.origin, "httpOnly": True, "sameSite": "Lax"}])


def origin_of_pages(stack: Stack) -> str:
    """Where the stack's pages are for a browser: as PUBLIC_URL says."""
    return f"http://localhost:{urlsplit(stack.gateway_url).port}"


def origins_of(stack: Stack) -> list[str]:
    """The pages' own, and the sockets'."""
    return [origin_of_pages(stack), *(f"ws://localhost:{urlsplit(url).port}" for url in stack.notifier_urls)]


@asynccontextmanager
async def visiting(
    browser: Browser,
    origin: str,
    origins: list[str],
    locale: str = "en",
    *,
    viewport: ViewportSize = DESKTOP,
    scale: float = 1,
    dark: bool = False,
    still: bool = True,
    scripts: bool = True,
) -> AsyncIterator[Visitor]:
    """A new device. `still`: its owner wants no motion. `scripts`: JavaScript is on."""
    context = await browser.new_context(
        base_url=origin,
        locale=_TAGS[locale],
        timezone_id="Europe/Belgrade",
        viewport=viewport,
        device_scale_factor=scale,
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce" if still else "no-preference",
        java_script_enabled=scripts,
        service_workers="block",
    )
    try:
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        watch = Watch(context, origins)
        yield Visitor(context, await context.new_page(), origin, locale, Words(locale), watch)
    finally:
        await context.close()
