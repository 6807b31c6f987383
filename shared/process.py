"""A service's life as a process: uvloop, start, wait for SIGTERM or Ctrl-C, stop in order within its bound."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import structlog
import uvloop

log = structlog.get_logger(__name__)

STOP_SECONDS: Final = 10.0
_LEFTOVERS_SECONDS: Final = 0.8
"""For what is still there after that: in all it is less than the 11 s after which whoever runs us may kill us."""

Service = Callable[[], AbstractAsyncContextManager[None]]
"""A context manager that starts everything on entering and stops everything, in order, on leaving."""


def run(service: Service) -> None:
    """Runs `service` until it is told to stop; exit status 0 then, 1 when starting failed or something could not be ended."""
    why: list[str] = []
    bound = threading.Timer(_LEFTOVERS_SECONDS, _end_anyway, (why,))
    bound.daemon = True
    try:
        uvloop.run(_run(service, bound, why))
    finally:
        bound.cancel()


def _end_anyway(why: list[str]) -> None:
    """The loop waits without a bound for the tasks that it cancels at its end. aio-pika's connection that restores itself (10.2) takes a
    cancellation for a trouble of the line and goes on: after a start that broke off the process would never have ended."""
    log.error("ended without what was left over and did not end when it was told to", why=why)
    sys.stdout.flush()
    os._exit(1)


async def _run(service: Service, bound: threading.Timer, why: list[str]) -> None:
    try:
        await _live(service)
    except BaseException as error:
        why.append(str(error) or type(error).__name__)
        raise
    finally:
        bound.start()


async def _live(service: Service) -> None:
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
