"""Resumes what is under way: each saga's state is a row that says when it is to be looked at next; every step can be repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol
from uuid import UUID

import structlog

from services.payments.domain.orders import in_log
from shared.postgres import is_outage

log = structlog.get_logger(__name__)

_BATCH: Final = 50
_AT_ONCE: Final = 8
_PAUSE_SECONDS: Final = 1.0
_AFTER_FAILURE_SECONDS: Final = 5.0
_ADVANCE_SECONDS: Final = 60.0
"""Longer than all steps of one together take when whoever is asked stays silent: what hangs all the same must not hold up the others."""


class Saga(Protocol):
    @property
    def name(self) -> str: ...

    async def take_due(self, limit: int) -> Sequence[UUID]:
        """Those that are to be looked at now; taking one moves its next time on, so that one replica has it at a time."""
        ...

    async def advance(self, saga_id: UUID) -> None:
        """Takes as many steps as can be taken now. Raises nothing for a silent wallet or provider: the next time comes by itself."""
        ...


class SagaRunner:
    def __init__(self, sagas: Sequence[Saga], *, advance_seconds: float = _ADVANCE_SECONDS) -> None:
        self._sagas = tuple(sagas)
        self._advance_seconds = advance_seconds
        self._due = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self._run(saga), name=f"saga {saga.name}") for saga in self._sagas]

    async def stop(self) -> None:
        """Ends at once; what was under way is resumed by whoever runs next."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def wake(self) -> None:
        """Something has become due just now."""
        self._due.set()

    async def run_due(self, saga: Saga) -> int:
        """Advances one batch of what is due; how many that were."""
        due = await saga.take_due(_BATCH)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def advance(saga_id: UUID) -> None:
            async with gate, asyncio.timeout(self._advance_seconds):
                await saga.advance(saga_id)

        for saga_id, result in zip(due, await asyncio.gather(*(advance(i) for i in due), return_exceptions=True), strict=True):
            if isinstance(result, Exception):
                _say(saga, saga_id, result)
        return len(due)

    async def _run(self, saga: Saga) -> None:
        while True:
            pause = _PAUSE_SECONDS
            try:
                while await self.run_due(saga) == _BATCH:
                    pass
            except Exception as error:
                _say(saga, None, error)
                pause = _AFTER_FAILURE_SECONDS
            try:
                async with asyncio.timeout(pause):
                    await self._due.wait()
            except TimeoutError:
                continue
            self._due.clear()


def _say(saga: Saga, saga_id: UUID | None, error: Exception) -> None:
    shown = None if saga_id is None else in_log(saga_id)  # it may be an order's
    if is_outage(error):
        log.warning("saga interrupted", saga=saga.name, id=shown, error=type(error).__name__)
    else:
        log.error("saga failed, it is tried again", saga=saga.name, id=shown, exc_info=error)
