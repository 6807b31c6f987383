"""Suspense items: each charge's part once; every change is made to a row that is still as it was when the change was decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast
from uuid import UUID

from services.payments.domain.payments import Payment
from services.payments.domain.suspense import STATUS_OF, Decided, Item, ItemStatus, RefundState
from services.payments.store import cursors
from services.payments.store.cursors import Position
from shared.money import Money
from shared.postgres import Connection

_COLUMNS: Final = """
    item_id, provider, charge_reference, part, session_id, payment_id, amount_minor, currency, reason, status, received_at, decision,
    decision_id, decided_by, decided_at, assigned_user_id, assigned_payment_id, decision_reference, decision_reason, refund_state,
    refund_reference, refund_sent_at, correlation_id, created_at
"""

_LIST: Final = "s"
"""The list's name in its cursors."""


async def insert_items(tx: Connection, items: Sequence[Item]) -> list[Item]:
    """Writes down money that has found no place; those of `items` that were not there before."""
    written: list[Item] = []
    # In one order, so that two batches with the same charges cannot deadlock.
    for item in sorted(items, key=lambda item: (item.provider, item.charge_reference, item.part)):
        decided = item.decided
        inserted = await tx.fetchval(
            """
            insert into payments.suspense_items (
                item_id, provider, charge_reference, part, session_id, payment_id, amount_minor, currency, reason, correlation_id,
                created_at, decision, decision_id, decided_by, decided_at, assigned_user_id, next_at
            ) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, clock_timestamp())
            on conflict (provider, charge_reference, part) do nothing
            returning true
            """,
            item.item_id,
            item.provider,
            item.charge_reference,
            item.part,
            item.session_id,
            item.payment_id,
            item.money.amount_minor,
            item.money.currency,
            item.reason,
            item.correlation_id,
            item.created_at,
            None if decided is None else decided.decision,
            None if decided is None else decided.decision_id,
            None if decided is None else decided.by,
            None if decided is None else decided.at,
            None if decided is None else decided.user_id,
        )
        if inserted:
            written.append(item)
    return written


async def find(db: Connection, item_id: UUID) -> Item | None:
    row = await db.fetchrow(f"select {_COLUMNS} from payments.suspense_items where item_id = $1", item_id)  # noqa: S608
    return None if row is None else _item(row)


async def lock_refunded_by(tx: Connection, decision_id: UUID) -> Item | None:
    """The item whose refund has this key at the provider, locked until the transaction's end."""
    row = await tx.fetchrow(
        f"select {_COLUMNS} from payments.suspense_items where decision_id = $1 and decision = 'refund' for update",  # noqa: S608
        decision_id,
    )
    return None if row is None else _item(row)


async def lock_other_charge(tx: Connection, payment: Payment, charge_reference: str | None) -> Item | None:
    """The item that is, or was, this whole charge, locked until the transaction's end; none when it is the one that paid `payment`."""
    if charge_reference is None or charge_reference == payment.charge_reference:
        return None
    row = await tx.fetchrow(
        f"select {_COLUMNS} from payments.suspense_items where provider = $1 and charge_reference = $2 and part = 'all' for update",  # noqa: S608
        payment.provider,
        charge_reference,
    )
    return None if row is None else _item(row)


async def lock_kept(tx: Connection, session_id: UUID, charge_reference: str) -> Item | None:
    """The item that is, or was, this whole charge of a session that no payment of its provider has, locked until the transaction's end."""
    row = await tx.fetchrow(
        f"select {_COLUMNS} from payments.suspense_items where session_id = $1 and charge_reference = $2 and part = 'all' for update",  # noqa: S608
        session_id,
        charge_reference,
    )
    return None if row is None else _item(row)


async def page(db: Connection, status: ItemStatus | None, limit: int, cursor: str | None) -> tuple[list[Item], str | None]:
    """A page, newest first, and the next one's cursor; MalformedCursor."""
    after = None if cursor is None else cursors.decode(_LIST, cursor)
    rows = await db.fetch(
        f"""
        select {_COLUMNS} from payments.suspense_items
        where ($1::text is null or status = $1) and ($2::timestamptz is null or (created_at, item_id) < ($2, $3::uuid))
        order by created_at desc, item_id desc limit $4
        """,  # noqa: S608
        status,
        None if after is None else after.at,
        None if after is None else after.last_id,
        limit + 1,
    )
    items = [_item(row) for row in rows[:limit]]
    more = len(rows) > limit
    return items, cursors.encode(_LIST, Position(items[-1].created_at, items[-1].item_id)) if more else None


