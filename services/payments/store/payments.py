"""Payments; one statement a batch where it is bulk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from services.payments.domain.payments import Payment, Status
from shared.contracts.payment_commands import Refused
from shared.money import Money
from shared.postgres import Connection

SCHEMA: Final = "payments"

COLUMNS: Final = """
    payment_id, session_id, user_id, kind, provider, amount_minor, currency, status, charge_reference, locale, payment_url, description,
    refusal, correlation_id, expires_at, completed_at, created_at, updated_at, mentor_id, coaching_session_id, order_id, fee_minor,
    refunding_minor, refunded_minor, dispute_status, caller, external_id, metadata, credit_reference, provider_reference, client_secret,
    sealed_url
"""


class ExternalIdReused(Exception):
    """The caller has a live payment of this kind under this external_id."""


async def insert_payment(tx: Connection, payment: Payment, *, reconcile_after_seconds: float) -> bool:
    """Writes a new payment; False when its id is there already (the command was delivered again). ExternalIdReused: nothing is written."""
    # An order's payments have the order's, which holds it for all of them.
    holds = payment.external_id is not None and payment.refusal is None and payment.order_id is None
    if holds:
        await _free_external_id(tx, payment)
    try:
        async with tx.transaction():  # a savepoint: the claim of the request's key outlives a refusal
            status = await tx.execute(
                """
                insert into payments.payments (
                    payment_id, session_id, user_id, kind, provider, amount_minor, currency, status, locale, sealed_url, description,
                    refusal, correlation_id, expires_at, created_at, updated_at, reconcile_at, mentor_id, coaching_session_id, order_id,
                    fee_minor, caller, external_id, metadata, external_id_held
                ) values (
                    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15,
                    $15::timestamptz + make_interval(secs => $16), $17, $18, $19, $20, $21, $22, $23, $24
                )
                on conflict (payment_id) do nothing
                """,
                payment.payment_id,
                payment.session_id,
                payment.user_id,
                payment.kind,
                payment.provider,
                payment.money.amount_minor,
                payment.money.currency,
                payment.status,
                payment.locale,
                payment.sealed_url,
                payment.description,
                None if payment.refusal is None else payment.refusal.model_dump_json(),
                payment.correlation_id,
                payment.expires_at,
                payment.created_at,
                reconcile_after_seconds,
                payment.mentor_id,
                payment.coaching_session_id,
                payment.order_id,
                payment.fee_minor,
                payment.caller,
                payment.external_id,
                orjson.dumps(payment.metadata).decode(),
                holds,
            )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "payments_external_id":
            raise ExternalIdReused from error
        raise
    return bool(status.endswith(" 1"))


async def _free_external_id(tx: Connection, payment: Payment) -> None:
    """A session that is over lets its payment's external_id go, though nobody may have written down yet that it has expired."""
    await tx.execute(
        """
        update payments.payments set external_id_held = false
        where caller = $1 and kind = $2 and external_id = $3 and external_id_held and payment_id <> $4
          and status = 'pending' and expires_at <= clock_timestamp()
        """,
        payment.caller,
        payment.kind,
        payment.external_id,
        payment.payment_id,
    )


async def find_payment(db: Connection, payment_id: UUID) -> Payment | None:
    row = await db.fetchrow(f"select {COLUMNS} from payments.payments where payment_id = $1", payment_id)  # noqa: S608
    return None if row is None else payment_of(row)


async def lock_payment(tx: Connection, payment_id: UUID) -> Payment | None:
    """The payment, locked until the transaction's end."""
    row = await tx.fetchrow(f"select {COLUMNS} from payments.payments where payment_id = $1 for update", payment_id)  # noqa: S608
    return None if row is None else payment_of(row)


async def find_visible_payments(db: Connection, asked: Sequence[tuple[UUID, str, bool]]) -> list[Payment | None]:
    """For each (payment or session id, viewer, viewer is admin): the payment, or None when there is none that this viewer may know of. An
    order's session is authorised by knowing its id."""
    rows = await db.fetch(
        f"""
        select position, {COLUMNS}
        from unnest($1::uuid[], $2::text[], $3::bool[]) with ordinality as asked (id, viewer, is_admin, position)
        join payments.payments on asked.id in (payment_id, session_id)
            and (asked.viewer in (user_id, mentor_id) or asked.is_admin or (kind = 'order' and asked.id = session_id))
        """,  # noqa: S608
        [payment_id for payment_id, _, _ in asked],
        [viewer for _, viewer, _ in asked],
        [is_admin for _, _, is_admin in asked],
    )
    found: list[Payment | None] = [None] * len(asked)
    for row in rows:
        found[row["position"] - 1] = payment_of(row)
    return found


