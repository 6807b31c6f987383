"""Who listens to whom: hands each changed balance, payment and withdrawal to every socket of its users, written at once, never waited for.

No I/O here: a socket is a Sink, the clock is given. A socket joins (and its changes are held), then opens with its snapshot; so nothing
that is committed after the snapshot was taken can be missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from services.notifier.counts import Counts
from services.notifier.feed import Feed, Snapshot, Update
from services.notifier.frames import Balance, snapshot_text, updated_text
from services.notifier.notices import Notice, Notices, PaymentEvent, addressees, notice_of
from shared.contracts.wallet_events import BalanceChanged

log = structlog.get_logger(__name__)


class Sink(Protocol):
    """Where a socket's frames go."""

    @property
    def writable(self) -> bool:
        """False while what was written before has not been taken by the network."""

    def push(self, text: bytes) -> None:
        """Writes one text frame without waiting; may turn `writable` off."""


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """An event loop is one."""

    def time(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[Subscriber], None], subscriber: Subscriber, /) -> Timer: ...


class TooManySockets(Exception):
    """The user has as many sockets open as one may have."""


@dataclass(slots=True, eq=False)
class Subscriber:
    """One socket in the hub."""

    user_id: str
    sink: Sink
    feed: Feed = field(default_factory=Feed)
    waiting: Notices = field(default_factory=Notices)
    gap_timer: Timer | None = None


@dataclass(slots=True)
class _User:
    subscribers: set[Subscriber] = field(default_factory=set)
    newest: dict[str, Balance] = field(default_factory=dict)
    """The newest balance heard of, a currency: a snapshot that was overtaken by events on its way here must not turn the clock back."""
    told: Notices = field(default_factory=Notices)
    """The newest that was heard of each payment and withdrawal, for the same reason."""

    def learn(self, balance: Balance) -> None:
        known = self.newest.get(balance.currency)
        if known is None or balance.version > known.version:
            self.newest[balance.currency] = balance


