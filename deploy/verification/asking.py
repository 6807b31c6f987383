"""Asks every invariant over the running stack; what work in progress may break for a moment gets its time to come to rest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import asyncpg

from deploy.verification.book import BOOK
from deploy.verification.counted import COUNTED
from deploy.verification.credits import CREDITS
from deploy.verification.dead_letters import CLAIM, find_dead_letters
from deploy.verification.explained import EXPLAINED
from deploy.verification.invariants import Finding, Invariant
from deploy.verification.outgoing import OUTGOING
from deploy.verification.pushes import PUSHES

INVARIANTS: Final = (*BOOK, *CREDITS, *OUTGOING, *COUNTED, *EXPLAINED, *PUSHES)

_ROWS: Final = 20
_AGAIN_SECONDS: Final = 0.25
_QUERY_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found, and how much was looked at."""

    findings: tuple[Finding, ...]
    transfers: int
    accounts: int
    completed_payments: int

    @property
    def holds(self) -> bool:
        return all(finding.holds for finding in self.findings)


async def ask_all(database_url: str, amqp_url: str | None, settle_seconds: float) -> Verdict:
    """Asks all of them. Broken ones that settle are asked again until they hold or `settle_seconds` have passed; then only what is older
    than that counts, so that a busy system can be verified too. Raises what the database's and the broker's libraries raise."""
    connection = await asyncpg.connect(database_url, timeout=10, command_timeout=_QUERY_SECONDS)
    try:
        # Everything is read once and compared in whole; where a young table has no statistics yet, the planner would go row by row.
        await connection.execute("set enable_nestloop = off")
        found = await _ask_until_settled(connection, settle_seconds)
        counts = await connection.fetchrow(
            """
            select (select count(*) from wallet.transfers) as transfers,
                   (select count(*) from wallet.accounts where kind = 'user') as accounts,
                   (select count(*) from payments.payments where status = 'completed') as completed_payments
            """
        )
        assert counts is not None
    finally:
        await connection.close(timeout=5)
    if amqp_url is None:
        dead = Finding("G", CLAIM, not_asked="AMQP_URL is not set")
    else:
        dead = await find_dead_letters(amqp_url)
    return Verdict((*found, dead), counts["transfers"], counts["accounts"], counts["completed_payments"])


async def _ask_until_settled(connection: asyncpg.Connection[asyncpg.Record], settle_seconds: float) -> list[Finding]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + settle_seconds
    found = {invariant: await ask(connection, invariant, older_than_seconds=0) for invariant in INVARIANTS}
    while unsettled := [invariant for invariant, finding in found.items() if invariant.settles and not finding.holds]:
        over = loop.time() >= deadline
        if not over:
            await asyncio.sleep(min(_AGAIN_SECONDS, max(0, deadline - loop.time())))
        for invariant in unsettled:
            found[invariant] = await ask(connection, invariant, older_than_seconds=settle_seconds if over else 0)
        if over:
            break
    return list(found.values())


async def ask(connection: asyncpg.Connection[asyncpg.Record], invariant: Invariant, *, older_than_seconds: float) -> Finding:
    """One invariant, as it is now."""
    arguments: Sequence[float] = (older_than_seconds,) if invariant.settles else ()
    rows = await connection.fetch(f"select * from ({invariant.sql}) as broken limit {_ROWS + 1}", *arguments)  # noqa: S608 - literals of ours
    return Finding(invariant.letter, invariant.claim, tuple(_plain(row) for row in rows[:_ROWS]), more=len(rows) > _ROWS)


def _plain(row: asyncpg.Record) -> dict[str, Any]:
    # PostgreSQL's sums of bigint are numeric; they are whole minor units all the same.
    return {name: int(value) if isinstance(value, Decimal) else value for name, value in row.items()}
