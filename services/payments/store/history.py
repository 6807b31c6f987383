"""Lists payments, newest first, by the status that is told of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.payments.domain.payments import Payment
from services.payments.store import cursors
from services.payments.store.cursors import Position
from services.payments.store.payments import COLUMNS, payment_of
from shared.postgres import Connection

CURSOR: Final = "p"

TOLD_STATUS: Final = """
    case
        when status = 'pending' and expires_at <= {now} then 'expired'
        when status = 'completed' and dispute_status in ('open', 'lost') then 'disputed'
        when status = 'completed' and refunded_minor = amount_minor then 'refunded'
        when status = 'completed' and refunded_minor > 0 then 'partially_refunded'
        else status
    end
"""
"""Payment.told_at in SQL; a test compares the two over every combination."""

_FOUND_BY: Final = {
    "expired": "status in ('pending', 'expired')",
    "disputed": "dispute_status is not null",
    "refunded": "refunded_minor > 0",
    "partially_refunded": "refunded_minor > 0",
}
"""What the rarer ones have in common in the table, in the words of the indexes that hold them; the rest is as it is stored."""


@dataclass(frozen=True, slots=True)
class Filter:
    """`user_id` none: everybody's. `status`: as it is told. `ended`: as payer only, and refused requests too."""

    user_id: str | None
    status: str | None = None
    external_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ended: bool = False


async def page(
    db: Connection, wanted: Filter, now: datetime, *, limit: int, skip: int = 0, cursor: str | None = None
) -> tuple[list[Payment], str | None]:
    """Up to `limit` payments as payer or mentor, after the first `skip` or the cursor's, and the next page's cursor; refused requests are
    none. MalformedCursor."""
    after = None if cursor is None else cursors.decode(CURSOR, cursor)
    values: list[Any] = [limit + 1, skip, limit + 1 + skip]
    conditions = _conditions(wanted, now, after, values)
    if wanted.user_id is None:
        found = _newest(conditions)
    elif wanted.ended:
        found = _newest([f"user_id = {_placed(values, wanted.user_id)}", *conditions])
    else:
        me = _placed(values, wanted.user_id)
        # Two walks down two indexes: as payer, and as mentor.
        mine, theirs = [f"user_id = {me}", *conditions], [f"mentor_id = {me}", f"user_id is distinct from {me}", *conditions]
        found = f"({_newest(mine)}) union all ({_newest(theirs)})"
    rows = await db.fetch(
        f"select {COLUMNS} from ({found}) as found order by created_at desc, payment_id desc limit $1 offset $2",  # noqa: S608
        *values,
    )
    payments = [payment_of(row) for row in rows[:limit]]
    last = payments[-1] if len(rows) > limit else None
    return payments, None if last is None else cursors.encode(CURSOR, Position(last.created_at, last.payment_id))


def _conditions(wanted: Filter, now: datetime, after: Position | None, values: list[Any]) -> list[str]:
    # Only those that are asked for: an index is not found behind an "or".
    conditions = [f"{TOLD_STATUS.format(now=_placed(values, now))} <> 'pending'"] if wanted.ended else ["refusal is null"]
    if wanted.status is not None:
        told = TOLD_STATUS.format(now=_placed(values, now))
        found_by = _FOUND_BY.get(wanted.status) or f"status = {_placed(values, wanted.status)}"
        conditions += [found_by, f"{told} = {_placed(values, wanted.status)}"]
    if wanted.external_id is not None:
        conditions.append(f"external_id = {_placed(values, wanted.external_id)}")
    if wanted.since is not None:
        conditions.append(f"created_at >= {_placed(values, wanted.since)}")
    if wanted.until is not None:
        conditions.append(f"created_at < {_placed(values, wanted.until)}")
    if after is not None:
        conditions.append(f"(created_at, payment_id) < ({_placed(values, after.at)}, {_placed(values, after.last_id)})")
    return conditions


def _newest(conditions: list[str]) -> str:
    return f"select * from payments.payments where {' and '.join(conditions)} order by created_at desc, payment_id desc limit $3"  # noqa: S608


def _placed(values: list[Any], value: Any) -> str:
    values.append(value)
    return f"${len(values)}"
