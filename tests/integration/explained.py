"""A connection that tells how what it is asked to fetch would be read, and finds nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from shared.postgres import Connection


@dataclass
class Explained:
    tx: Connection
    plan: list[str] = field(default_factory=list)

    @property
    def connection(self) -> Connection:
        """For a function that wants one."""
        return cast("Connection", self)

    async def fetch(self, query: str, *arguments: Any, **_: Any) -> list[Any]:
        self.plan += [row[0] for row in await self.tx.fetch(f"explain {query}", *arguments)]
        return []

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        return await self.tx.fetchval(query, *arguments)
