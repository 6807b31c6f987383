"""An operator's questions: a day's money, payments over time, and what does not get on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Final, Literal, TypeVar

from services.payments.store import operator as store
from shared.contracts.base import utc_now
from shared.contracts.operator import MAX_BUCKETS, FiguresView, GetFigures, ListSeries, ListStuck, SeriesPoint, SeriesView, StuckView
from shared.contracts.payment_commands import Refused
from shared.postgres import Connection, Pool, connection

_LENGTH: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1)}

_KEPT_SECONDS: Final = 10.0
_PAST_KEPT_SECONDS: Final = {"hour": 60.0, "day": 600.0}
"""Counting months of payments reads them all. So each hour and day is counted by itself, and kept: the current one, and whatever has open
payments, for some seconds; those that are over for longer, unless something has happened to them since. However many pages look, and
however long it takes: the next one goes on."""

_COMMITTED_WITHIN: Final = timedelta(seconds=30)
"""What a transaction writes bears a time before its end: what was not to be seen yet is looked for again."""

_Answer = TypeVar("_Answer")


@dataclass(slots=True)
class _Counted:
    """The hours, or days, that have been counted, each with the moment until which that is good. Whoever asks meanwhile waits.
    `looked_at`: when it was asked last what has happened to them."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    looked_at: datetime | None = None
    kept: dict[datetime, tuple[float, tuple[SeriesPoint, ...]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operator:
    """`after_seconds` (RECONCILE_AFTER_SECONDS): what has not got on for so long is stuck. `dead_letters` counts them at the
    broker, where it says so."""

    pool: Pool
    after_seconds: float
    dead_letters: Callable[[], Awaitable[int | None]]
    _counted: Mapping[str, _Counted] = field(default_factory=lambda: {bucket: _Counted() for bucket in _LENGTH})

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
        """As it was at most ten seconds ago, but for changes that took longer to be committed."""

        async def count() -> SeriesView:
            counted = self._counted[query.bucket]
            length = _LENGTH[query.bucket]
            now = utc_now()
            last = beginning(now, query.bucket)
            wanted = [last - n * length for n in range(query.buckets)]
            async with counted.lock, connection(self.pool) as db:
                await self._forget_changed(db, counted, query.bucket, now)
                for at in wanted:
                    if at not in counted.kept or monotonic() >= counted.kept[at][0]:
                        points = await store.series(db, query.bucket, at, at + length)
                        moves = at == last or any(point.status == "pending" for point in points)
                        counted.kept[at] = (monotonic() + (_KEPT_SECONDS if moves else _PAST_KEPT_SECONDS[query.bucket]), points)
                for at in [at for at in counted.kept if at <= last - MAX_BUCKETS * length]:
                    del counted.kept[at]
                points = tuple(point for at in reversed(wanted) for point in counted.kept[at][1])
            return SeriesView(first=wanted[-1], last=last, points=points)

        return await _in_time(count, query.correlation_id)

    @staticmethod
    async def _forget_changed(db: Connection, counted: _Counted, bucket: Literal["hour", "day"], now: datetime) -> None:
        """What is over and has changed since it was counted is counted again; for some seconds that is good enough, whoever looks."""
        if not counted.kept or counted.looked_at is None:
            counted.looked_at = now
            return
        if now - counted.looked_at < timedelta(seconds=_KEPT_SECONDS):
            return
        # What was counted longer ago than it is kept for is counted again anyway.
        since = max(counted.looked_at - _COMMITTED_WITHIN, now - timedelta(seconds=_PAST_KEPT_SECONDS[bucket]) - _COMMITTED_WITHIN)
        for at in await store.changed(db, bucket, since):
            counted.kept.pop(at, None)
        counted.looked_at = now

    async def stuck(self, query: ListStuck) -> StuckView | Refused:
        async def look() -> StuckView:
            async with connection(self.pool) as db:
                items, count, more = await store.stuck(db, utc_now(), self.after_seconds, query.limit)
            return StuckView(items=items, count=count, more=more, dead_letters=await self.dead_letters())

        return await _in_time(look, query.correlation_id)


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
