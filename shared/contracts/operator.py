"""What an operator looks at: a day's money, payments over time, and what does not get on."""

from __future__ import annotations

from typing import Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts.base import Currency, Message, Reply

MAX_BUCKETS: Final = 62
MAX_STUCK: Final = 100
MAX_STUCK_COUNTED: Final = 1_000
"""So many of one kind are counted; beyond that it is known only that there are more."""

WaitingFor = Literal["approval", "payment_by_hand", "payer", "decision", "provider"]
"""Withdrawals for an admin's approval, and for an operator to pay them at the bank; sessions that are open; money in suspense; disputes."""

StuckKind = Literal["payment", "refund", "withdrawal", "order", "suspense", "dispute", "transfer", "messages"]

StuckWhy = Literal[
    "not_opened",
    "session_over",
    "wallet_silent",
    "provider_silent",
    "provider_pending",
    "not_sent",
    "outcome_unknown",
    "not_delivered",
    "delivery_failed",
    "undecided",
    "not_published",
]
"""The provider has not answered the request for a session; the session is over and nobody says what became of it; wallet, or the provider,
has not answered; the provider has it and has not told the end; nobody has sent it; it was sent and nobody knows what became of it; paid and
not delivered yet, or the delivery failed; an operator has to decide; messages wait to be published."""


class Figure(BaseModel):
    """So many of a method (a provider's name) and currency, and what they come to."""

    model_config = ConfigDict(frozen=True)
    method: str
    currency: Currency
    count: int
    amount_minor: int


class Waiting(BaseModel):
    """`since`: the one that waits the longest."""

    model_config = ConfigDict(frozen=True)
    waits_for: WaitingFor
    currency: Currency
    count: int
    amount_minor: int
    since: AwareDatetime


class GetFigures(Message):
    """What came in and went out from `since` until before `until`, and what waits now; for an admin."""

    type: Literal["get-figures.v1"] = "get-figures.v1"
    since: AwareDatetime
    until: AwareDatetime


class FiguresView(Reply):
    """Payments from balances and their refunds are neither in nor out: that money stays here. Money in suspense came in when it was put
    there, and went out when it was sent back; what is done with it here is neither."""

    type: Literal["figures-view.v1"] = "figures-view.v1"
    paid_in: tuple[Figure, ...]
    refunded: tuple[Figure, ...]
    withdrawn: tuple[Figure, ...]
    waiting: tuple[Waiting, ...]


class GetHeld(Message):
    """What wallet holds of all users' money; for an admin."""

    type: Literal["get-held.v1"] = "get-held.v1"


class Held(BaseModel):
    """`since`: the oldest hold."""

    model_config = ConfigDict(frozen=True)
    currency: Currency
    count: int
    amount_minor: int
    since: AwareDatetime


class HeldView(Reply):
    """`unpublished_since`: since when the oldest event of wallet's waits to be published; none: nothing waits."""

    type: Literal["held-view.v1"] = "held-view.v1"
    held: tuple[Held, ...]
    unpublished_since: AwareDatetime | None = None


class ListSeries(Message):
    """How many payments were made, by the hour or the day (UTC) of their making, by method and by the status that is told of them; the last
    `buckets` hours or days, the current one included; for an admin."""

    type: Literal["list-series.v1"] = "list-series.v1"
    bucket: Literal["hour", "day"]
    buckets: int = Field(ge=1, le=MAX_BUCKETS)


class SeriesPoint(BaseModel):
    """`at`: where the hour or day begins."""

    model_config = ConfigDict(frozen=True)
    at: AwareDatetime
    method: str
    status: str
    count: int


class SeriesView(Reply):
    """Oldest first; hours and days without payments have no point. `first` and `last`: where the first and the last of them begin."""

    type: Literal["series-view.v1"] = "series-view.v1"
    first: AwareDatetime
    last: AwareDatetime
    points: tuple[SeriesPoint, ...]


class ListStuck(Message):
    """What should have got on by now, the longest first; for an admin."""

    type: Literal["list-stuck.v1"] = "list-stuck.v1"
    limit: int = Field(default=MAX_STUCK, ge=1, le=MAX_STUCK)


class Stuck(BaseModel):
    """`thing_id`: its own id; none of an order, whose id is a secret, and of messages. `payment_id`: the payment that it belongs to."""

    model_config = ConfigDict(frozen=True)
    kind: StuckKind
    why: StuckWhy
    since: AwareDatetime
    thing_id: UUID | None = None
    payment_id: UUID | None = None
    method: str | None = None
    amount_minor: int | None = None
    currency: Currency | None = None


class StuckView(Reply):
    """`count`: all of them; `more`: of some kind as many as are counted at most, so there may be more.
    `dead_letters`: messages that no service could work on; none: the broker does not say."""

    type: Literal["stuck-view.v1"] = "stuck-view.v1"
    items: tuple[Stuck, ...]
    count: int
    more: bool
    dead_letters: int | None = None
