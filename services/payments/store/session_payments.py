"""The payments that somebody has made for a coaching session: the newest that is open, paid, over."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from services.payments.domain.payments import Payment
from services.payments.store.payments import COLUMNS, payment_of
from shared.postgres import Connection

_OPEN: Final = "status = 'pending' and (expires_at is null or expires_at > $3)"


async def newest_open(db: Connection, user_id: str, session_id: str, now: datetime) -> Payment | None:
    """It can still be paid."""
    return await _newest(db, _OPEN, user_id, session_id, now)


async def newest_paid(db: Connection, user_id: str, session_id: str) -> Payment | None:
    """Not all of it has gone back."""
    return await _newest(db, "status = 'completed' and refunded_minor < amount_minor", user_id, session_id)


async def newest_ended(db: Connection, user_id: str, session_id: str, now: datetime) -> UUID | None:
    """Paid, given up, expired or refused: whatever is not open."""
    found = await _newest(db, f"not ({_OPEN})", user_id, session_id, now)
    return None if found is None else found.payment_id


async def _newest(db: Connection, condition: str, user_id: str, session_id: str, *more: object) -> Payment | None:
    rows = await db.fetch(
        f"""
        select {COLUMNS} from payments.payments where user_id = $1 and coaching_session_id = $2 and {condition}
        order by created_at desc, payment_id desc limit 1
        """,  # noqa: S608 - words of ours
        user_id,
        session_id,
        *more,
    )
    return payment_of(rows[0]) if rows else None
