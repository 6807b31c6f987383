"""Asks providers about payments that are pending past their time, by our own reference, until it is known what became of them."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from services.payments.domain.payments import PAID_FROM_BALANCE, Payment
from services.payments.handlers.inquiry import Inquiry
from services.payments.store import questions
from shared.postgres import Pool, is_outage, transaction

log = structlog.get_logger(__name__)

_BATCH: Final = 50
_AT_ONCE: Final = 5
_PAUSE_MAX_SECONDS: Final = 5.0
_MINUTES_FOR_ALL: Final = 4.25
"""So many minutes' questions go round among the most recently made payments: each has its turn within five, pauses and answers included."""
_ASK_SECONDS: Final = 30.0
"""A provider that hangs beyond its own bounds must not keep the others' payments from being asked about."""


class Reconciler:
    """`after_seconds` (RECONCILE_AFTER_SECONDS): how long a payment may be pending before its provider is asked."""

    def __init__(self, pool: Pool, inquiry: Inquiry, *, after_seconds: float) -> None:
        self._pool = pool
        self._inquiry = inquiry
        self._after_seconds = after_seconds
        self._pause_seconds = min(after_seconds / 2, _PAUSE_MAX_SECONDS)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        # One each: a provider that hangs, or may be asked rarely, holds nobody else up.
        self._tasks = [asyncio.create_task(self._run(name), name=f"reconciler of {name}") for name in self._names]

    async def stop(self) -> None:
        """Ends at once; what was being asked is asked again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def reconcile_due(self) -> int:
        """Asks about one batch a provider of what is due; how many that were."""
        return sum([await self._reconcile(name) for name in self._names])

    @property
    def _names(self) -> tuple[str, ...]:
        return (*self._inquiry.providers, PAID_FROM_BALANCE)

    async def _reconcile(self, name: str) -> int:
        provider = self._inquiry.providers.get(name)
        per_minute = None if provider is None else provider.questions_per_minute
        async with transaction(self._pool) as tx:
            room = _BATCH if per_minute is None else await questions.take_questions(tx, name, _BATCH, per_minute)
            newest = None if per_minute is None else int(per_minute * _MINUTES_FOR_ALL)
            due = await questions.take_due(tx, name, room, self._after_seconds, newest=newest) if room else []
            if per_minute is not None and len(due) < room:
                await questions.give_back(tx, name, room - len(due))
        gate = asyncio.Semaphore(_AT_ONCE)

        async def ask(payment: Payment) -> None:
            async with gate, asyncio.timeout(_ASK_SECONDS):
                await self._inquiry.bring_up_to_date(payment)

        for result in await asyncio.gather(*(ask(payment) for payment in due), return_exceptions=True):
            if isinstance(result, Exception):
                log.warning("asking a provider failed, it is asked again", provider=name, error=type(result).__name__)
        return len(due)

    async def _run(self, name: str) -> None:
        while True:
            try:
                while await self._reconcile(name) == _BATCH:
                    pass
            except Exception as error:
                if is_outage(error):
                    log.warning("reconciler interrupted", provider=name, error=type(error).__name__)
                else:
                    log.exception("reconciler failed", provider=name)
            await asyncio.sleep(self._pause_seconds)
