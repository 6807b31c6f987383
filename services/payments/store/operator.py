"""What an operator's page asks over everything: each statement reads ranges of an index, however many payments there are."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from asyncpg import Record

from services.payments.domain.payments import PAID_FROM_BALANCE
from services.payments.store.history import TOLD_STATUS
from shared.contracts.operator import MAX_STUCK_COUNTED, Figure, SeriesPoint, Stuck, Waiting
from shared.postgres import Connection

TIMEOUT_SECONDS: Final = 5.0
"""A page can say that a figure is not to be had now; it may not keep those who pay from the database."""

# What is paid out of suspense came in when it was put there.
_PAID_IN: Final = """
    with came as (
        select provider, currency, amount_minor from payments.payments
        where completed_at >= $1 and completed_at < $2 and provider <> $3 and credit_reference not like 'suspense:%'
        union all
        select provider, currency, amount_minor from payments.suspense_items where created_at >= $1 and created_at < $2
    )
    select provider as method, currency, count(*) as count, sum(amount_minor)::numeric as amount_minor
    from came group by provider, currency order by currency, provider
"""

_REFUNDED: Final = """
    with went as (
        select provider, currency, amount_minor + excess_minor as amount_minor from payments.refunds
        where state = 'succeeded' and settled_at >= $1 and settled_at < $2 and provider <> $3
        union all
        select provider, currency, amount_minor from payments.suspense_items
        where status = 'refunded' and settled_at >= $1 and settled_at < $2
    )
    select provider as method, currency, count(*) as count, sum(amount_minor)::numeric as amount_minor
    from went group by provider, currency order by currency, provider
"""

_WITHDRAWN: Final = """
    select payout_method as method, currency, count(*) as count, sum(amount_minor)::numeric as amount_minor
    from payments.withdrawals
    where status = 'paid' and step <> 'returning' and updated_at >= $1 and updated_at < $2 and payout_method <> $3
    group by payout_method, currency order by currency, payout_method
"""

_WAITING: Final = """
    with waiting (waits_for, currency, amount_minor, since) as (
        select 'approval', currency, amount_minor, created_at from payments.withdrawals where status = 'pending' and step = 'waiting'
        union all
        select 'payment_by_hand', currency, amount_minor, updated_at from payments.withdrawals where step = 'sending' and next_at is null
        union all
        select 'payer', currency, amount_minor, created_at from payments.payments
        where status = 'pending' and (expires_at is null or expires_at > now())
        union all
        select 'decision', currency, amount_minor, created_at from payments.suspense_items where status = 'open' and decision is null
        union all
        select 'provider', currency, amount_minor, created_at from payments.disputes where state = 'open'
    )
    select waits_for, currency, count(*) as count, sum(amount_minor)::numeric as amount_minor, min(since) as since
    from waiting group by waits_for, currency order by waits_for, currency
"""

_SERIES: Final = f"""
    select date_trunc($3, created_at, 'UTC') as at, provider as method, {TOLD_STATUS.format(now="now()")} as status, count(*) as count
    from payments.payments
    where created_at >= $1 and created_at < $2 and refusal is null
    group by 1, 2, 3 order by 1, 2, 3
"""  # noqa: S608 - texts of ours

# Of what is over nothing changes but this: it is paid after all, it goes back, it is disputed.
_CHANGED: Final = """
    select distinct date_trunc($1, payment.created_at, 'UTC') as at
    from (
        select payment_id from payments.payments where completed_at >= $2
        union all select payment_id from payments.refunds where state = 'succeeded' and settled_at >= $2
        union all select payment_id from payments.refunds where next_at is not null and state = 'reversing'
        union all select payment_id from payments.refunds where state = 'failed' and settled_at is not null and updated_at >= $2
        union all select payment_id from payments.disputes where updated_at >= $2
    ) as moved join payments.payments as payment using (payment_id)
