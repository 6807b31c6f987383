"""Serves one emulator on a port of this machine, inside the running loop."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from typing import Any, Final, Protocol, Self

import uvicorn
from starlette.applications import Starlette
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.emulators.deliveries import Deliveries
from tests.emulators.faults import CUT, Faults

BODY_LIMIT_BYTES: Final = 1_048_576
"""For `Starlette(max_body_size=…)` of every emulator."""

_STOP_SECONDS: Final = 1


class Emulator(Protocol):
    """What a provider's emulator shows to its server; `base_url` (no slash at its end) is known when the port is."""

    base_url: str

    @property
    def app(self) -> Starlette: ...

    @property
    def deliveries(self) -> Deliveries: ...

    @property
    def faults(self) -> Faults: ...


class EmulatorServer:
    """`async with EmulatorServer(emulator) as server:` serves at `server.url`, 127.0.0.1 on a free port unless `port` names one.

    It sets emulator.base_url, starts the deliveries, and stops both. `verbose`: one line a request to stderr.
    """

    def __init__(self, emulator: Emulator, *, port: int = 0, host: str = "127.0.0.1", verbose: bool = False) -> None:
        self._emulator = emulator
        self._address = (host, port)
        self._verbose = verbose
        self._server: uvicorn.Server | None = None
        self._listener: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None
        self.url = ""

    async def start(self) -> None:
        """OSError when the port is taken."""
        # The protocol is named so that asyncio sets TCP_NODELAY: without it every kept-alive answer waits 40 ms for an acknowledgement.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(self._address)
        except OSError:
            listener.close()
            raise
        listener.listen(1024)
        listener.setblocking(False)
        self._listener = listener
        self.url = self._emulator.base_url = f"http://{self._address[0]}:{listener.getsockname()[1]}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._app,
                interface="asgi3",
                loop="none",
                http=_Protocol,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )
        await self._emulator.deliveries.start()
        self._serving = asyncio.create_task(self._serve(self._server, listener), name="emulator")

    async def stop(self) -> None:
        """Takes no new request, lets those in hand finish within the bound, ends the deliveries."""
        self._emulator.faults.close()
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await asyncio.gather(self._serving, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
        await self._emulator.deliveries.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @staticmethod
    async def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
        config = server.config
        config.load()
        server.lifespan = config.lifespan_class(config)
        # Not serve(): that takes the process's signals.
        await server.startup(sockets=[listener])
        await server.main_loop()
        await server.shutdown(sockets=[listener])

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._verbose:
            await self._emulator.app(scope, receive, send)
            return
        began = time.monotonic()
        status: int | str = "no answer"

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._emulator.app(scope, receive, noting)
        finally:
            milliseconds = (time.monotonic() - began) * 1000
            print(f"{self.url} {scope['method']} {scope['path']} {status} {milliseconds:.0f} ms", file=sys.stderr, flush=True)


class _Protocol(HttpToolsProtocol):
    """Lets a request's own code cut its connection, which ASGI has no word for."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {CUT: {"abort": self.transport.abort}}
        self.scope["extensions"] = extensions
