"""Looks over a visitor's shoulder: what a page must never do is written down, and fails the test that did not expect it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request, Response, WebError, WebSocket

# Chromium says of each 4xx and of each lost request what is written down here anyway, from the answer or the request itself.
_SAID_TWICE: Final = "Failed to load resource:"
# Whoever goes on to another page ends what the one before had asked for.
_GONE_ON: Final = "net::ERR_ABORTED"
_OURS: Final = frozenset({"", "about", "data", "blob"})


class Watch:
    """What one visitor's pages did wrong. `origins`: where their requests and sockets may go, as browsers write origins."""

    def __init__(self, context: BrowserContext, origins: Iterable[str]) -> None:
        self._origins = set(origins)
        self._seen: list[str] = []
        self._expected: list[re.Pattern[str]] = []
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        context.on("request", self._on_request)
        context.on("requestfailed", self._on_failure)
        context.on("response", self._on_response)
        context.on("page", self._on_page)

    def allow(self, *origins: str) -> None:
        """Requests may go there too."""
        self._origins |= set(origins)

    def expect(self, *patterns: str) -> None:
        """What matches one of these regular expressions is part of the story."""
        self._expected += [re.compile(pattern) for pattern in patterns]

    @property
    def complaints(self) -> list[str]:
        """Everything seen that nothing expected."""
        return [line for line in self._seen if not any(pattern.search(line) for pattern in self._expected)]

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_SAID_TWICE):
            self._seen.append(f"console {message.type}: {message.text} ({message.location['url']}:{message.location['lineNumber']})")

    def _on_error(self, error: WebError) -> None:
        self._seen.append(f"page error: {error.error}")

    def _on_page(self, page: Page) -> None:
        page.on("websocket", self._on_socket)

    def _on_socket(self, socket: WebSocket) -> None:
        self._require_ours("socket", socket.url)

    def _on_request(self, request: Request) -> None:
        self._require_ours(f"request {request.method}", request.url)

    def _require_ours(self, what: str, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _OURS and f"{parts.scheme}://{parts.netloc}" not in self._origins:
            self._seen.append(f"foreign {what}: {url}")

    def _on_failure(self, request: Request) -> None:
        if request.failure != _GONE_ON:
            self._seen.append(f"failed request {request.method}: {request.url} {request.failure}")

    def _on_response(self, response: Response) -> None:
        # A page itself may well answer 404 or 422: the visitor says which status they came for. What it loads may not.
        limit = 500 if response.request.is_navigation_request() else 400
        if response.status >= limit:
            self._seen.append(f"status {response.status}: {response.request.method} {response.url}")
