"""Which payment methods are on, as payments says: asked at most once a minute, and remembered for the time when nobody answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Final

import structlog

from services.gateway.problems import Problem
from services.gateway.requests import METHODS, Services
from shared.contracts.checkout import ListMethods, MethodsView

log = structlog.get_logger(__name__)

FRESH_SECONDS: Final = 60
AGAIN_SECONDS: Final = 5
"""After silence; until then whoever asks is told at once what was last known."""
PATIENCE_SECONDS: Final = 2
"""How long a request waits for news when there is an older answer to give."""

_FROM_BALANCE: Final = "balance"


class Methods:
    """`verified`: the providers whose events this gateway can verify; payments of others would never be heard of again."""

    def __init__(self, services: Services, verified: Collection[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._services = services
        self._verified = verified
        self._clock = clock
        self._known: MethodsView | None = None
        self._fresh_until = 0.0
        self._asking: asyncio.Task[MethodsView | Problem] | None = None

    async def current(self, correlation_id: str) -> MethodsView:
        """Not older than a minute, unless payments is away. Problems, when it was never heard: those of a question."""
        if self._known is not None and self._clock() < self._fresh_until:
            return self._known
        if self._asking is None or self._asking.done():
            # Of nobody's request: whoever came first may leave before the answer is there.
            self._asking = asyncio.create_task(self._ask(correlation_id))
        asking = self._asking
        if self._known is not None:
            await asyncio.wait({asking}, timeout=PATIENCE_SECONDS)
            return self._known
        answer = await asyncio.shield(asking)
        if isinstance(answer, Problem):
            raise Problem(answer.code, answer.detail)
        return answer

    async def _ask(self, correlation_id: str) -> MethodsView | Problem:
        try:
            answer = await self._services.question(ListMethods(correlation_id=correlation_id), METHODS)
        except Problem as problem:
            if self._known is not None:
                log.warning("payments does not tell its methods: the last ones are told", reason=problem.code)
            self._fresh_until = self._clock() + AGAIN_SECONDS
            return problem
        if answer != self._known:
            self._tell_of_deaf_ears(answer)
        self._known, self._fresh_until = answer, self._clock() + FRESH_SECONDS
        return answer

    def _tell_of_deaf_ears(self, answer: MethodsView) -> None:
        for method in answer.methods:
            if method.method != _FROM_BALANCE and method.method not in self._verified:
                log.warning("payments takes a method whose events cannot be verified here: set its webhook secret", method=method.method)
