"""What every HTTP request passes: its id, origin and CORS, bounds, security headers, one log line, metrics, a last resort for errors."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Final

import structlog
from fastapi import FastAPI
from prometheus_client import Counter, Gauge, Histogram
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.problems import Problem, malformed, problem_response
from services.gateway.rate_limit import RateLimit, address_key
from services.gateway.routes import as_allow, written_out
from shared.contracts.base import new_id

log = structlog.get_logger(__name__)

WEBHOOKS_PATH: Final = "/api/v1/webhooks/"
STRIPE_ALIAS: Final = "/api/v1/payments/webhook"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:=+/@-]{1,128}")
_STATE: Final = "purser.request_id"
_OPENING_ID: Final = re.compile(r"(/orders/|/pay/)([^/]{18})[^/]+")
_PREFLIGHT_SECONDS: Final = 600
_PROBES: Final = frozenset({"/health/live", "/health/ready", "/metrics"})
"""Answered under any load and at any rate, and not told in the log unless they fail."""
_QUERY_BYTES_MAX: Final = 8_192
_QUERY_PARAMETERS_MAX: Final = 100

_REQUESTS: Final = Counter("purser_http_requests_total", "HTTP requests answered", ("method", "route", "status"))
_SECONDS: Final = Histogram("purser_http_request_seconds", "From the request's head to the end of its answer", ("route",))
_OPEN: Final = Gauge("purser_http_requests_open", "HTTP requests being worked on")

Troubles = Callable[[Scope, Problem, str], Response]
"""An error as an answer to the request of that scope, and id."""

_API_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


def request_id_of(scope: Scope) -> str:
    """The request's id: the correlation id of every message that it causes."""
    request_id: str = scope[_STATE]
    return request_id


