"""Whose provider is asked next, and how many questions a provider may still be asked."""

from __future__ import annotations

from typing import Final

from services.payments.domain.payments import Payment
from services.payments.store.payments import COLUMNS, payment_of
from shared.postgres import Connection

_ASK_AGAIN_MAX_SECONDS: Final = 270.0
_WATCH_AGAIN_MAX_SECONDS: Final = 4 * 3600.0


async def take_due(tx: Connection, provider: str, limit: int, again_seconds: float, *, newest_first: bool) -> list[Payment]:
    """Payments of `provider` about which it is to be asked now: those that are pending, and those that are over on our side only.
    `newest_first`: those whose payer has just been sent there, which matters where not all can be asked about; else the longest due first.

    Taking one moves its next asking on, to `again_seconds` from now or half its age, whichever is later: so one asker has it at a time, and
    old ones are asked about more rarely, yet often enough that a payment whose webhook was lost is known within five minutes; and when its
    session ends. What is over is asked about ever more rarely."""
    rows = await tx.fetch(
        f"""
        update payments.payments
        set reconcile_at = least(
            clock_timestamp() + greatest(
                make_interval(secs => $3),
                least(
                    (clock_timestamp() - created_at) / 2,
                    make_interval(secs => case when status = 'pending' then $4::float8 else $5::float8 end)
                )
            ),
            case when status = 'pending' and expires_at > clock_timestamp() then expires_at end
        )
        where payment_id in (
            select payment_id from payments.payments
            where provider = $1 and (status = 'pending' or watch_until is not null) and reconcile_at <= clock_timestamp()
              and (status = 'pending' or watch_until > clock_timestamp())
            order by case when $6::bool then created_at end desc, reconcile_at
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
        newest_first,
    )
    return [payment_of(row) for row in rows]


async def take_questions(tx: Connection, provider: str, wanted: int, per_minute: int) -> int:
    """How many of `wanted` questions may be asked now, when all replicas together may ask `per_minute`, and a fifth of that at once."""
    at_once = max(1, per_minute // 5)
    await tx.execute(
        "insert into payments.provider_questions (provider, left_now) values ($1, $2) on conflict do nothing", provider, float(at_once)
    )
    # Locked before it is read: two replicas must not both find the same room.
    left: float = await tx.fetchval(
        """
        select least($2::float8, left_now + $3 * extract(epoch from clock_timestamp() - at)::float8 / 60)
        from payments.provider_questions where provider = $1 for update
        """,
        provider,
        float(at_once),
        float(per_minute),
    )
    granted = min(wanted, int(left))
    await tx.execute(
        "update payments.provider_questions set left_now = $2, at = clock_timestamp() where provider = $1", provider, left - granted
    )
    return granted


async def give_back(tx: Connection, provider: str, unasked: int) -> None:
    """Questions that were taken and are not asked after all."""
    await tx.execute("update payments.provider_questions set left_now = left_now + $2 where provider = $1", provider, float(unasked))