class Hub:
    def __init__(self, clock: Clock, counts: Counts, *, sockets_per_user_max: int) -> None:
        self._clock = clock
        self._counts = counts
        self._sockets_per_user_max = sockets_per_user_max
        self._users: dict[str, _User] = {}

    def user_ids(self) -> list[str]:
        """Users who have a socket here now."""
        return list(self._users)

    def join(self, user_id: str, sink: Sink) -> Subscriber:
        """From here on the socket's changes are held for it, until `open`. TooManySockets when the user has too many."""
        user = self._users.setdefault(user_id, _User())
        if len(user.subscribers) >= self._sockets_per_user_max:
            raise TooManySockets(user_id)
        subscriber = Subscriber(user_id, sink)
        user.subscribers.add(subscriber)
        return subscriber

    def open(self, subscriber: Subscriber, balances: Iterable[Balance]) -> None:
        """Sends the snapshot, which was asked for after `join`, then whatever is above its versions."""
        user = self._users.get(subscriber.user_id)
        if user is None or subscriber not in user.subscribers:
            return
        balances = tuple(balances)
        for balance in balances:
            user.learn(balance)
        subscriber.feed.owe_snapshot(balances, opened=True)
        self._flush(subscriber)

    def refresh(self, user_id: str, balances: Iterable[Balance]) -> None:
        """A new snapshot to every socket of the user, after changes may have been missed."""
        user = self._users.get(user_id)
        if user is None:
            return
        for balance in balances:
            user.learn(balance)
        for subscriber in user.subscribers:
            subscriber.feed.owe_snapshot(user.newest.values(), opened=False)
            self._flush(subscriber)

    def leave(self, subscriber: Subscriber) -> None:
        """Forgets the socket; again is harmless."""
        if subscriber.gap_timer is not None:
            subscriber.gap_timer.cancel()
            subscriber.gap_timer = None
        user = self._users.get(subscriber.user_id)
        if user is not None:
            user.subscribers.discard(subscriber)
            if not user.subscribers:
                del self._users[subscriber.user_id]

    def drained(self, subscriber: Subscriber) -> None:
        """The socket is writable again: it gets what it missed, merged."""
        self._flush(subscriber)

    def on_balance_changed(self, changes: Sequence[BalanceChanged]) -> None:
        """Every change to every socket of its user; those of users who are not here are dropped."""
        now = self._clock.time()
        for change in changes:
            user = self._users.get(change.user_id)
            if user is not None:
                user.learn(Balance(change.currency, change.available_minor, change.held_minor, change.version))
                self._tell(user, change, now)

    def on_payment_events(self, events: Sequence[PaymentEvent]) -> None:
        """Every new state to every socket of whom it concerns; repeats, older states, and those of users who are not here are dropped."""
        for event in events:
            users = [user for user_id in addressees(event) if (user := self._users.get(user_id)) is not None]
            if users:
                notice = notice_of(event)
                sockets = sum(self._notify(user, notice) for user in users)
                log.info("notice pushed", correlation_id=event.correlation_id, type=event.TYPE, id=str(notice.subject_id), sockets=sockets)

    def _notify(self, user: _User, notice: Notice) -> int:
        if not user.told.is_news(notice):
            self._counts.notices_overtaken += 1
            return 0
        user.told.keep(notice)
        for subscriber in user.subscribers:
            self._counts.notices_dropped += subscriber.waiting.keep(notice)
            self._flush(subscriber)
        return len(user.subscribers)

    def _tell(self, user: _User, change: BalanceChanged, now: float) -> None:
        text: bytes | None = None
        written = 0
        for subscriber in user.subscribers:
            sink = subscriber.sink
            if sink.writable and subscriber.feed.follow(change):
                if text is None:
                    text = updated_text((change,), truncated=False)
                sink.push(text)
                written += 1
                continue
            subscriber.feed.lagging = subscriber.feed.lagging or (subscriber.feed.opened and not sink.writable)
            self._counts.changes_truncated += subscriber.feed.hold(change, now)
            self._flush(subscriber)
        self._counts.frames += written
        # One line an event is the end of the correlation's trail: from the request to the frame.
        log.info(
            "balance pushed",
            correlation_id=change.correlation_id,
            user_id=change.user_id,
            currency=change.currency,
            version=change.version,
            sockets=len(user.subscribers),
            at_once=written,
        )

    def _flush(self, subscriber: Subscriber, now: float | None = None) -> None:
        if now is None:
            now = self._clock.time()
        feed, sink = subscriber.feed, subscriber.sink
        while sink.writable and (frame := feed.next_frame(now)) is not None:
            sink.push(self._text(frame))
            self._counts.frames += 1
        # After the first snapshot, which opens the feed, and past any version that is waited for.
        while feed.opened and sink.writable and (text := subscriber.waiting.take()) is not None:
            sink.push(text)
            self._counts.frames += 1
        self._wait_for_gap(subscriber)

    def _text(self, frame: Snapshot | Update) -> bytes:
        match frame:
            case Snapshot(balances):
                self._counts.snapshots += 1
                return snapshot_text(balances)
            case Update(changes, truncated):
                self._counts.changes_coalesced += len(changes) - 1
                return updated_text(changes, truncated=truncated)

    def _wait_for_gap(self, subscriber: Subscriber) -> None:
        ends_at = subscriber.feed.gap_ends_at() if subscriber.feed.opened and subscriber.sink.writable else None
        if subscriber.gap_timer is not None:
            subscriber.gap_timer.cancel()
            subscriber.gap_timer = None
        if ends_at is not None:
            subscriber.gap_timer = self._clock.call_at(ends_at, self._gap_ended, subscriber)

    def _gap_ended(self, subscriber: Subscriber) -> None:
        self._counts.gaps += 1
        ends_at = subscriber.feed.gap_ends_at()
        # A loop's clock is coarse: woken for this moment, it may still read a little less.
        self._flush(subscriber, max(self._clock.time(), ends_at or 0.0))
