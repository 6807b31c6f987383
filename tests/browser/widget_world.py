"""What the tests of <balance-widget> look at: a widget on a page, what it told the page, and the sockets that were opened for it."""

from __future__ import annotations

from typing import Any, Final

from playwright.async_api import Locator, Page, WebSocket, expect

from tests.browser.visitors import Visitor

ANY_PAGE: Final = "/{locale}/nothing-here"
"""The smallest page with the header that all have."""

_EVENTS: Final = ("purser:balance", "purser:payment", "purser:withdrawal", "purser:connection")

# Before any script of the page: what bubbles as far as the document is kept.
_LISTEN: Final = f"""
window.told = [];
for (const type of {list(_EVENTS)!r}) document.addEventListener(type, ({{ detail }}) => window.told.push([type, detail]));
"""


class Seen:
    """One widget, the first of the page unless `number` says another."""

    def __init__(self, page: Page, number: int = 0) -> None:
        self.page = page
        self.element = page.locator("balance-widget").nth(number)

    def part(self, name: str) -> Locator:
        return self.element.locator(f"[part={name}]")

    async def shows(self, amount: str) -> None:
        """Waits for that text, of which spaces may be such that do not break."""
        await expect(self.part("amount")).to_have_text(amount)

    async def is_(self, state: str) -> None:
        """Waits until it is live, asking or lost."""
        await self.page.wait_for_function("([one, state]) => one.state === state", arg=[await self.element.element_handle(), state])

    async def refresh(self) -> dict[str, Any] | None:
        balance: dict[str, Any] | None = await self.element.evaluate("one => one.refresh()")
        return balance


class Line:
    """Everything that a page does for its widgets, from when it is opened."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.sockets: list[WebSocket] = []
        self.requests: list[str] = []
        page.on("websocket", lambda socket: self.sockets.append(socket))
        page.on("request", lambda request: self.requests.append(f"{request.method} {request.url.partition('/api/v1')[2]}"))

    @property
    def open_sockets(self) -> list[WebSocket]:
        return [socket for socket in self.sockets if not socket.is_closed()]

    def asked(self, path: str) -> int:
        """How often that was requested, as `GET /balance?currency=rsd`."""
        return self.requests.count(path)

    async def told(self, kind: str) -> list[dict[str, Any]]:
        """The details of all events `purser:{kind}` that reached the document."""
        found: list[dict[str, Any]] = await self.page.evaluate(
            "kind => told.filter(([type]) => type === kind).map(([, detail]) => detail)", f"purser:{kind}"
        )
        return found

    async def hears(self, kind: str, /, **detail: Any) -> None:
        """Waits for such an event."""
        fits = "Object.entries(detail).every(([key, value]) => one[key] === value)"
        event = [f"purser:{kind}", detail]
        await self.page.wait_for_function(f"([kind, detail]) => told.some(([type, one]) => type === kind && {fits})", arg=event)


async def listen(visitor: Visitor) -> Line:
    """To what the next page that is opened in this tab does and is told."""
    await visitor.page.add_init_script(_LISTEN)
    return Line(visitor.page)


async def watched(visitor: Visitor, path: str = ANY_PAGE) -> tuple[Line, Seen]:
    """The page opened in the tab in front, once its widget is live."""
    line = await listen(visitor)
    await visitor.open(path, status=404 if path == ANY_PAGE else 200)
    seen = Seen(visitor.page)
    await seen.is_("live")
    return line, seen


async def put(page: Page, **attributes: str) -> Seen:
    """One more widget at the end of the page's content."""
    count = await page.locator("balance-widget").count()
    await page.evaluate(
        """attributes => {
            const one = document.createElement("balance-widget");
            for (const [name, value] of Object.entries(attributes)) one.setAttribute(name.replace("_", "-"), value);
            document.querySelector("main").append(one);
        }""",
        attributes,
    )
    return Seen(page, count)
