"""Coaching sessions: whose each is, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.money import Money


@dataclass(frozen=True, slots=True)
class CoachingSession:
    """What is paid for. The mentor stays the same for good; price and title may change, for those who have not begun to pay."""

    session_id: str
    mentor_id: str
    price: Money
    title: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A session as it is in the table; `created`: by this writing."""

    session: CoachingSession
    created_at: datetime
    updated_at: datetime
    created: bool = False


DEMO: Final = (
    CoachingSession("1", "2", Money(5_000, "usd"), "A first conversation"),
    CoachingSession("2", "4", Money(250_000, "rsd"), "Prvi razgovor"),
)
"""There from the start, outside production."""
