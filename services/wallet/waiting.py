"""Who waits for a transfer is answered as soon as it is committed: woken by the batch that commits it in this process; for what other replicas
commit, one question for all who wait is asked again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Final

import structlog

from shared.postgres import is_outage

log = structlog.get_logger(__name__)

_RECHECK_SECONDS: Final = 0.1
_LOOK_UP_REFERENCES: Final = 1000

LookUp = Callable[[Collection[str]], Awaitable[set[str]]]
"""Those of some references that are committed."""


class TransferWaiters:
    """`limit` bounds how many wait at once; who comes above it is answered at once, as things stand."""

    def __init__(self, look_up: LookUp, *, limit: int) -> None:
        self._ask = look_up
        self._limit = limit
        self._waiting: dict[str, set[asyncio.Future[bool]]] = {}
        self._count = 0
        self._closed = False
        self._asked: dict[str, asyncio.Future[bool]] = {}
        self._asking: asyncio.Task[None] | None = None
        self._rechecking: asyncio.Task[None] | None = None

    async def posted(self, reference: str, wait_seconds: float) -> bool:
        """Is `reference` committed? True as soon as it is, False when `wait_seconds` are over. Errors are the look-up's."""
        if wait_seconds <= 0 or self._count >= self._limit or self._closed:
            return await self._look_up(reference)
        woken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        # Registered before the question, so that a commit in between is not missed.
        self._waiting.setdefault(reference, set()).add(woken)
        self._count += 1
        try:
            async with asyncio.timeout(wait_seconds):
                if await self._look_up(reference):
                    return True
                self._recheck()
                return await woken
        except TimeoutError:
            return False
        finally:
            self._forget(reference, woken)

    def wake(self, references: Iterable[str]) -> None:
        """These are committed."""
        for reference in references:
            for woken in self._waiting.get(reference, ()):
                if not woken.done():
                    woken.set_result(True)

    async def close(self) -> None:
        """Going down: who waits is told that it is not committed yet, and asks another replica."""
        self._closed = True
        for waiting in self._waiting.values():
            for woken in waiting:
                if not woken.done():
                    woken.set_result(False)
        if self._rechecking is not None:
            self._rechecking.cancel()
            await asyncio.gather(self._rechecking, return_exceptions=True)

    def _forget(self, reference: str, woken: asyncio.Future[bool]) -> None:
        self._count -= 1
        others = self._waiting[reference]
        others.discard(woken)
        if not others:
            del self._waiting[reference]

    async def _look_up(self, reference: str) -> bool:
        answer = self._asked.get(reference)
        if answer is None:
            answer = self._asked[reference] = asyncio.get_running_loop().create_future()
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._answer_asked(), name="transfer look-up")
        return await asyncio.shield(answer)

    async def _answer_asked(self) -> None:
        """One question at a time, for everything that was asked while the last one was on its way."""
        while self._asked:
            batch = {reference: self._asked.pop(reference) for reference in list(self._asked)[:_LOOK_UP_REFERENCES]}
            try:
                found = await self._ask(batch)
            except BaseException as error:
                for answer in batch.values():
                    answer.set_exception(error if isinstance(error, Exception) else TimeoutError("stopped"))
                    answer.exception()  # seen, also when nobody waits for it any more
                if not isinstance(error, Exception):
                    raise
                continue
            for reference, answer in batch.items():
                answer.set_result(reference in found)

    def _recheck(self) -> None:
        if self._rechecking is None or self._rechecking.done():
            self._rechecking = asyncio.create_task(self._look_again(), name="transfer re-check")

    async def _look_again(self) -> None:
        while self._waiting:
            await asyncio.sleep(_RECHECK_SECONDS)
            try:
                self.wake(await self._ask(list(self._waiting)))
            except Exception as error:
                if not is_outage(error):
                    log.exception("re-check of awaited transfers failed")
