"""How often something may be asked within a moving window; pure, told the time by its caller."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from typing import Final

_KEYS_MAX: Final = 50_000


class Window:
    """At most `limit` calls of one key within `window_seconds`; both may be changed. Keys longest unused are forgotten beyond a bound."""

    def __init__(self, limit: int, window_seconds: float) -> None:
        self.limit = limit
        self.window_seconds = window_seconds
        self._calls: OrderedDict[str, deque[float]] = OrderedDict()

    def retry_after_seconds(self, key: str, now: float) -> int | None:
        """None: the call is within the limit and counts. Else whole seconds until one is; it does not count."""
        calls = self._calls.setdefault(key, deque())
        self._calls.move_to_end(key)
        while len(self._calls) > _KEYS_MAX:
            self._calls.popitem(last=False)
        while calls and calls[0] <= now - self.window_seconds:
            calls.popleft()
        if len(calls) < self.limit:
            calls.append(now)
            return None
        return max(1, math.ceil(calls[0] + self.window_seconds - now)) if calls else math.ceil(self.window_seconds)
