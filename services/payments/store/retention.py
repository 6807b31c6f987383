"""Deletes personal data whose time is over, one bounded batch a transaction; what is still open has not begun its time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import orjson

from services.payments import idempotency
from shared.postgres import Connection
from shared.sealing import Seal, Unreadable

_LOCK: Final = 0x5075727365720002
"""Advisory lock of whoever deletes: one replica at a time."""

_OVER: Final = """
    old.pruned_at is null and old.created_at < now() - make_interval(days => $1) and old.updated_at < now() - make_interval(days => $1)
    and (
        old.refusal is not null or old.fulfilment in ('none', 'waiting', 'fulfilled')
        -- Its delivery is tried again as long as nobody has had all of the money back.
        or (old.fulfilment = 'failed' and (
            -- Its one value, not "exists": that would be answered by reading all payments.
            select paid.refunded_minor = paid.amount_minor from payments.payments as paid where paid.payment_id = old.paid_payment_id
        ))
    )
    and not exists (
        select from payments.payments as session
        where session.order_id = old.order_id and (
            session.status = 'pending' or session.watch_until > now() or session.dispute_status = 'open' or session.refunding_minor > 0
            or session.updated_at >= now() - make_interval(days => $1)
        )
    )
"""
"""An order, as `old`, that has ended, and on whose payments nothing has happened for so many days."""


async def take_turn(tx: Connection) -> bool:
    """False: another replica is deleting right now. Ours until the transaction's end."""
    return bool(await tx.fetchval("select pg_try_advisory_xact_lock($1)", _LOCK))


async def prune_events(tx: Connection, days: int, limit: int) -> int:
    """Headers and bodies of provider events that were stored so long ago; how many."""
    status = await tx.execute(
        """
        update payments.provider_events set sealed = null, pruned_at = clock_timestamp()
        where (provider, event_id) in (
            select provider, event_id from payments.provider_events
            where sealed is not null and stored_at < now() - make_interval(days => $1)
            order by stored_at limit $2 for update skip locked
        )
        """,
        days,
        limit,
    )
    return _count(status)


async def prune_withdrawals(tx: Connection, days: int, limit: int) -> int:
    """Destinations of withdrawals that ended so long ago; how many. What comes back from the bank later needs none."""
    status = await tx.execute(
        """
        update payments.withdrawals set destination = null, pruned_at = clock_timestamp()
        where withdrawal_id in (
            select withdrawal_id from payments.withdrawals
            where pruned_at is null and created_at < now() - make_interval(days => $1) and updated_at < now() - make_interval(days => $1)
              and step = 'done'
            order by created_at limit $2 for update skip locked
        )
        """,
        days,
        limit,
    )
    return _count(status)


async def prune_orders(tx: Connection, days: int, limit: int, *, answers: Seal) -> int:
    """Contacts, what products were made from, and payment links of orders that ended so long ago; how many. What was bought stays.
    `answers` seals the kept answers: the links go from there, too."""
    found = await tx.fetch(
        f"select order_id from payments.orders as old where {_OVER} order by created_at limit $2",  # noqa: S608
        days,
        limit,
    )
    order_ids = [row["order_id"] for row in found]
    if not order_ids:
        return 0
    # Payments before their orders, each in the order of their ids: as everybody else locks them. Meanwhile one may have been paid.
    await tx.execute("select from payments.payments where order_id = any($1::uuid[]) order by payment_id for update", order_ids)
    pruned = await tx.fetch(
        f"""
        update payments.orders as old set contact = null, points = null, pruned_at = clock_timestamp()
        where old.order_id = any($2::uuid[]) and {_OVER}
        returning old.order_id
        """,  # noqa: S608
        days,
        order_ids,
    )
    sessions = await tx.fetch(
        "update payments.payments set payment_url = null, sealed_url = null where order_id = any($1::uuid[]) returning payment_id",
        [row["order_id"] for row in pruned],
    )
    await _empty_links(tx, answers, [row["payment_id"] for row in sessions])
    return len(pruned)


async def _empty_links(tx: Connection, seal: Seal, payment_ids: Sequence[UUID]) -> None:
    """Empties the payment links in the kept answers to whoever made these payments; the rest of the answers stays."""
    rows = await tx.fetch(
        """
        select caller, operation, key_hash, answer, sealed_answer from payments.idempotency_keys
        where resource_id = any($1::uuid[]) and num_nonnulls(answer, sealed_answer) > 0
        order by caller, operation, key_hash
        """,
        payment_ids,
    )
    emptied = [
        (row["caller"], row["operation"], row["key_hash"], sealed) for row in rows if (sealed := _without_link(seal, row)) is not None
    ]
    # An answer that is kept is never another one again: nobody has changed it since.
    await tx.execute(
        """
        update payments.idempotency_keys as stored set answer = null, sealed_answer = emptied.sealed_answer
        from unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) as emptied (caller, operation, key_hash, sealed_answer)
        where (stored.caller, stored.operation, stored.key_hash) = (emptied.caller, emptied.operation, emptied.key_hash)
        """,
        *([one[column] for one in emptied] for column in range(4)),
    )


def _without_link(seal: Seal, row: Any) -> bytes | None:
    """The row's answer with an empty link, sealed; None when it has none."""
    try:
        kept = idempotency.kept_answer(seal, row)
    except Unreadable:
        return None  # its key is gone: nobody reads the link any more
    assert kept is not None
    reply = orjson.loads(kept)
    if not reply["answer"].get("payment_url"):
        return None
    reply["answer"]["payment_url"] = ""
    return seal.close(orjson.dumps(reply))


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
