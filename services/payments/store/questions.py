"""Whose provider is asked next, and how many questions a provider may still be asked."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.payments.domain.payments import Payment
from services.payments.store.payments import COLUMNS, payment_of
from shared.postgres import Connection

_ASK_AGAIN_MAX_SECONDS: Final = 270.0
_WATCH_AGAIN_MAX_SECONDS: Final = 4 * 3600.0


async def take_due(tx: Connection, provider: str, limit: int, again_seconds: float, *, newest: int | None = None) -> list[Payment]:
    """Payments of `provider` about which it is to be asked now: those that are pending, and those that are over on our side only. The
    longest due first. `newest`, where not all may be asked about in time: so many whose payers have just been sent there come first, of
    those the ones that were asked about longest ago, so that each has its turn; the others after them, the newest first.

    Taking one moves its next asking on, to `again_seconds` from now or half its age, whichever is later: so one asker has it at a time, and
    old ones are asked about more rarely, yet often enough that a payment whose webhook was lost is known within five minutes; and when its
    session ends. What is over is asked about ever more rarely, and once more when its time of being watched has passed."""
    since = None if newest is None else await _newest_since(tx, provider, newest)
    rows = await tx.fetch(
        f"""
        update payments.payments
        set asked_at = clock_timestamp(), reconcile_at = least(
            clock_timestamp() + greatest(
                make_interval(secs => $3),
                least(
                    (clock_timestamp() - created_at) / 2,
                    make_interval(secs => case when status = 'pending' then $4::float8 else $5::float8 end)
                )
            ),
            case when status = 'pending' and expires_at > clock_timestamp() then expires_at end
        ),
        watch_until = case when watch_until > clock_timestamp() then watch_until end
        where payment_id in (
            select payment_id from payments.payments
            -- now(): with a clock that moves while it is read, the index would not be of use, and everything pending would be read.
            where provider = $1 and (status = 'pending' or watch_until is not null) and reconcile_at <= now()
            order by
                case when status = 'pending' and created_at >= $6::timestamptz then coalesce(asked_at, created_at) end nulls last,
                case when $6::timestamptz is not null then created_at end desc,
                reconcile_at
            limit $2
            for update skip locked
        )
        returning {COLUMNS}
        """,  # noqa: S608
        provider,
        limit,
        again_seconds,
        _ASK_AGAIN_MAX_SECONDS,
        _WATCH_AGAIN_MAX_SECONDS,
        since,
    )
    return [payment_of(row) for row in rows]


async def _newest_since(tx: Connection, provider: str, how_many: int) -> datetime:
    """When the first of the newest `how_many` that are pending was made."""
    since: datetime = await tx.fetchval(
        """
        select coalesce(min(created_at), to_timestamp(0)) from (
            select created_at from payments.payments where provider = $1 and status = 'pending' order by created_at desc limit $2
        ) as newest
        """,
        provider,
        how_many,
    )
    return since


async def take_questions(tx: Connection, provider: str, wanted: int, per_minute: int, *, leaving: int = 0) -> int:
    """How many of `wanted` questions may be asked now, when all replicas together may ask `per_minute`, and a fifth of that at once.
    `leaving`: so many are left for whoever has something more urgent to ask."""
    at_once = max(1, per_minute // 5)
    await tx.execute(
        "insert into payments.provider_questions (provider, left_now) values ($1, $2) on conflict do nothing", provider, float(at_once)
    )
    # Locked before it is read: two replicas must not both find the same room.
    left: float = await tx.fetchval(
        """
        select least($2::float8, left_now + $3 * greatest(0, extract(epoch from clock_timestamp() - at)::float8) / 60)
        from payments.provider_questions where provider = $1 for update
        """,
        provider,
        float(at_once),
        float(per_minute),
    )
    granted = max(0, min(wanted, int(left) - leaving))
    await tx.execute(
        "update payments.provider_questions set left_now = $2, at = clock_timestamp() where provider = $1", provider, left - granted
    )
    return granted


async def give_back(tx: Connection, provider: str, unasked: int) -> None:
    """Questions that were taken and are not asked after all."""
    await tx.execute("update payments.provider_questions set left_now = left_now + $2 where provider = $1", provider, float(unasked))