class Edge:
    """Webhooks go to `webhooks` at once; everything else through the origin check, and its address's rate, to `app`.

    At most `requests_max` requests are worked on at once; more are 503 with Retry-After. `troubles` tells an error to whoever asked.
    """

    def __init__(
        self,
        app: FastAPI,
        webhooks: ASGIApp,
        addresses: RateLimit,
        *,
        origins: frozenset[str],
        secure: bool,
        troubles: Troubles | None = None,
        requests_max: int = 2_000,
    ) -> None:
        self.framework = app
        self._troubles = troubles or (lambda _, problem, request_id: problem_response(problem, request_id))
        self._written_out = {**written_out(app), STRIPE_ALIAS: frozenset({"POST"})}
        self._app = CORSMiddleware(
            self._bounded,
            allow_origins=sorted(origins),
            allow_credentials=True,
            allow_methods=METHODS,
            allow_headers=["*"],
            expose_headers=["X-Request-ID", "Location", "Retry-After", "Idempotent-Replayed", "Link", "X-Next-Cursor"],
            max_age=_PREFLIGHT_SECONDS,
        )
        self._webhooks = webhooks
        self._addresses = addresses
        self._origins = origins
        self._headers = [*_API_HEADERS, (b"strict-transport-security", b"max-age=31536000")] if secure else _API_HEADERS
        self._requests_max = requests_max
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        request_id = _request_id(scope)
        scope[_STATE] = request_id
        structlog.contextvars.bind_contextvars(correlation_id=request_id)
        started = time.perf_counter()
        answer = _Answer(send, request_id, self._headers)
        self._open += 1
        _OPEN.set(self._open)
        try:
            await self._dispatch(scope, receive, answer.send)
        except ClientDisconnect:
            answer.status = answer.status or 499
        except Exception:
            log.exception("request failed", path=_printable(scope["path"]))
            if not answer.status:
                problem = Problem("internal_error", "the failure has been logged under this request_id")
                await self._troubles({**scope, "app": self.framework}, problem, request_id)(scope, receive, answer.send)
        finally:
            self._open -= 1
            _OPEN.set(self._open)
            self._tell(scope, answer.status or 499, time.perf_counter() - started)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        alias = scope["path"] == STRIPE_ALIAS and scope["method"] == "POST"
        webhook = alias or scope["path"].startswith(WEBHOOKS_PATH)
        problem = self._foreign(scope) or (self._busy() if webhook else None)
        if problem is not None:
            await self._troubles({**scope, "app": self.framework}, problem, request_id_of(scope))(scope, receive, send)
        elif webhook:
            await self._webhooks({**scope, "path": f"{WEBHOOKS_PATH}stripe"} if alias else scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Inside of CORS, so that a page can read these refusals too; a preflight does not come as far as this."""
        try:
            if scope["path"] not in _PROBES:
                self._require_room(scope)
        except Problem as problem:
            await self._troubles({**scope, "app": self.framework}, problem, request_id_of(scope))(scope, receive, send)
        else:
            await self.framework(scope, receive, send)

    def _require_room(self, scope: Scope) -> None:
        self._addresses.require(address_key(scope.get("client")))
        if busy := self._busy():
            raise busy
        query: bytes = scope["query_string"]
        if len(query) > _QUERY_BYTES_MAX or query.count(b"&") >= _QUERY_PARAMETERS_MAX:
            raise malformed("query", msg=f"must have at most {_QUERY_PARAMETERS_MAX} parameters and {_QUERY_BYTES_MAX} bytes")
        methods = self._written_out.get(scope["path"])
        if methods is not None and scope["method"] not in methods:
            # The framework would go on and take the path's last part for an id.
            raise Problem("method_not_allowed", f"{scope['method'][:16]} is not allowed here", headers={"Allow": as_allow(methods)})

    def _busy(self) -> Problem | None:
        too_many = self._open > self._requests_max
        return Problem("busy", "too many requests at once; nothing was done") if too_many else None

    def _foreign(self, scope: Scope) -> Problem | None:
        origin = _header(scope, b"origin")
        if origin is None:
            return None
        if origin not in self._origins:
            return Problem("csrf_failed", "this Origin is not among ALLOWED_ORIGINS")
        asked = _header(scope, b"access-control-request-method")
        if scope["method"] == "OPTIONS" and asked is not None and asked not in METHODS:
            return Problem("method_not_allowed", f"{asked[:16]} is not allowed here", headers={"Allow": ", ".join(METHODS)})
        return None

    @staticmethod
    def _tell(scope: Scope, status: int, seconds: float) -> None:
        # The template, not the path: ids would make a new time series each.
        route = (
            WEBHOOKS_PATH + "{provider}" if scope["path"].startswith(WEBHOOKS_PATH) else getattr(scope.get("route"), "path", "unmatched")
        )
        method = scope["method"] if scope["method"] in METHODS else "other"
        _REQUESTS.labels(method, route, status).inc()
        _SECONDS.labels(route).observe(seconds)
        client = scope.get("client")
        tell = log.debug if route in _PROBES and status < 400 else log.info
        tell(
            "request",
            method=method,
            path=_printable(scope["path"]),
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 2),
            client=client[0] if client else None,
        )


class _Answer:
    """Passes an answer on with its id and the security headers, and remembers its status."""

    __slots__ = ("_headers", "_request_id", "_send", "status")

    def __init__(self, send: Send, request_id: str, headers: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._request_id = request_id
        self._headers = headers
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = {name for name, _ in message["headers"]}
            added = [header for header in self._headers if header[0] not in own]
            message["headers"] = [*message["headers"], (b"x-request-id", self._request_id.encode()), *added]
        await self._send(message)


def _header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


def _request_id(scope: Scope) -> str:
    values = [value for name, value in scope["headers"] if name == b"x-request-id"]
    if len(values) == 1 and _REQUEST_ID.fullmatch(values[0]):
        text: str = values[0].decode()
        return text
    return str(new_id())


def _printable(path: str) -> str:
    """An order's id opens what was bought, its session's what is to be paid: the log shows enough of it to find the order by."""
    return _OPENING_ID.sub(r"\1\2***", path[:200]).encode("ascii", "backslashreplace").decode()
