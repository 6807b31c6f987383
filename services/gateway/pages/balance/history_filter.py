"""Which changes of a balance are shown: a page's query in people's days, and the times that services and the API are asked with. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from services.gateway.rendering import rfc3339
from shared.money import EXPONENTS

KINDS: Final = ("deposit", "payment", "refund", "withdrawal", "transfer", "dispute")
"""What moves a user's balance; others can be asked for too."""

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_KIND: Final = re.compile(r"[a-z_]{1,32}", re.ASCII)
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,31}){0,2}", re.ASCII)
_YEARS: Final = range(1970, 2200)
_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """`first_day` and `last_day` are both within. `zone`: where days begin and end as the visitor's clock has them; None: UTC.
    `wrong`: "day" or "order" by the name of the field."""

    currency: str | None = None
    kind: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    zone: str | None = None
    wrong: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_set(self) -> bool:
        return any(one is not None for one in (self.currency, self.kind, self.first_day, self.last_day))

    @property
    def since(self) -> datetime | None:
        return None if self.first_day is None else self._midnight(self.first_day)

    @property
    def until(self) -> datetime | None:
        """Not within any more."""
        return None if self.last_day is None else self._midnight(self.last_day + _ONE_DAY)

    @property
    def in_query(self) -> dict[str, str]:
        """As the page's own address has it."""
        days = {"from": self.first_day, "until": self.last_day}
        told = {"currency": self.currency, "kind": self.kind, **{name: day and day.isoformat() for name, day in days.items()}}
        if any(days.values()):
            told["zone"] = self.zone
        return {name: value for name, value in told.items() if value}

    @property
    def for_api(self) -> dict[str, str]:
        """As GET /api/v1/balance/transactions takes it."""
        times = {"since": self.since, "until": self.until}
        told = {"currency": self.currency, "kind": self.kind, **{name: at and rfc3339(at) for name, at in times.items()}}
        return {name: value for name, value in told.items() if value}

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), _zone(self.zone) or UTC).astimezone(UTC)


def read_filter(query: Mapping[str, str]) -> HistoryFilter:
    """What is no currency, kind or zone is passed over: no form of ours sends it. A day that is none is `wrong`, and not filtered by."""
    currency, kind, zone = (query.get(name, "").strip() for name in ("currency", "kind", "zone"))
    days: dict[str, date | None] = {}
    wrong: dict[str, str] = {}
    for name in ("from", "until"):
        text = query.get(name, "").strip()
        days[name] = _day(text)
        if text and days[name] is None:
            wrong[name] = "day"
    first, last = days["from"], days["until"]
    if first is not None and last is not None and last < first:
        wrong["until"], last = "order", None
    return HistoryFilter(
        currency=currency.lower() if currency.lower() in EXPONENTS else None,
        kind=kind if _KIND.fullmatch(kind) else None,
        first_day=first,
        last_day=last,
        zone=zone if _zone(zone) is not None else None,
        wrong=wrong,
    )


def _day(text: str) -> date | None:
    if not _DAY.fullmatch(text):
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.year in _YEARS else None


def _zone(name: str | None) -> tzinfo | None:
    """None also for one that this machine's tables do not know: its days are UTC's then, as its times are without a script."""
    if not name or not _ZONE.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return None
