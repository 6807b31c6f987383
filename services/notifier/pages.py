"""Plain HTTP on the sockets' port: health, metrics, the AsyncAPI document; and what is checked before a request may become a socket."""

from __future__ import annotations

import email.utils
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import orjson
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from services.notifier.counts import Counts
from shared.contracts.base import new_id
from shared.health import Health
from shared.telemetry import METRICS_CONTENT_TYPE, metrics_text

RETRY_AFTER_SECONDS: Final = 2

Subscribed = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Pages:
    """`origins` may open sockets (no Origin header may, too: it is not a browser); `subscribed`: do changes reach this process now."""

    health: Health
    asyncapi: dict[str, Any]
    origins: frozenset[str]
    subscribed: Subscribed
    counts: Counts

    async def __call__(self, request: Request) -> Response | None:
        """The answer, or None when the request is for `/ws` and may go on."""
        if request.method not in ("GET", "HEAD"):
            return problem(405, "method_not_allowed", "only GET is served here", {"Allow": "GET, HEAD"})
        answer = await self._answer(request)
        if answer is not None and request.method == "HEAD":
            answer.body = b""
        return answer

    async def _answer(self, request: Request) -> Response | None:
        match request.path.partition("?")[0]:
            case "/ws":
                return await self._handshake(request)
            case "/health/live":
                return _json(200, {"service": self.health.service, "status": "alive"})
            case "/health/ready":
                return await self._ready()
            case "/metrics":
                return _answer(200, metrics_text(), METRICS_CONTENT_TYPE)
            case "/asyncapi.json":
                return _json(200, self.asyncapi)
            case _:
                return problem(404, "not_found", "no such page")

    async def _handshake(self, request: Request) -> Response | None:
        origins = request.headers.get_all("Origin")
        if origins and (len(origins) > 1 or origins[0] not in self.origins):
            self.counts.origins_refused += 1
            return problem(403, "origin_not_allowed", "pages of this origin may not connect")
        upgrade = [value.lower() for value in request.headers.get_all("Upgrade")]
        if upgrade != ["websocket"]:
            return problem(426, "upgrade_required", "this is a WebSocket", {"Upgrade": "websocket"})
        if not await self.subscribed():
            self.counts.overload_refused += 1
            return problem(503, "service_unavailable", "the broker cannot be reached", {"Retry-After": str(RETRY_AFTER_SECONDS)})
        return None

    async def _ready(self) -> Response:
        report = await self.health.report()
        if report.ready:
            return _json(200, {"service": report.service, "status": "ready", "checks": report.checks})
        body = {"service": report.service, "checks": report.checks}
        return problem(503, "not_ready", "a service behind does not answer", {"Retry-After": str(RETRY_AFTER_SECONDS)}, body)


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None, more: dict[str, Any] | None = None) -> Response:
    """An RFC 9457 answer, as api.md's "Errors" has it."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [],
        "request_id": str(new_id()),
        **(more or {}),
    }
    return _answer(status, orjson.dumps(body), "application/problem+json", headers)


def _json(status: int, body: dict[str, Any]) -> Response:
    return _answer(status, orjson.dumps(body), "application/json")


def _answer(status: int, body: bytes, content_type: str, headers: dict[str, str] | None = None) -> Response:
    everything = {
        "Date": email.utils.formatdate(usegmt=True),
        "Connection": "close",
        "Content-Length": str(len(body)),
        "Content-Type": content_type,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        **(headers or {}),
    }
    return Response(status, HTTPStatus(status).phrase, Headers(everything), body)
