"""Is this service ready: its own broker and database answer, each asked within a bound and told by name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

_CHECK_TIMEOUT_SECONDS: Final = 2.0

Check = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class HealthReport:
    """`checks`: each dependence by name, 'ok' or what is wrong in a word."""

    service: str
    ready: bool
    checks: dict[str, str]


class Health:
    """`checks` raise when what they name does not answer."""

    def __init__(self, service: str, checks: Mapping[str, Check]) -> None:
        self.service = service
        self._checks = dict(checks)

    async def report(self) -> HealthReport:
        results = await asyncio.gather(*(_run(check) for check in self._checks.values()))
        checks = dict(zip(self._checks, results, strict=True))
        return HealthReport(self.service, all(result == "ok" for result in results), checks)


async def _run(check: Check) -> str:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_SECONDS):
            await check()
    except Exception as error:
        return type(error).__name__  # the name alone: messages may hold addresses and logins
    return "ok"
