"""Asks which references are committed, with one question for all who ask meanwhile: hundreds who wait cost one query at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

_LOOK_UP_REFERENCES: Final = 1000

LookUp = Callable[[Sequence[str]], Awaitable[set[str]]]
"""Those of some references that are committed."""


class CommittedReferences:
    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._asked: dict[str, asyncio.Future[bool]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def has(self, reference: str) -> bool:
        """Was `reference` committed when this was called, or soon after? Errors are the look-up's."""
        answer = self._asked.get(reference)
        if answer is None:
            answer = self._asked[reference] = asyncio.get_running_loop().create_future()
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._answer(), name="committed references")
        return await asyncio.shield(answer)  # others may wait for the same answer

    async def _answer(self) -> None:
        """One question at a time, for everything that was asked while the last one was on its way."""
        while self._asked:
            batch = {reference: self._asked.pop(reference) for reference in list(self._asked)[:_LOOK_UP_REFERENCES]}
            try:
                found = await self._look_up(list(batch))
            except Exception as error:
                for answer in batch.values():
                    answer.set_exception(error)
                    answer.exception()  # seen, also when nobody waits for it any more
                continue
            for reference, answer in batch.items():
                answer.set_result(reference in found)
