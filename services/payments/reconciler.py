"""Asks providers about payments that are pending past their time, by our own reference, until it is known what became of them."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from services.payments.domain.payments import Payment
from services.payments.handlers.inquiry import Inquiry
from services.payments.store import payments as store
from shared.postgres import Pool, is_outage, transaction

log = structlog.get_logger(__name__)

_BATCH: Final = 50
_AT_ONCE: Final = 5
_PAUSE_MAX_SECONDS: Final = 5.0
_ASK_SECONDS: Final = 30.0
"""A provider that hangs beyond its own bounds must not keep the others' payments from being asked about."""


class Reconciler:
    """`after_seconds` (RECONCILE_AFTER_SECONDS): how long a payment may be pending before its provider is asked."""

    def __init__(self, pool: Pool, inquiry: Inquiry, *, after_seconds: float) -> None:
        self._pool = pool
        self._inquiry = inquiry
        self._after_seconds = after_seconds
        self._pause_seconds = min(after_seconds / 2, _PAUSE_MAX_SECONDS)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="reconciler")

    async def stop(self) -> None:
        """Ends at once; what was being asked is asked again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def reconcile_due(self) -> int:
        """Asks about one batch of what is due; how many that were."""
        async with transaction(self._pool) as tx:
            due = await store.take_due(tx, _BATCH, self._after_seconds)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def ask(payment: Payment) -> None:
            async with gate, asyncio.timeout(_ASK_SECONDS):
                await self._inquiry.bring_up_to_date(payment)

        for result in await asyncio.gather(*(ask(payment) for payment in due), return_exceptions=True):
            if isinstance(result, Exception):
                log.warning("asking a provider failed, it is asked again", error=type(result).__name__)
        return len(due)

    async def _run(self) -> None:
        while True:
            try:
                while await self.reconcile_due() == _BATCH:
                    pass
            except Exception as error:
                if is_outage(error):
                    log.warning("reconciler interrupted", error=type(error).__name__)
                else:
                    log.exception("reconciler failed")
            await asyncio.sleep(self._pause_seconds)