async def lock_with_siblings(tx: Connection, session_ids: Sequence[UUID]) -> dict[UUID, Payment]:
    """The payments of these sessions, and all others of the orders among them, locked until the transaction's end, in the order of their
    ids so that two batches cannot deadlock."""
    # An array, and each order's payments by themselves: with no statistics yet, a join would read the whole table.
    rows = await tx.fetch(
        f"""
        with asked as (select payment_id, order_id from payments.payments where session_id = any($1::uuid[]))
        select {COLUMNS} from payments.payments
        where session_id is not null and payment_id = any(array(
            select payment_id from asked
            union
            select sibling.payment_id
            from asked cross join lateral (
                select payment_id from payments.payments as one where one.order_id = asked.order_id offset 0
            ) as sibling
            where asked.order_id is not null
        ))
        order by payment_id for update
        """,  # noqa: S608
        session_ids,
    )
    return {row["session_id"]: payment_of(row) for row in rows}


async def lock_of_order(tx: Connection, order_id: UUID) -> list[Payment]:
    """All payments of the order, locked until the transaction's end; the first one first."""
    rows = await tx.fetch(
        f"select {COLUMNS} from payments.payments where order_id = $1 order by payment_id for update",  # noqa: S608
        order_id,
    )
    return sorted(map(payment_of, rows), key=_age)


async def list_of_order(db: Connection, order_id: UUID) -> list[Payment]:
    """All payments of the order, the first one first."""
    rows = await db.fetch(f"select {COLUMNS} from payments.payments where order_id = $1", order_id)  # noqa: S608
    return sorted(map(payment_of, rows), key=_age)


async def find_session(db: Connection, session_id: UUID, provider: str, viewer: str | None) -> Payment | None:
    """The payment of this session at the provider: an order's for whoever knows it, another's only for its payer."""
    row = await db.fetchrow(
        f"""
        select {COLUMNS} from payments.payments
        where session_id = $1 and provider = $2 and (kind = 'order' or user_id = $3)
        """,  # noqa: S608
        session_id,
        provider,
        viewer,
    )
    return None if row is None else payment_of(row)


def _age(payment: Payment) -> tuple[datetime, UUID]:
    return payment.created_at, payment.payment_id


async def save_charge_reference(tx: Connection, payment_id: UUID, charge_reference: str) -> None:
    """The charge's real reference of a payment that is booked already, under the one that it has been told by."""
    await tx.execute(
        "update payments.payments set charge_reference = $2, updated_at = clock_timestamp() where payment_id = $1",
        payment_id,
        charge_reference,
    )


async def save_settled(tx: Connection, payments: Sequence[Payment]) -> None:
    """Writes the new states of locked payments."""
    if not payments:
        return
    await tx.execute(
        """
        update payments.payments as payment
        set status = settled.status, charge_reference = settled.charge_reference, credit_reference = settled.credit_reference,
            completed_at = settled.completed_at, updated_at = clock_timestamp(),
            external_id_held = external_id_held and settled.status in ('pending', 'completed'),
            watch_until = case when settled.status <> 'completed' then payment.watch_until end
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
            as settled (payment_id, status, charge_reference, credit_reference, completed_at)
        where payment.payment_id = settled.payment_id
        """,
        [payment.payment_id for payment in payments],
        [payment.status.value for payment in payments],
        [payment.charge_reference for payment in payments],
        [payment.credit_reference for payment in payments],
        [payment.completed_at for payment in payments],
    )


def payment_of(row: Any) -> Payment:
    return Payment(
        payment_id=row["payment_id"],
        session_id=row["session_id"],
        user_id=row["user_id"],
        kind=row["kind"],
        provider=row["provider"],
        money=Money(row["amount_minor"], row["currency"]),
        status=Status(row["status"]),
        locale=row["locale"],
        correlation_id=row["correlation_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        sealed_url=row["sealed_url"],
        unsealed_url=row["payment_url"],
        description=row["description"],
        charge_reference=row["charge_reference"],
        refusal=None if row["refusal"] is None else Refused.model_validate_json(row["refusal"]),
        expires_at=row["expires_at"],
        completed_at=row["completed_at"],
        mentor_id=row["mentor_id"],
        coaching_session_id=row["coaching_session_id"],
        order_id=row["order_id"],
        fee_minor=row["fee_minor"],
        refunding_minor=row["refunding_minor"],
        refunded_minor=row["refunded_minor"],
        dispute_status=row["dispute_status"],
        caller=row["caller"],
        external_id=row["external_id"],
        metadata=orjson.loads(row["metadata"]),
        booked_as=row["credit_reference"],
        provider_reference=row["provider_reference"],
        client_secret=row["client_secret"],
    )