# ---- what becomes of one


async def decide(tx: Connection, item_id: UUID, decided: Decided, *, next_in_seconds: float) -> bool:
    """False: it is decided already."""
    return _one(
        await tx.execute(
            """
            update payments.suspense_items
            set decision = $2, decision_id = $3, decided_by = $4, decided_at = $5, assigned_user_id = $6, assigned_payment_id = $7,
                decision_reference = $8, decision_reason = $9, attempts = 0,
                next_at = clock_timestamp() + make_interval(secs => $10)
            where item_id = $1 and decision is null
            """,
            item_id,
            decided.decision,
            decided.decision_id,
            decided.by,
            decided.at,
            decided.user_id,
            decided.payment_id,
            decided.reference,
            decided.reason,
            next_in_seconds,
        )
    )


async def note_received(tx: Connection, item_id: UUID) -> None:
    """The book has the money in suspense."""
    await tx.execute(
        """
        update payments.suspense_items
        set received_at = clock_timestamp(), next_at = case when decision is null then null else next_at end, attempts = 0
        where item_id = $1 and received_at is null
        """,
        item_id,
    )


async def note_refund(tx: Connection, decision_id: UUID, state: RefundState, reference: str | None) -> bool:
    """How far the refund is at the provider; what has settled there does not go back. False: that is so, or it was decided anew."""
    return _one(
        await tx.execute(
            """
            update payments.suspense_items
            set refund_state = $2, refund_reference = $3, refund_sent_at = coalesce(refund_sent_at, clock_timestamp())
            where decision_id = $1 and status = 'open' and refund_state is distinct from 'settled'
            """,
            decision_id,
            state,
            reference,
        )
    )


async def look_now(tx: Connection, item_id: UUID) -> None:
    """Something has been told of an item that is under way."""
    await tx.execute("update payments.suspense_items set next_at = clock_timestamp() where item_id = $1 and next_at is not null", item_id)


async def settle(tx: Connection, item: Item) -> bool:
    """The money has left suspense as `item` was decided; False: that is known."""
    assert item.decided is not None
    return _one(
        await tx.execute(
            """
            update payments.suspense_items set status = $3, settled_at = clock_timestamp(), next_at = null, attempts = 0
            where item_id = $1 and decision_id = $2 and status = 'open' and received_at is not null
            """,
            item.item_id,
            item.decided.decision_id,
            STATUS_OF[item.decided.decision],
        )
    )


async def reopen(tx: Connection, item: Item) -> bool:
    """The provider does not send it back: somebody has to decide again. False: that is known, or it was decided anew."""
    assert item.decided is not None
    return _one(
        await tx.execute(
            """
            update payments.suspense_items
            set decision = null, decision_id = null, decided_by = null, decided_at = null, decision_reference = null,
                decision_reason = null, refund_state = null, refund_reference = null, refund_sent_at = null, attempts = 0,
                next_at = case when received_at is null then next_at end
            where item_id = $1 and decision_id = $2 and decision = 'refund' and status = 'open'
              and refund_state is distinct from 'settled'
            """,
            item.item_id,
            item.decided.decision_id,
        )
    )


def _one(status: str) -> bool:
    return status.endswith(" 1")


def _item(row: Any) -> Item:
    decided = row["decision"] and Decided(
        decision=row["decision"],
        decision_id=row["decision_id"],
        by=row["decided_by"],
        at=row["decided_at"],
        user_id=row["assigned_user_id"],
        payment_id=row["assigned_payment_id"],
        reference=row["decision_reference"],
        reason=row["decision_reason"],
    )
    return Item(
        item_id=row["item_id"],
        provider=row["provider"],
        charge_reference=row["charge_reference"],
        part=row["part"],
        session_id=row["session_id"],
        payment_id=row["payment_id"],
        money=Money(row["amount_minor"], row["currency"]),
        reason=row["reason"],
        correlation_id=row["correlation_id"],
        created_at=row["created_at"],
        status=row["status"],
        received=row["received_at"] is not None,
        decided=cast("Decided | None", decided),
        refund_state=row["refund_state"],
        refund_reference=row["refund_reference"],
        refund_sent_at=row["refund_sent_at"],
    )
