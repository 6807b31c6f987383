"""What one socket may be told now, and what it has to wait for: pure, no clock and no socket of its own, and bounded.

A change is held while the socket is still opening, while a version before it is missing (up to GAP_SECONDS), or while the socket is slow.
Of what is held only the newest HELD_MAX changes of a currency are kept: versions are absolute, so the newest is never stale.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from services.notifier.frames import Balance
from shared.contracts.wallet_events import BalanceChanged

GAP_SECONDS: Final = 0.1
"""How long a missing version is waited for, counted from the first change that came after it."""

HELD_MAX: Final = 20
"""Most changes that a frame lists, and that a socket keeps of one currency."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """To be told as `balance.snapshot`."""

    balances: tuple[Balance, ...]


@dataclass(frozen=True, slots=True)
class Update:
    """To be told as `balance.updated`: changes of one currency, oldest first. `truncated`: some since the last frame are not among them."""

    changes: tuple[BalanceChanged, ...]
    truncated: bool


@dataclass(frozen=True, slots=True, order=True)
class _Held:
    version: int
    change: BalanceChanged = field(compare=False)
    held_since: float = field(compare=False)


@dataclass(slots=True)
class _Account:
    version: int = 0
    """The newest version that the socket was told, or is owed in a snapshot."""
    given_up: int = 0
    """The newest version that was held and let go, for there were too many."""
    held: list[_Held] = field(default_factory=list)
    """In order of version, all above `version` and `given_up`."""

    def gap_ends_at(self, index: int) -> float | None:
        """None: no version is missing before held[index]; else the time (seconds) until which it is waited for."""
        before = self.held[index - 1].version if index else max(self.version, self.given_up)
        if self.held[index].version == before + 1:
            return None
        return min(item.held_since for item in self.held[index:]) + GAP_SECONDS


class Feed:
    """One socket's place in its user's changes. Times are seconds of one monotonic clock."""

    __slots__ = ("_accounts", "_holding", "_owed", "lagging", "opened")

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}
        self._holding: dict[str, _Account] = {}
        self._owed: dict[str, Balance] | None = None
        self.opened = False
        self.lagging = False
        """The socket did not keep up: what is held goes out merged, one frame a currency."""

    def version(self, currency: str) -> int:
        account = self._accounts.get(currency)
        return account.version if account else 0

    def follow(self, change: BalanceChanged) -> bool:
        """The usual case, fast: True when `change` is the very next thing to tell, which it then counts as."""
        if not self.opened or self._owed is not None or change.currency in self._holding:
            return False
        account = self._account(change.currency)
        if change.version != account.version + 1:
            return False
        account.version = change.version
        return True

    def hold(self, change: BalanceChanged, now: float) -> int:
        """Keeps `change` for later, unless it is old or known. Returns how many changes were let go for want of room (0 or 1)."""
        account = self._account(change.currency)
        if change.version <= max(account.version, account.given_up) or any(item.version == change.version for item in account.held):
            return 0
        insort(account.held, _Held(change.version, change, now))
        self._holding[change.currency] = account
        if len(account.held) <= HELD_MAX:
            return 0
        account.given_up = account.held.pop(0).version
        return 1

    def owe_snapshot(self, balances: Iterable[Balance], *, opened: bool) -> None:
        """The next frame is a snapshot of `balances`, or of what is owed already and newer; it takes in what is held up to its versions."""
        owed = self._owed if self._owed is not None else {}
        for balance in balances:
            known = owed.get(balance.currency)
            if known is None or balance.version > known.version:
                owed[balance.currency] = balance
            account = self._account(balance.currency)
            account.version = max(account.version, balance.version)
            account.held = [item for item in account.held if item.version > account.version]
            if not account.held:
                self._holding.pop(balance.currency, None)
        self._owed = owed
        self.opened = self.opened or opened

    def next_frame(self, now: float) -> Snapshot | Update | None:
        """The next thing that may be told at `now`, which then counts as told; None when there is nothing, or only waiting."""
        if not self.opened:
            return None
        if self._owed is not None:
            snapshot = Snapshot(tuple(self._owed.values()))
            self._owed = None
            return snapshot
        for currency, account in self._holding.items():
            count = self._ready(account, now)
            if count:
                return self._tell(currency, account, count)
        self.lagging = self.lagging and bool(self._holding)
        return None

    def gap_ends_at(self) -> float | None:
        """When the first of the missing versions is given up (seconds), None when none is missing."""
        ends = [end for account in self._holding.values() if (end := account.gap_ends_at(0)) is not None]
        return min(ends, default=None)

    def _account(self, currency: str) -> _Account:
        account = self._accounts.get(currency)
        if account is None:
            account = self._accounts[currency] = _Account()
        return account

    def _ready(self, account: _Account, now: float) -> int:
        """How many of what is held make the next frame: one for a client that keeps up, all up to a gap for one that does not."""
        most = len(account.held) if self.lagging or account.given_up > account.version else 1
        for index in range(most):
            end = account.gap_ends_at(index)
            if end is not None and now < end:
                return index
        return most

    def _tell(self, currency: str, account: _Account, count: int) -> Update:
        changes = tuple(item.change for item in account.held[:count])
        truncated = changes[-1].version - account.version != count
        account.version = changes[-1].version
        del account.held[:count]
        if not account.held:
            del self._holding[currency]
        return Update(changes, truncated)
