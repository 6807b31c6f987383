"""Coaching sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.payments.domain.sessions import CoachingSession, Kept
from shared.money import Money
from shared.postgres import Connection

_COLUMNS = "session_id, mentor_id, price_minor, currency, title, created_at, updated_at"


async def put(tx: Connection, session: CoachingSession) -> Kept | None:
    """Writes the session, new or changed; None when it is another mentor's. The same again changes nothing."""
    row = await tx.fetchrow(
        f"""
        insert into payments.coaching_sessions (session_id, mentor_id, price_minor, currency, title) values ($1, $2, $3, $4, $5)
        on conflict (session_id) do update
        set price_minor = excluded.price_minor, currency = excluded.currency, title = excluded.title,
            updated_at = case
                when (coaching_sessions.price_minor, coaching_sessions.currency, coaching_sessions.title)
                    is distinct from (excluded.price_minor, excluded.currency, excluded.title)
                then clock_timestamp() else coaching_sessions.updated_at
            end
        where coaching_sessions.mentor_id = excluded.mentor_id
        returning {_COLUMNS}, xmax = 0 as created -- a row that nobody has locked or replaced is new
        """,  # noqa: S608 - columns of ours
        session.session_id,
        session.mentor_id,
        session.price.amount_minor,
        session.price.currency,
        session.title,
    )
    return None if row is None else _kept(row, created=row["created"])


async def find(db: Connection, session_id: str) -> Kept | None:
    row = await db.fetchrow(f"select {_COLUMNS} from payments.coaching_sessions where session_id = $1", session_id)  # noqa: S608
    return None if row is None else _kept(row)


async def insert_missing(tx: Connection, sessions: Sequence[CoachingSession]) -> None:
    """Those that are not there yet; what is there stays as it is."""
    await tx.execute(
        """
        insert into payments.coaching_sessions (session_id, mentor_id, price_minor, currency, title)
        select * from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[])
        on conflict (session_id) do nothing
        """,
        [session.session_id for session in sessions],
        [session.mentor_id for session in sessions],
        [session.price.amount_minor for session in sessions],
        [session.price.currency for session in sessions],
        [session.title for session in sessions],
    )


def _kept(row: Any, *, created: bool = False) -> Kept:
    session = CoachingSession(row["session_id"], row["mentor_id"], Money(row["price_minor"], row["currency"]), row["title"])
    return Kept(session, row["created_at"], row["updated_at"], created)
