"""The small HTTP face for operators of a service that has no other: health, readiness, metrics, its AsyncAPI document."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.health import Health
from shared.http_protocol import BoundedHttpProtocol
from shared.telemetry import METRICS_CONTENT_TYPE, metrics_text

log = structlog.get_logger(__name__)

_STOP_SECONDS: Final = 2


def operations_app(health: Health, asyncapi: dict[str, Any]) -> Starlette:
    """GET /health/live, /health/ready (200 or 503, each dependence in the body), /metrics, /asyncapi.json."""

    async def live(_: Request) -> Response:
        return JSONResponse({"service": health.service, "status": "alive"})

    async def ready(_: Request) -> Response:
        report = await health.report()
        body = {"service": report.service, "status": "ready" if report.ready else "not_ready", "checks": report.checks}
        return JSONResponse(body, status_code=200 if report.ready else 503)

    async def metrics(_: Request) -> Response:
        return Response(metrics_text(), media_type=METRICS_CONTENT_TYPE)

    async def document(_: Request) -> Response:
        return JSONResponse(asyncapi)

    return Starlette(
        routes=[
            Route("/health/live", live),
            Route("/health/ready", ready),
            Route("/metrics", metrics),
            Route("/asyncapi.json", document),
        ]
    )


def listen(host: str, port: int, setting: str) -> socket.socket:
    """A listening socket on `host`:`port`; exit status 1 after one line that names `setting` when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SystemExit(f"cannot start: {setting} {port} on {host} cannot be used: {error.strerror}") from error
    listener.listen(1024)
    listener.setblocking(False)
    return listener


class HttpServer:
    """uvicorn inside our own loop: it neither installs signal handlers nor logs requests.

    `trusted_proxies`: addresses or networks whose X-Forwarded-For names the client; nobody's by default.
    """

    def __init__(
        self,
        app: Callable[..., Awaitable[None]] | Starlette,
        listener: socket.socket,
        *,
        stop_seconds: int = _STOP_SECONDS,
        trusted_proxies: Sequence[str] = (),
    ) -> None:
        config = uvicorn.Config(
            app,
            loop="none",
            http=BoundedHttpProtocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
            timeout_graceful_shutdown=stop_seconds,
        )
        self._server = uvicorn.Server(config)
        self._listener = listener
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._serve(), name="http")

    async def stop(self) -> None:
        """Takes no new connection, finishes the requests in hand within the bound, closes."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _serve(self) -> None:
        config = self._server.config
        if not config.loaded:
            config.load()
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup(sockets=[self._listener])
        await self._server.main_loop()
        await self._server.shutdown(sockets=[self._listener])