"""

# A kind each: no more of it than are counted, so that an outage of days is no burden. $1: whoever is at a step since then is stuck; $2: so
# many of each kind. Those of the first have an index by age, and are the oldest; the others' indexes hold only what is under way.
_KINDS: Final = (
    """
    select 'payment' as kind,
           case when provider = $3 then 'wallet_silent'
                when num_nonnulls(payment_url, sealed_url, client_secret, provider_reference) = 0 then 'not_opened'
                else 'session_over' end as why,
           case when num_nonnulls(payment_url, sealed_url, client_secret, provider_reference) = 0 then created_at
                else coalesce(expires_at, created_at) end as since,
           payment_id as thing_id, payment_id, provider as method, amount_minor, currency
    from payments.payments
    where status = 'pending' and created_at < $1
      and (expires_at < $1 or num_nonnulls(payment_url, sealed_url, client_secret, provider_reference) = 0)
    order by created_at limit $2
    """,
    """
    select 'refund', case state when 'sending' then 'provider_silent' when 'pending' then 'provider_pending' else 'wallet_silent' end,
           coalesce(sent_at, created_at), refund_id, payment_id, provider, amount_minor, currency
    from payments.refunds where next_at is not null and created_at < $1 limit $2
    """,
    """
    select 'withdrawal',
           case when step = 'approved' then 'not_sent' when step <> 'sending' then 'wallet_silent'
                when unknown_since is not null then 'outcome_unknown' else 'provider_pending' end,
           coalesce(unknown_since, updated_at), withdrawal_id, null, payout_method, amount_minor, currency
    from payments.withdrawals where next_at is not null and updated_at < $1 limit $2
    """,
    """
    select 'order', 'not_delivered', updated_at, null, paid_payment_id, null, amount_minor, currency
    from payments.orders where next_at is not null and updated_at < $1 limit $2
    """,
    """
    select 'order', 'delivery_failed', told.updated_at, null, paid_payment_id, null, told.amount_minor, told.currency
    from payments.orders as told join payments.payments as paid on paid.payment_id = told.paid_payment_id
    where fulfilment = 'failed' and paid.refunded_minor < paid.amount_minor limit $2
    """,
    """
    select 'suspense',
           case when decision is null then 'undecided' when refund_state = 'pending' then 'provider_pending'
                when refund_state = 'sent' then 'provider_silent' else 'wallet_silent' end,
           coalesce(decided_at, created_at), item_id, payment_id, provider, amount_minor, currency
    from payments.suspense_items where status = 'open' and coalesce(decided_at, created_at) < $1
    order by created_at limit $2
    """,
    """
    select 'dispute', 'wallet_silent', updated_at, dispute_id, payment_id, provider, amount_minor, currency
    from payments.disputes where next_at is not null and updated_at < $1 limit $2
    """,
    """
    select 'transfer', 'wallet_silent', created_at, transfer_id, null, null, amount_minor, currency
    from payments.transfers where next_at is not null and created_at < $1 limit $2
    """,
    """
    select 'messages', 'not_published', min(oldest.created_at), null, null, null, null, null
    from payments.outbox_lanes as lane cross join lateral (
        select created_at from payments.outbox where lane = lane.lane and sent_at is null order by id limit 1
    ) as oldest
    where oldest.created_at < $1
    having count(*) > 0
    """,
)

_STUCK: Final = f"""
    with stuck as ({" union all ".join(f"({kind})" for kind in _KINDS)})
    select stuck.*, count(*) over () as total,
           coalesce((select max(of_kind.count) from (select count(*) from stuck group by kind, why) as of_kind), 0) as most
    from stuck order by since, kind, thing_id limit $4
"""  # noqa: S608 - texts of ours


async def paid_in(db: Connection, since: datetime, until: datetime) -> tuple[Figure, ...]:
    """What was paid in that time, with what did not fit; payments from balances are not money that came in."""
    return await _figures(db, _PAID_IN, since, until)


async def refunded(db: Connection, since: datetime, until: datetime) -> tuple[Figure, ...]:
    """Refunds that providers made in that time, out of suspense too, with what they sent back beyond what was left."""
    return await _figures(db, _REFUNDED, since, until)


async def withdrawn(db: Connection, since: datetime, until: datetime) -> tuple[Figure, ...]:
    """Withdrawals that were paid in that time, and have not come back."""
    return await _figures(db, _WITHDRAWN, since, until)


async def waiting(db: Connection) -> tuple[Waiting, ...]:
    """What waits for somebody now, by what it waits for and by currency."""
    return tuple(Waiting(**_sums(row)) for row in await db.fetch(_WAITING, timeout=TIMEOUT_SECONDS))


async def series(db: Connection, bucket: str, first: datetime, until: datetime) -> tuple[SeriesPoint, ...]:
    """How many payments were made in each hour or day from `first` until before `until`, by method and told status."""
    rows = await db.fetch(_SERIES, first, until, bucket, timeout=TIMEOUT_SECONDS)
    return tuple(SeriesPoint(**dict(row)) for row in rows)


async def changed(db: Connection, bucket: str, since: datetime) -> list[datetime]:
    """Where the hours or days begin whose payments are told otherwise than before `since`, if they were over by then."""
    return [row["at"] for row in await db.fetch(_CHANGED, bucket, since, timeout=TIMEOUT_SECONDS)]


async def stuck(db: Connection, now: datetime, after_seconds: float, limit: int) -> tuple[tuple[Stuck, ...], int, bool]:
    """What has been at its step for longer than `after_seconds`, the longest first; how many there are; and whether there may be more: of
    some kind as many were found as are counted.
    """
    rows = await db.fetch(
        _STUCK, now - timedelta(seconds=after_seconds), MAX_STUCK_COUNTED, PAID_FROM_BALANCE, limit, timeout=TIMEOUT_SECONDS
    )
    if not rows:
        return (), 0, False
    return tuple(Stuck(**dict(row)) for row in rows), rows[0]["total"], rows[0]["most"] >= MAX_STUCK_COUNTED


async def _figures(db: Connection, query: str, since: datetime, until: datetime) -> tuple[Figure, ...]:
    rows = await db.fetch(query, since, until, PAID_FROM_BALANCE, timeout=TIMEOUT_SECONDS)
    return tuple(Figure(**_sums(row)) for row in rows)


def _sums(row: Record) -> dict[str, Any]:
    """Sums may be larger than a bigint: the database tells them as numeric."""
    return {**dict(row), "amount_minor": int(row["amount_minor"])}
