"""Deletes personal data after its time, every hour or so: RETENTION_DAYS after what it belongs to has ended."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import structlog
from prometheus_client import Counter

from services.payments.store import retention as store
from shared.postgres import Connection, Pool, is_outage, transaction
from shared.sealing import Seal

log = structlog.get_logger(__name__)

PRUNED: Final = Counter("purser_personal_data_pruned_total", "Rows whose personal data was deleted after its time", ["what"])

_BATCH: Final = 500
_BATCHES_MAX: Final = 200
"""In one go: more than that waits an hour, so that a first start with years of data does not keep the database busy all day."""
_EVERY_SECONDS: Final = 3600.0
_FIRST_SECONDS: Final = 60.0


class Retention:
    """`answers` seals the kept answers; `days`: RETENTION_DAYS."""

    def __init__(self, pool: Pool, answers: Seal, *, days: int, batch: int = _BATCH) -> None:
        self._pool = pool
        self._kinds: Mapping[str, Callable[[Connection, int, int], Awaitable[int]]] = {
            "provider_events": store.prune_events,
            "orders": partial(store.prune_orders, answers=answers),
            "withdrawals": store.prune_withdrawals,
        }
        self._days = days
        self._batch = batch
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="retention")

    async def stop(self) -> None:
        """Ends at once; a batch that was under way is undone, and done by whoever runs next."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def prune(self) -> dict[str, int]:
        """Deletes what is due; how many rows of each kind that were. Nothing where another replica is at it."""
        pruned = {}
        for what, prune in self._kinds.items():
            pruned[what] = await self._prune(what, prune)
        return pruned

    async def _prune(self, what: str, prune: Callable[[Connection, int, int], Awaitable[int]]) -> int:
        total = 0
        for _ in range(_BATCHES_MAX):
            async with transaction(self._pool) as tx:
                count = await prune(tx, self._days, self._batch) if await store.take_turn(tx) else 0
            PRUNED.labels(what).inc(count)
            total += count
            if count < self._batch:
                break
        if total:
            log.info("personal data deleted after its time", what=what, rows=total)
        return total

    async def _run(self) -> None:
        # Replicas that were started together do not ask together.
        pause = random.uniform(0, _FIRST_SECONDS)
        while True:
            await asyncio.sleep(pause)
            pause = random.uniform(0.8, 1.2) * _EVERY_SECONDS
            try:
                await self.prune()
            except Exception as error:
                if is_outage(error):
                    log.warning("deleting personal data was interrupted", error=type(error).__name__)
                else:
                    log.exception("deleting personal data failed")
