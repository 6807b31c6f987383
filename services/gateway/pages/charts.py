"""Bar charts as geometry: what is drawn where, and the same figures as rows of a table. Pure; templates draw them as SVG."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from shared.contracts.operator import SeriesPoint, SeriesView

Bucket = Literal["hour", "day"]

HEIGHT: Final = 100
"""Of the drawing, in its own units; its width is COLUMN for each hour or day. The page stretches it to the room that there is."""

COLUMN: Final = 10
_BAR: Final = 7.5
_LEAST: Final = 1.5
"""One of a thousand is still seen."""

STATUS_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "completed": ("completed",),
    "returned": ("refunded", "partially_refunded", "disputed"),
    "pending": ("pending",),
    "unpaid": ("failed", "canceled", "expired"),
}
"""Statuses as they are told, put together so that eyes can tell them apart."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One series' part of a bar. `y`: its upper edge, from above."""

    series: str
    count: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """An hour or a day. `counts`: one a series, in their order."""

    at: datetime
    x: float
    total: int
    counts: tuple[int, ...]
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """`series` by name, the lowest in a bar first, with its sum; those that are empty throughout are left out. `top`: the count that the
    full height stands for, a round number."""

    bucket: Bucket
    columns: tuple[Column, ...]
    series: tuple[tuple[str, int], ...]
    top: int

    @property
    def width(self) -> int:
        return COLUMN * len(self.columns)

    @property
    def height(self) -> int:
        return HEIGHT

    @property
    def bar(self) -> float:
        return _BAR

    @property
    def total(self) -> int:
        return sum(count for _, count in self.series)

    @property
    def busiest(self) -> Column:
        """The earliest of those with the most."""
        return max(self.columns, key=lambda column: column.total)


def by_status(view: SeriesView, bucket: Bucket) -> Chart:
    """Payments by what became of them, in STATUS_GROUPS; a status that is new to us counts as pending."""
    group_of = {status: group for group, statuses in STATUS_GROUPS.items() for status in statuses}
    return _chart(view, bucket, tuple(STATUS_GROUPS), lambda point: group_of.get(point.status, "pending"))


def by_method(view: SeriesView, bucket: Bucket, methods: Sequence[str]) -> Chart:
    """Payments by how they are paid: `methods` in their order, so that each keeps its colour, then any others."""
    others = sorted({point.method for point in view.points} - set(methods))
    return _chart(view, bucket, (*methods, *others), lambda point: point.method)


def _chart(view: SeriesView, bucket: Bucket, names: Sequence[str], series_of: Callable[[SeriesPoint], str]) -> Chart:
    moments = list(_moments(view, bucket))
    counts = {at: dict.fromkeys(names, 0) for at in moments}
    for point in view.points:
        if point.at in counts:
            counts[point.at][series_of(point)] += point.count
    sums = [(name, sum(of_column[name] for of_column in counts.values())) for name in names]
    shown = tuple((name, total) for name, total in sums if total)
    top = round_top(max(sum(of_column.values()) for of_column in counts.values()))
    columns = tuple(_column(place, at, counts[at], [name for name, _ in shown], top) for place, at in enumerate(moments))
    return Chart(bucket, columns, shown, top)


def _column(place: int, at: datetime, counts: Mapping[str, int], names: Iterable[str], top: int) -> Column:
    here = tuple((name, counts[name]) for name in names)
    segments: list[Segment] = []
    y = float(HEIGHT)
    for name, count in here:
        if count:
            height = max(_LEAST, HEIGHT * count / top)
            y -= height
            segments.append(Segment(name, count, round(y, 2), round(height, 2)))
    return Column(
        at, round(place * COLUMN + (COLUMN - _BAR) / 2, 2), sum(counts.values()), tuple(count for _, count in here), tuple(segments)
    )


def _moments(view: SeriesView, bucket: Bucket) -> Iterable[datetime]:
    step = timedelta(hours=1) if bucket == "hour" else timedelta(days=1)
    at = view.first
    while at <= view.last:
        yield at
        at += step


def round_top(most: int) -> int:
    """The next of 4, 10, 20, 40, 100 … that `most` fits below: half of it is a whole number, too."""
    size = 1
    while True:
        for one in (4, 10, 20):
            if most <= one * size:
                return one * size
        size *= 10
