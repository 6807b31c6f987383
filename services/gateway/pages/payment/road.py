"""A payment's timeline as a road: each step a stop at one of five stations, and the way from where it came. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from services.gateway.hypertext.catalogues import marked
from services.gateway.timeline import WALLET
from shared.contracts.history import TimelineStep
from shared.contracts.payment_events import PaymentCompleted, PaymentUpdated
from shared.contracts.wallet_events import BalanceChanged

GATEWAY, PAYMENTS, PROVIDER, LEDGER, NOTIFIER = range(1, 6)
"""The stations, from left to right; numbers of the columns in which they are drawn."""

STATIONS: Final[Mapping[int, str]] = {
    GATEWAY: marked("Gateway"),
    PAYMENTS: marked("Payments"),
    PROVIDER: marked("Provider"),
    LEDGER: marked("Wallet"),
    NOTIFIER: marked("Notifier"),
}

_RAW: Final = frozenset({"headers", "body", "body_hex", "raw_left_out"})
_BETWEEN: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Way:
    """Where a step comes from and where it happens, and what it is called."""

    origin: int
    station: int
    title: str


@dataclass(frozen=True, slots=True)
class Fact:
    """`currency`: `value` is minor units of it, a change (with its sign) when `signed`; else text, a method's when `named`."""

    label: str
    value: Any
    currency: str | None = None
    signed: bool = False
    named: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """`after_ms`: since the stop before, None for the first one. `joined`: the way leads on from the stop before. `ids` and `more` are the
    API's own words, for whoever looks for them elsewhere; `raw` is a provider's event as it came, name by name."""

    step: str
    title: str
    at: datetime
    after_ms: int | None
    origin: int
    station: int
    joined: bool
    facts: tuple[Fact, ...]
    ids: Mapping[str, str]
    more: Mapping[str, str] = field(default_factory=dict)
    raw: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return STATIONS[self.station]

    @property
    def columns(self) -> tuple[int, int]:
        """The leftmost and the rightmost station that it touches."""
        return min(self.origin, self.station), max(self.origin, self.station)


_WAYS: Final[Mapping[str, Way]] = {
    "payment.requested": Way(GATEWAY, PAYMENTS, marked("Payment requested")),
    "payment.refused": Way(PAYMENTS, PAYMENTS, marked("Request refused")),
    "session.opened": Way(PAYMENTS, PROVIDER, marked("Opened at the provider")),
    "provider_event.received": Way(PROVIDER, GATEWAY, marked("The provider's message came in")),
    "provider_event.stored": Way(GATEWAY, PAYMENTS, marked("The provider's message was read")),
    "payment.completed": Way(PAYMENTS, PAYMENTS, marked("Payment completed")),
    "payment.failed": Way(PAYMENTS, PAYMENTS, marked("Payment failed")),
    "payment.expired": Way(PAYMENTS, PAYMENTS, marked("Payment expired")),
    "payment.canceled": Way(PAYMENTS, PAYMENTS, marked("Payment canceled")),
    "refund.requested": Way(GATEWAY, PAYMENTS, marked("Refund requested")),
    "refund.succeeded": Way(PAYMENTS, PAYMENTS, marked("Refund made")),
    "refund.failed": Way(PAYMENTS, PAYMENTS, marked("Refund failed")),
    "dispute.opened": Way(PROVIDER, PAYMENTS, marked("Dispute opened")),
    "dispute.won": Way(PROVIDER, PAYMENTS, marked("Dispute won")),
    "dispute.lost": Way(PROVIDER, PAYMENTS, marked("Dispute lost")),
    "suspense.opened": Way(PAYMENTS, PAYMENTS, marked("Unmatched money set aside")),
    "suspense.assigned": Way(PAYMENTS, PAYMENTS, marked("Set-aside money assigned")),
    "suspense.refunded": Way(PAYMENTS, PAYMENTS, marked("Set-aside money sent back")),
    "suspense.written_off": Way(PAYMENTS, PAYMENTS, marked("Set-aside money written off")),
    "message.written": Way(PAYMENTS, PAYMENTS, marked("Event stored for sending")),
    "ledger.transfer": Way(PAYMENTS, LEDGER, marked("Booked in the ledger")),
    "ledger.entry": Way(LEDGER, LEDGER, marked("Balance changed")),
}
_SENT: Final[Mapping[str, Way]] = {
    PaymentCompleted.TYPE: Way(PAYMENTS, LEDGER, marked("The wallet was told")),
    PaymentUpdated.TYPE: Way(PAYMENTS, NOTIFIER, marked("Open pages were told")),
    BalanceChanged.TYPE: Way(LEDGER, NOTIFIER, marked("Open pages got the new balance")),
}
_AUDITED: Final = Way(PAYMENTS, PAYMENTS, marked("Written into the audit log"))

