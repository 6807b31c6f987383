"""One connection to RabbitMQ that comes back by itself; what hangs on it is told when it is lost and when it is restored.

aio-pika's robust connection restores channels and consumers behind one's back, in an order one does not see; here each user of the link
opens its own channel again, so that "subscribed, then snapshot" can be relied on.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

import aio_pika
import structlog
from aio_pika.abc import AbstractConnection
from yarl import URL

from shared.delivery.cancellation import cancelled_by_library
from shared.delivery.errors import BrokerUnavailable

log = structlog.get_logger(__name__)

_CONNECT_TIMEOUT_SECONDS: Final = 10
_BACKOFF_MAX_SECONDS: Final = 2.0
_CLOSE_TIMEOUT_SECONDS: Final = 3

LostCallback = Callable[[], None]
RestoredCallback = Callable[[], Awaitable[None]]


class BrokerLink:
    """`heartbeat_seconds` bounds how long a hung broker goes unnoticed (about three times as long; the library's default needs minutes)."""

    def __init__(self, url: str, *, name: str, heartbeat_seconds: int = 5) -> None:
        self._url = URL(url).update_query(heartbeat=str(heartbeat_seconds), name=name)
        self._name = name
        self._connection: AbstractConnection | None = None
        self._up = asyncio.Event()
        self._lost: list[LostCallback] = []
        self._restored: list[RestoredCallback] = []
        self._keeper: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        return self._up.is_set()

    def on_lost(self, callback: LostCallback) -> None:
        self._lost.append(callback)

    def on_restored(self, callback: RestoredCallback) -> None:
        """`callback` runs after each reconnection (not after the first connection)."""
        self._restored.append(callback)

    async def start(self, timeout_seconds: float = 90) -> None:
        """Connects; BrokerUnavailable when that takes longer than `timeout_seconds`."""
        self._keeper = asyncio.create_task(self._keep(), name=f"broker-link {self._name}")
        await self.connection(timeout_seconds)

    async def connection(self, timeout_seconds: float = 1.0) -> AbstractConnection:
        """The open connection; waits for it at most `timeout_seconds`, then BrokerUnavailable."""
        if self._connection is None or not self.is_up:
            try:
                await asyncio.wait_for(self._up.wait(), timeout_seconds)
            except TimeoutError as error:
                raise BrokerUnavailable("the broker cannot be reached") from error
        if self._connection is None:
            raise BrokerUnavailable("the broker cannot be reached")
        return self._connection

    async def check(self) -> None:
        """For readiness: raises BrokerUnavailable when the link is down."""
        if not self.is_up:
            raise BrokerUnavailable("the broker cannot be reached")

    async def close(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None

    async def _keep(self) -> None:
        connected_before = False
        while True:
            connection = await self._connect()
            self._connection = connection
            self._up.set()
            restoring = asyncio.create_task(self._tell_restored()) if connected_before else None
            connected_before = True
            try:
                await _lost(connection)
            finally:
                self._up.clear()
                self._connection = None
                if restoring is not None:
                    restoring.cancel()
                await _close(connection)
            log.warning("broker connection lost", link=self._name)
            self._tell_lost()

    async def _connect(self) -> AbstractConnection:
        delay = 0.1
        told = False
        while True:
            try:
                with cancelled_by_library(BrokerUnavailable("given up while connecting")):
                    async with asyncio.timeout(_CONNECT_TIMEOUT_SECONDS):
                        return await aio_pika.connect(self._url)
            except Exception as error:
                # Whatever it is: this task is the only one that brings the connection back.
                if not told:
                    log.warning("broker cannot be reached, trying again", link=self._name, error=type(error).__name__)
                    told = True
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(delay * 2, _BACKOFF_MAX_SECONDS)

    def _tell_lost(self) -> None:
        for callback in self._lost:
            try:
                callback()
            except Exception:
                log.exception("work after the broker's loss failed", link=self._name)

    async def _tell_restored(self) -> None:
        for callback in self._restored:
            try:
                await callback()
            except Exception:
                log.exception("work after the broker's return failed", link=self._name)


async def _lost(connection: AbstractConnection) -> None:
    """Returns when the connection has gone, however it went: its own closed() only ever tells of our close (aio-pika 10.2)."""
    lost = asyncio.Event()
    connection.close_callbacks.add(lambda *_: lost.set())
    if connection.connected.is_set():  # else it went before we listened
        await lost.wait()


async def _close(connection: AbstractConnection) -> None:
    # Bounded and shielded from its own errors: a broker that is gone cannot answer the goodbye.
    try:
        with cancelled_by_library(BrokerUnavailable("given up while closing")):
            async with asyncio.timeout(_CLOSE_TIMEOUT_SECONDS):
                await connection.close()
    except Exception as error:
        log.debug("connection not closed politely", error=type(error).__name__)
