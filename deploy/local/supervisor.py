"""Starts again what dies, with backoff, and gives up, with the reason, on what keeps dying."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn

from deploy.local.errors import LocalError
from deploy.local.processes import Child

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how slowly something is started again."""

    quick_deaths: int = 5
    # A life longer than this one counts as healthy: the count starts anew.
    quick_seconds: float = 20.0
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 8.0

    def pause_seconds(self, deaths: int) -> float:
        """The pause after so many quick deaths in a row."""
        return float(min(self.first_pause_seconds * 2 ** (deaths - 1), self.longest_pause_seconds))


class Supervisor:
    """Watches children by name until they are forgotten."""

    def __init__(self, say: Say, patience: Patience | None = None) -> None:
        self._say = say
        self._patience = patience or Patience()
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._gave_up: asyncio.Queue[LocalError] = asyncio.Queue(maxsize=1)

    def watch(self, name: str, child: Callable[[], Child], start: Callable[[], Awaitable[None]]) -> None:
        """From now on a death of `child()` is followed by `start()`."""
        self.forget(name)
        self._watches[name] = asyncio.create_task(self._watch(name, child, start), name=f"watch of {name}")

    def forget(self, name: str) -> None:
        """What is about to be stopped on purpose is no longer started again."""
        task = self._watches.pop(name, None)
        if task:
            task.cancel()

    async def failed(self) -> NoReturn:
        """Waits until something has died too often, and raises its LocalError."""
        raise await self._gave_up.get()

    async def close(self) -> None:
        """Forgets everything, and waits until no start is under way."""
        tasks = list(self._watches.values())
        for name in list(self._watches):
            self.forget(name)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, name: str, child: Callable[[], Child], start: Callable[[], Awaitable[None]]) -> None:
        deaths = 0
        while True:
            present = child()
            code = await present.wait()
            lived = time.monotonic() - present.started_at
            deaths = 1 if lived > self._patience.quick_seconds else deaths + 1
            reason = f"{name} {describe_exit(code)}"
            while True:
                if deaths >= self._patience.quick_deaths:
                    last_words = f"{present.last_lines(1)} (log: {present.command.log_file})"
                    with contextlib.suppress(asyncio.QueueFull):
                        self._gave_up.put_nowait(LocalError(f"{reason}, {deaths} times in a row; its last words: {last_words}"))
                    return
                pause = self._patience.pause_seconds(deaths)
                self._say(f"{reason}: starting it again in {pause:g} s")
                await asyncio.sleep(pause)
                try:
                    await start()
                    break
                except LocalError as error:
                    deaths += 1
                    reason = str(error)
            self._say(f"{name} runs again")


def describe_exit(code: int) -> str:
    """An exit status in words."""
    if code >= 0:
        return f"ended with status {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
