"""Failed logins, counted a minute, so that guessing ends early; successes are never counted. Per replica, bounded."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

WINDOW_SECONDS: Final = 60.0
_KEYS_MAX: Final = 10_000


class FailureLimit:
    """At most `limit` failures a key within a minute; the oldest keys are forgotten when there are too many."""

    def __init__(self, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait_seconds(self, key: str) -> int:
        """0 when another attempt is allowed, else the whole seconds until it is."""
        began, count = self._windows.get(key, (0.0, 0))
        left = began + WINDOW_SECONDS - self._clock()
        return int(left) + 1 if count >= self._limit and left > 0 else 0

    def failed(self, key: str) -> None:
        began, count = self._windows.pop(key, (0.0, 0))
        now = self._clock()
        if count == 0 or now - began >= WINDOW_SECONDS:
            began, count = now, 0
        self._windows[key] = (began, count + 1)
        if len(self._windows) > _KEYS_MAX:
            self._windows.popitem(last=False)
