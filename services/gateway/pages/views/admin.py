"""The operator's page: today's money, what waits for whom, payments over time, and what is stuck and since when."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.pages import charts
from services.gateway.pages.administration import figures, words
from services.gateway.pages.administration.admission import admitted, if_known
from services.gateway.pages.charts import Bucket, Chart
from services.gateway.pages.visits import Visit
from services.gateway.parts import GatewayParts
from services.gateway.requests import FIGURES, HELD, SERIES, STUCK, WITHDRAWALS
from shared.contracts.base import Reply, utc_now
from shared.contracts.operator import FiguresView, GetFigures, GetHeld, HeldView, ListSeries, ListStuck, SeriesView, Stuck, StuckView
from shared.contracts.withdrawals import ListWithdrawals, WithdrawalPage

router = APIRouter(include_in_schema=False)

PERIODS: Final[dict[str, tuple[Bucket, int]]] = {"day": ("hour", 24), "month": ("day", 30)}

_REFRESH_SECONDS: Final = 60
_SHOWN_WAITING: Final = 5
_UNPUBLISHED_AFTER: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class StuckRow:
    """`path`: where one learns more, or does something about it."""

    stuck: Stuck
    kind: str
    why: str
    long: str
    path: str | None


@router.get("/{locale}/admin")
async def show(request: Request, parts: GatewayParts, locale: str) -> Response:
    visitor = admitted(request, parts, locale)
    if isinstance(visitor, Response):
        return visitor
    visit, _ = visitor
    now = utc_now()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    period = visit.query.get("period", "day")
    if period not in PERIODS:
        period = "day"
    bucket, buckets = PERIODS[period]
    named = {"correlation_id": visit.request_id}
    async with asyncio.TaskGroup() as asking:
        day = GetFigures(since=today, until=today + timedelta(days=1), **named)
        money_asked = asking.create_task(if_known(parts, day, FIGURES))
        held_asked = asking.create_task(if_known(parts, GetHeld(**named), HELD))
        series_asked = asking.create_task(if_known(parts, ListSeries(bucket=bucket, buckets=buckets, **named), SERIES))
        stuck_asked = asking.create_task(if_known(parts, ListStuck(**named), STUCK))
        pending = ListWithdrawals(user_id=None, for_admin=True, status="pending", limit=_SHOWN_WAITING, **named)
        pending_asked = asking.create_task(if_known(parts, pending, WITHDRAWALS))
    money, held, series = money_asked.result(), held_asked.result(), series_asked.result()
    stuck, waiting = stuck_asked.result(), pending_asked.result()
    first = parts.settings.default_currency
    known = money if isinstance(money, FiguresView) else None
    stuck_view = stuck if isinstance(stuck, StuckView) else None
    unpublished = _unpublished(held)
    return visit.page(
        "admin.html",
        refresh_seconds=_REFRESH_SECONDS,
        today=visit.formats.day(today),
        paid_in=None if known is None else figures.paid_in(known, first),
        paid_out=None if known is None else figures.paid_out(known, first),
        held=figures.held_by_currency(held.held, first) if isinstance(held, HeldView) else None,
        waiting=None
        if known is None
        else [(words.named(visit, words.WAITING, one.waits_for), one) for one in figures.waiting(known, first)],
        period=period,
        charts=_charts(visit, series, bucket) if isinstance(series, SeriesView) else None,
        series_name=lambda name: words.named(visit, words.SERIES, name),
        stuck=None if stuck_view is None else [_row(visit, one) for one in (*stuck_view.items, *unpublished)],
        stuck_count=0 if stuck_view is None else stuck_view.count + len(unpublished),
        dead_letters=None if stuck_view is None else stuck_view.dead_letters,
        stuck_more=stuck_view is not None and stuck_view.more,
        withdrawals=waiting.items if isinstance(waiting, WithdrawalPage) else None,
        how_long=lambda since: words.for_how_long(visit, since),
    )


def _charts(visit: Visit, series: SeriesView, bucket: Bucket) -> tuple[Chart, Chart]:
    return charts.by_status(series, bucket), charts.by_method(series, bucket, words.METHODS)


def _row(visit: Visit, one: Stuck) -> StuckRow:
    return StuckRow(
        stuck=one,
        kind=words.named(visit, words.STUCK, one.kind),
        why=words.named(visit, words.WHY, one.why),
        long=words.for_how_long(visit, one.since),
        path=_path(visit, one),
    )


def _path(visit: Visit, one: Stuck) -> str | None:
    match one.kind:
        case "withdrawal":
            return f"/{visit.locale}/admin/withdrawals/{one.thing_id}"
        case "suspense":
            return f"/{visit.locale}/admin/suspense/{one.thing_id}"
        case _ if one.payment_id is not None:
            return f"/{visit.locale}/payments/{one.payment_id}"
        case _:
            return None


def _unpublished(held: Reply | None) -> tuple[Stuck, ...]:
    """Wallet's own messages, which payments does not know of."""
    if not isinstance(held, HeldView) or held.unpublished_since is None or utc_now() - held.unpublished_since < _UNPUBLISHED_AFTER:
        return ()
    return (Stuck(kind="messages", why="not_published", since=held.unpublished_since),)