_TOLD: Final[Mapping[str, str]] = {
    "provider": marked("Provider"),
    "method": marked("Method"),
    "source": marked("From account"),
    "target": marked("To account"),
    "outcome": marked("Outcome"),
    "reason": marked("Reason"),
    "code": marked("Reason"),
    "actor": marked("Who"),
}
_METHODS: Final = frozenset({"provider", "method"})
_SUMS: Final[Mapping[str, str]] = {
    "amount_minor": marked("Amount"),
    "fee_minor": marked("Fee"),
}
_CHANGES: Final[Mapping[str, str]] = {
    "change_minor": marked("Change"),
    "held_change_minor": marked("Held"),
}
_AFTER: Final = "available_after_minor"


def drawn(steps: Iterable[TimelineStep]) -> list[Stop]:
    """The steps of a timeline, which are in order of time, as stops."""
    stops: list[Stop] = []
    for step in steps:
        before = stops[-1] if stops else None
        way = _way(step, before)
        stops.append(
            Stop(
                step=step.step,
                title=way.title,
                at=step.at,
                after_ms=None if before is None else max(0, (step.at - before.at) // _BETWEEN),
                origin=way.origin,
                station=way.station,
                joined=before is not None and before.station == way.origin,
                facts=tuple(_facts(step.detail)),
                ids=step.ids,
                more={name: _text(value) for name, value in step.detail.items() if name not in _RAW},
                raw={name: _text(value) for name, value in step.detail.items() if name in _RAW},
            )
        )
    return stops


def _way(step: TimelineStep, before: Stop | None) -> Way:
    here = LEDGER if step.service == WALLET else PAYMENTS
    if step.step == "message.sent":
        return _SENT.get(str(step.detail.get("type")), Way(here, here, marked("Event sent")))
    if step.step.startswith("audit."):
        return _AUDITED
    way = _WAYS.get(step.step) or Way(here, here, step.step.replace("_", " ").replace(".", " "))
    if step.step == "ledger.transfer" and before is not None and before.station == LEDGER:
        # What is booked in one set has come in one message.
        return Way(LEDGER, LEDGER, way.title)
    if step.step == "refund.requested" and step.detail.get("origin") == "provider":
        return Way(PROVIDER, PAYMENTS, way.title)
    return way


def _facts(detail: Mapping[str, Any]) -> Iterator[Fact]:
    currency = detail.get("currency")
    if isinstance(currency, str):
        yield from (Fact(label, detail[name], currency) for name, label in _SUMS.items() if detail.get(name))
        yield from (Fact(label, detail[name], currency, signed=True) for name, label in _CHANGES.items() if detail.get(name))
        if isinstance(detail.get(_AFTER), int):
            yield Fact(marked("Balance after"), detail[_AFTER], currency)
    yield from (Fact(label, detail[name], named=name in _METHODS) for name, label in _TOLD.items() if detail.get(name))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=2 if isinstance(value, dict) else None)
