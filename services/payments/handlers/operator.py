"""An operator's questions: a day's money, payments over time, and what does not get on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Final, Literal, TypeVar

from services.payments.store import operator as store
from shared.contracts.base import utc_now
from shared.contracts.operator import FiguresView, GetFigures, ListSeries, ListStuck, SeriesView, StuckView
from shared.contracts.payment_commands import Refused
from shared.postgres import Pool, connection

_SERIES_KEPT_SECONDS: Final = 10.0
"""Counting months of payments reads them all: however many pages look, once in so long."""

_Answer = TypeVar("_Answer")


@dataclass(slots=True)
class _Kept:
    """One count's answer, and until when it is good; whoever asks while it is being counted waits for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    view: SeriesView | None = None
    until: float = 0


@dataclass(frozen=True, slots=True)
class Operator:
    """`after_seconds` (RECONCILE_AFTER_SECONDS): what has not got on for so long is stuck."""

    pool: Pool
    after_seconds: float
    _series: dict[tuple[str, int], _Kept] = field(default_factory=dict)

    async def figures(self, query: GetFigures) -> FiguresView | Refused:
        async def count() -> FiguresView:
            async with connection(self.pool) as db:
                return FiguresView(
                    paid_in=await store.paid_in(db, query.since, query.until),
                    refunded=await store.refunded(db, query.since, query.until),
                    withdrawn=await store.withdrawn(db, query.since, query.until),
                    waiting=await store.waiting(db),
                )

        return await _in_time(count, query.correlation_id)

    async def series(self, query: ListSeries) -> SeriesView | Refused:
        """As it was at most _SERIES_KEPT_SECONDS ago."""
        kept = self._series.setdefault((query.bucket, query.buckets), _Kept())

        async def count() -> SeriesView:
            async with kept.lock:
                if kept.view is None or monotonic() >= kept.until:
                    kept.view = await self._count(query, utc_now())
                    kept.until = monotonic() + _SERIES_KEPT_SECONDS
                return kept.view

        return await _in_time(count, query.correlation_id)

    async def stuck(self, query: ListStuck) -> StuckView | Refused:
        async def look() -> StuckView:
            async with connection(self.pool) as db:
                items, count, more = await store.stuck(db, utc_now(), self.after_seconds, query.limit)
            return StuckView(items=items, count=count, more=more)

        return await _in_time(look, query.correlation_id)

    async def _count(self, query: ListSeries, now: datetime) -> SeriesView:
        last = beginning(now, query.bucket)
        first = last - (query.buckets - 1) * _LENGTH[query.bucket]
        async with connection(self.pool) as db:
            points = await store.series(db, query.bucket, first, last + _LENGTH[query.bucket])
        return SeriesView(first=first, last=last, points=points)


_LENGTH: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1)}


def beginning(moment: datetime, bucket: Literal["hour", "day"]) -> datetime:
    """Where the UTC hour or day of `moment` begins."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    return hour if bucket == "hour" else hour.replace(hour=0)


async def _in_time(work: Callable[[], Awaitable[_Answer]], request_id: str) -> _Answer | Refused:
    """Its answer; figures_not_ready when the database takes longer than a page waits."""
    try:
        async with asyncio.timeout(store.TIMEOUT_SECONDS + 1):
            return await work()
    except TimeoutError:
        return Refused(code="figures_not_ready", detail="Counting takes too long right now.", request_id=request_id)
