"""A clock that moves when told, a socket that remembers, and a user's changes: what the hub's tests are told with."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from services.notifier.counts import Counts
from services.notifier.frames import Balance
from services.notifier.hub import Hub, Subscriber
from shared.contracts.wallet_events import BalanceChanged

Frame = dict[str, Any]


@dataclass(slots=True)
class FakeTimer:
    when: float
    callback: Callable[[], None]
    canceled: bool = False

    def cancel(self) -> None:
        self.canceled = True


@dataclass(slots=True)
class FakeClock:
    now: float = 1000.0
    timers: list[FakeTimer] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[Subscriber], None], subscriber: Subscriber, /) -> FakeTimer:
        timer = FakeTimer(when, lambda: callback(subscriber))
        self.timers.append(timer)
        return timer

    def pass_seconds(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [t for t in self.timers if not t.canceled and t.when <= end]:
            timer = min(due, key=lambda t: t.when)
            self.timers.remove(timer)
            self.now = max(self.now, timer.when)
            timer.callback()
        self.now = end


@dataclass(slots=True)
class FakeSink:
    """Takes frames until `room` is used up (None: always)."""

    room: int | None = None
    texts: list[bytes] = field(default_factory=list)

    @property
    def writable(self) -> bool:
        return self.room is None or self.room > 0

    def push(self, text: bytes) -> None:
        assert self.writable, "written to although it takes nothing"
        self.texts.append(text)
        if self.room is not None:
            self.room -= 1

    @property
    def frames(self) -> list[Frame]:
        return [json.loads(text) for text in self.texts]

    def take(self) -> list[Frame]:
        frames, self.texts = self.frames, []
        return frames


def change(version: int, *, user: str = "1", currency: str = "rsd") -> BalanceChanged:
    """Version n of an account that gets 100 each time: available is 100 n."""
    return BalanceChanged(
        correlation_id=f"c-{version}",
        occurred_at=datetime(2026, 11, 21, tzinfo=UTC),
        user_id=user,
        currency=currency,
        available_minor=100 * version,
        held_minor=0,
        version=version,
        change_minor=100,
        kind="deposit",
    )


def balance(version: int, currency: str = "rsd") -> Balance:
    return Balance(currency, 100 * version, 0, version)


def new_hub(clock: FakeClock, *, sockets_per_user_max: int = 50) -> tuple[Hub, Counts]:
    counts = Counts()
    return Hub(clock, counts, sockets_per_user_max=sockets_per_user_max), counts


def opened(hub: Hub, *balances: Balance, user: str = "1") -> tuple[FakeSink, Subscriber]:
    """A socket of the user that has had its snapshot, which is taken out."""
    sink = FakeSink()
    subscriber = hub.join(user, sink)
    hub.open(subscriber, balances)
    (snapshot,) = sink.take()
    assert snapshot["type"] == "balance.snapshot"
    return sink, subscriber


def versions(frames: list[Frame]) -> list[int]:
    return [frame["version"] for frame in frames]


def listed(frame: Frame) -> list[int]:
    return [item["version"] for item in frame["changes"]]
