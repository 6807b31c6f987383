"""Callers that wait for something to be settled, woken by the batch that settles it; who is woken by nobody asks again before long."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Final, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")

_RECHECK_SECONDS: Final = 0.25
"""Another replica's commit wakes nobody here; so a waiter asks again this often."""


class Waiters(Generic[Key]):
    """`limit` bounds how many wait at once; more get an immediate answer instead."""

    def __init__(self, limit: int = 5_000) -> None:
        self._limit = limit
        self._events: defaultdict[Key, set[asyncio.Event]] = defaultdict(set)
        self._count = 0

    def wake(self, keys: Iterable[Key]) -> None:
        for key in keys:
            for event in self._events.get(key, ()):
                event.set()

    async def until(self, key: Key, ask: Callable[[], Awaitable[Result]], done: Callable[[Result], bool], wait_seconds: float) -> Result:
        """Asks until the result is done or the time is over; the last result."""
        if wait_seconds <= 0 or self._count >= self._limit:
            return await ask()
        event = asyncio.Event()
        self._events[key].add(event)
        self._count += 1
        deadline = asyncio.get_running_loop().time() + wait_seconds
        try:
            while True:
                result = await ask()
                left = deadline - asyncio.get_running_loop().time()
                if done(result) or left <= 0:
                    return result
                try:
                    async with asyncio.timeout(min(_RECHECK_SECONDS, left)):
                        await event.wait()
                except TimeoutError:
                    pass
                event.clear()
        finally:
            self._count -= 1
            self._events[key].discard(event)
            if not self._events[key]:
                del self._events[key]
