"""A service's life as a process: uvloop, start, wait for SIGTERM or Ctrl-C, stop in order within its bound."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import structlog
import uvloop

log = structlog.get_logger(__name__)

STOP_SECONDS: Final = 10.0

Service = Callable[[], AbstractAsyncContextManager[None]]
"""A context manager that starts everything on entering and stops everything, in order, on leaving."""


def run(service: Service) -> None:
    """Runs `service` until it is told to stop; exit status 0 then, 1 when starting failed."""
    uvloop.run(_run(service))


async def _run(service: Service) -> None:
    told = asyncio.Event()
    starting = asyncio.current_task()
    loop = asyncio.get_running_loop()
    is_ready = False

    def tell() -> None:
        told.set()
        if not is_ready and starting is not None:
            starting.cancel()  # a server that the start waits for may never come; what had begun is undone

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, tell)
    running = service()
    try:
        await running.__aenter__()
    except asyncio.CancelledError:
        if not told.is_set():
            raise
        log.info("stopped before it was ready")
        return
    is_ready = True
    log.info("ready")
    await told.wait()
    log.info("stopping")
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await running.__aexit__(None, None, None)
    except TimeoutError:
        log.error("not stopped in time; what was not acknowledged is delivered again")
        raise SystemExit(1) from None
    log.info("stopped")
