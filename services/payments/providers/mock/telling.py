"""What the mock says later: each of its books tells what is due by signed webhook events, in the background, and again after a crash."""

from __future__ import annotations

import asyncio
import base64
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import ClassVar, Final

import structlog

from services.payments.providers.mock.adapter import sign
from shared.contracts.payment_events import ProviderEventReceived
from shared.delivery.errors import DeliveryError
from shared.keys import Keys
from shared.postgres import Pool, is_outage

log = structlog.get_logger(__name__)

LEASE: Final = timedelta(seconds=15)
"""For so long nobody else tells what one teller has taken."""

_PAUSE_SECONDS: Final = 0.25

Publish = Callable[[ProviderEventReceived], Awaitable[None]]


class Telling(ABC):
    """Tells what is due; `publish` hands an event on as gateway does, and returns when it is confirmed."""

    what: ClassVar[str]
    batch: ClassVar[int]

    def __init__(self, pool: Pool, keys: Keys, publish: Publish) -> None:
        self._pool = pool
        self._keys = keys
        self._publish = publish
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def tell_due(self) -> int:
        """Tells one batch; how many that were. A crash before the book has it down tells the same event again, once the lease is over."""

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self.what)

    async def stop(self) -> None:
        """Ends at once; what was not told is told by whoever runs next."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Something has become due just now."""
        self._due.set()

    async def _publish_all(self, events: list[tuple[str, bytes, str]]) -> None:
        """Each an event's id, its body, and the id of the request that made it. Returns when all are confirmed."""
        await asyncio.gather(*(self._publish(self._signed(*event)) for event in events))

    def _signed(self, event_id: str, body: bytes, correlation_id: str) -> ProviderEventReceived:
        event = sign(event_id, body, self._keys)
        return ProviderEventReceived(
            correlation_id=correlation_id, provider="mock", headers=event.headers, body=base64.b64encode(event.body)
        )

    async def _run(self) -> None:
        while True:
            try:
                while await self.tell_due() == self.batch:
                    pass
            except Exception as error:
                if isinstance(error, DeliveryError) or is_outage(error):
                    log.warning("the mock's telling was interrupted", what=self.what, error=type(error).__name__)
                else:
                    log.exception("the mock's telling failed", what=self.what)
            try:
                async with asyncio.timeout(_PAUSE_SECONDS):
                    await self._due.wait()
            except TimeoutError:
                continue
            self._due.clear()
