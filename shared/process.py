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
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    running = service()
    if not await _started(running, told):
        log.info("stopped before it was ready")
        return
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


async def _started(running: AbstractAsyncContextManager[None], told: asyncio.Event) -> bool:
    """Starts; False when it was told to stop first (a server that it waits for may never come), and what had begun is undone."""
    starting = asyncio.ensure_future(running.__aenter__())
    stopping = asyncio.ensure_future(told.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if starting.done():
        starting.result()
        return True
    starting.cancel()
    async with asyncio.timeout(STOP_SECONDS):
        await asyncio.gather(starting, return_exceptions=True)
    return False
