"""Events that the mock's controls ask for: kept in its book, told by signed webhook events when they are due, as often as was asked for.

A dispute's event (JSON): {"id","type":"dispute.opened"|"dispute.won"|"dispute.lost","created","data":{"session_id","dispute",
"amount_minor","currency"}}. A session's is as in mock.py. A session that nobody has decided is decided by the first event that is told of
it; one that was decided stays so in the book, however contrary the event.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson

from services.payments.mock_book import MockBook, MockSession
from services.payments.providers.mock.telling import LEASE, Telling
from shared.contracts.base import new_id
from shared.money import Money
from shared.postgres import Connection, transaction


@dataclass(frozen=True, slots=True)
class MockEvent:
    """One event. `outcome`: what its session becomes by it, if nobody has decided that before; `charge` and `money` go with a success."""

    event_id: str
    session_id: UUID
    body: bytes
    due_at: datetime
    correlation_id: str
    outcome: Literal["success", "failure"] | None = None
    charge: str | None = None
    money: Money | None = None


def session_event(
    session: MockSession, outcome: Literal["success", "failure"], money: Money, due_at: datetime, correlation_id: str
) -> MockEvent:
    """The session is paid, by another charge than any before, or is not."""
    event_id = f"evt_{new_id().hex}"
    charge = f"ch_{new_id().hex}" if outcome == "success" else None
    kind = "session.paid" if outcome == "success" else "session.failed"
    body = _body(event_id, kind, due_at, session, money, charge=charge)
    return MockEvent(event_id, session.session_id, body, due_at, correlation_id, outcome, charge, money if charge else None)


def dispute_event(
    session: MockSession, told: Literal["opened", "won", "lost"], money: Money, due_at: datetime, correlation_id: str
) -> MockEvent:
    """A session has one dispute: the same told again is the same event."""
    event_id = f"evt_{session.session_id.hex}_dispute_{told}"
    body = _body(event_id, f"dispute.{told}", due_at, session, money, dispute=f"dp_{session.session_id.hex}")
    return MockEvent(event_id, session.session_id, body, due_at, correlation_id)


async def schedule(tx: Connection, event: MockEvent, times: int) -> None:
    """To be told `times` times from its time on; an event that was told is told again as it was."""
    await tx.execute(
        """
        insert into payments.mock_events (
            event_id, copy, session_id, body, outcome, charge, amount_minor, currency, correlation_id, due_at
        )
        select $1, copy, $2, $3, $4, $5, $6, $7, $8, $9 from generate_series(0, $10::int - 1) as copy
        on conflict (event_id, copy) do update set due_at = excluded.due_at, leased_until = null, told_at = null
        """,
        event.event_id,
        event.session_id,
        event.body,
        event.outcome,
        event.charge,
        None if event.money is None else event.money.amount_minor,
        None if event.money is None else event.money.currency,
        event.correlation_id,
        event.due_at,
        times,
    )


async def charged_by_control(tx: Connection, session_id: UUID) -> Money | None:
    """What the first success that was told against the session's own outcome has charged."""
    row = await tx.fetchrow(
        """
        select amount_minor, currency from payments.mock_events
        where session_id = $1 and outcome = 'success' and told_at is not null order by told_at limit 1
        """,
        session_id,
    )
    return None if row is None else Money(row["amount_minor"], row["currency"])


class MockEvents(Telling):
    what = "events of the mock's controls"
    batch = 200

    async def tell_due(self) -> int:
        async with transaction(self._pool) as tx:
            rows = await tx.fetch(
                """
                update payments.mock_events set leased_until = clock_timestamp() + $2::interval
                where (event_id, copy) in (
                    select event_id, copy from payments.mock_events
                    where told_at is null and due_at <= clock_timestamp() and (leased_until is null or leased_until <= clock_timestamp())
                    order by due_at, event_id, copy limit $1 for update skip locked
                )
                returning *
                """,
                self.batch,
                LEASE,
            )
            for row in sorted(rows, key=lambda row: (row["due_at"], row["event_id"])):
                await _happen(tx, row)
        if rows:
            await self._publish_all([(row["event_id"], row["body"], row["correlation_id"]) for row in rows])
            async with transaction(self._pool) as tx:
                await tx.execute(
                    """
                    update payments.mock_events as event set told_at = clock_timestamp()
                    from unnest($1::text[], $2::int[]) as told (event_id, copy)
                    where event.event_id = told.event_id and event.copy = told.copy
                    """,
                    [row["event_id"] for row in rows],
                    [row["copy"] for row in rows],
                )
        return len(rows)


async def _happen(tx: Connection, row: Any) -> None:
    """The session is decided by what is told of it, if nobody has decided it before."""
    if row["outcome"] is None or row["copy"] != 0:
        return
    session = await MockBook.lock(tx, row["session_id"], None, whoever=True)
    if session is None or session.outcome is not None:
        return
    charged = None if row["amount_minor"] is None else Money(row["amount_minor"], row["currency"])
    await MockBook.decide(
        tx,
        session,
        row["outcome"],
        event_id=row["event_id"],
        charge=row["charge"],
        at=await MockBook.now(tx),
        paid=None if charged == session.money else charged,
    )


def _body(event_id: str, kind: str, created: datetime, session: MockSession, money: Money, **named: str | None) -> bytes:
    data = {"session_id": str(session.session_id), **named, "amount_minor": money.amount_minor, "currency": money.currency}
    return orjson.dumps({"id": event_id, "type": kind, "created": created.isoformat(), "data": data})
