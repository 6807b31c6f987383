"""Orders, their personal data sealed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, cast
from uuid import UUID

import asyncpg
import orjson

from services.payments.domain.orders import Form, Order
from services.payments.domain.payments import Payment
from shared.contracts.payment_commands import Refused
from shared.money import Money
from shared.postgres import Connection
from shared.sealing import Seal

COLUMNS: Final = """
    order_id, product, caller, user_id, title, amount_minor, currency, locale, fulfilment, failure, paid_payment_id, marked_reference,
    matched, external_id, metadata, refusal, correlation_id, created_at, updated_at, pruned_at
"""

EXTERNAL_ID: Final = "orders_external_id"


class ExternalIdReused(Exception):
    """Another order of the caller that can still be paid, or is, has this external_id."""


@dataclass(frozen=True, slots=True)
class Seals:
    """One key each: whom to reach, what the product is made from, what was made."""

    contact: Seal
    points: Seal
    text: Seal

    @classmethod
    def of(cls, data_keys: tuple[str, ...]) -> Seals:
        return cls(Seal(data_keys, "contact"), Seal(data_keys, "points"), Seal(data_keys, "order-text"))


async def insert_order(tx: Connection, seals: Seals, order: Order, form: Form) -> None:
    """ExternalIdReused: nothing is written."""
    if order.external_id is not None and order.refusal is None:
        await _free_external_id(tx, order.caller, order.external_id)
    try:
        async with tx.transaction():  # a savepoint: what was written before outlives a refusal
            await tx.execute(
                """
                insert into payments.orders (
                    order_id, product, caller, user_id, contact, points, locale, title, amount_minor, currency, fulfilment, external_id,
                    external_id_held, metadata, refusal, correlation_id, created_at, updated_at
                ) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17)
                """,
                order.order_id,
                order.product,
                order.caller,
                order.user_id,
                seals.contact.close(orjson.dumps({"email": form.email, "phone": form.phone})),
                seals.points.close(orjson.dumps({"birth_date": form.birth_date, "points": form.points})),
                order.locale,
                order.title,
                order.money.amount_minor,
                order.money.currency,
                order.fulfilment,
                order.external_id,
                order.external_id is not None and order.refusal is None,
                orjson.dumps(order.metadata).decode(),
                None if order.refusal is None else order.refusal.model_dump_json(),
                order.correlation_id,
                order.created_at,
            )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == EXTERNAL_ID:
            raise ExternalIdReused from error
        raise


async def hold_external_id(tx: Connection, order: Order) -> None:
    """The locked order can be paid again; ExternalIdReused when another has its external_id by now."""
    if order.external_id is None:
        return
    await _free_external_id(tx, order.caller, order.external_id)
    try:
        async with tx.transaction():
            await tx.execute("update payments.orders set external_id_held = true where order_id = $1", order.order_id)
    except asyncpg.UniqueViolationError as error:
        raise ExternalIdReused from error


async def _free_external_id(tx: Connection, caller: str, external_id: str) -> None:
    """An order that nobody has paid and nobody can pay any more lets its external_id go; a payment of it all the same is the order's."""
    await tx.execute(
        """
        update payments.orders as holder set external_id_held = false
        where caller = $1 and external_id = $2 and external_id_held and paid_payment_id is null
          and not exists (
              select from payments.payments as session
              where session.order_id = holder.order_id and session.status = 'pending'
                and (session.expires_at is null or session.expires_at > clock_timestamp())
          )
        """,
        caller,
        external_id,
    )


async def find_order(db: Connection, order_id: UUID) -> Order | None:
    row = await db.fetchrow(f"select {COLUMNS} from payments.orders where order_id = $1", order_id)  # noqa: S608
    return None if row is None else order_of(row)


async def lock_orders(tx: Connection, order_ids: Sequence[UUID]) -> dict[UUID, Order]:
    """The orders, locked until the transaction's end; their payments are locked before."""
    if not order_ids:
        return {}
    rows = await tx.fetch(
        f"select {COLUMNS} from payments.orders where order_id = any($1::uuid[]) order by order_id for update",  # noqa: S608
        order_ids,
    )
    return {row["order_id"]: order_of(row) for row in rows}


async def mark_paid(tx: Connection, completed: Sequence[Payment]) -> None:
    """The orders of these completed payments are paid by them and due, in the transaction that completes the payments."""
    await tx.execute(
        """
        update payments.orders as paid
        set paid_payment_id = payment.payment_id, updated_at = clock_timestamp(),
            fulfilment = case fulfilment when 'waiting' then 'due' else fulfilment end,
            next_at = case fulfilment when 'waiting' then clock_timestamp() else next_at end
        from unnest($1::uuid[], $2::uuid[]) as payment (order_id, payment_id)
        where paid.order_id = payment.order_id and paid.paid_payment_id is null
        """,
        [payment.order_id for payment in completed],
        [payment.payment_id for payment in completed],
    )


async def note_marked(tx: Connection, order_id: UUID, reference: str) -> None:
    """An admin's word has paid the order."""
    await tx.execute("update payments.orders set marked_reference = $2 where order_id = $1", order_id, reference)


async def save_rejected(tx: Connection, order_id: UUID, refusal: Refused) -> None:
    """The provider of its only payment will not take it: the order is refused with it."""
    await tx.execute(
        """
        update payments.orders
        set refusal = $2, fulfilment = 'none', external_id_held = false, updated_at = clock_timestamp()
        where order_id = $1 and paid_payment_id is null and refusal is null
          and (select count(*) from payments.payments as session where session.order_id = $1) = 1
        """,
        order_id,
        refusal.model_dump_json(),
    )


async def note_matched(tx: Connection, order_ids: Sequence[UUID]) -> None:
    """The provider has told its own of these marked orders."""
    await tx.execute(
        "update payments.orders set matched = true, updated_at = clock_timestamp() where order_id = any($1::uuid[])", order_ids
    )


async def find_form(db: Connection, seals: Seals, order_id: UUID) -> Form:
    """The order's personal data, empty when its time is over; Unreadable (shared/sealing.py) when its key is gone."""
    row = await db.fetchrow("select contact, points from payments.orders where order_id = $1", order_id)
    assert row is not None
    if row["contact"] is None:
        return Form(email=None, phone=None)
    contact, made_from = orjson.loads(seals.contact.open(row["contact"])), orjson.loads(seals.points.open(row["points"]))
    born = made_from["birth_date"]
    return Form(
        email=contact["email"],
        phone=contact["phone"],
        birth_date=None if born is None else date.fromisoformat(born),
        points=tuple(made_from["points"]),
    )


# ---- what was delivered


async def find_text(db: Connection, seals: Seals, order_id: UUID) -> str | None:
    """What was made for the order; None until it is."""
    sealed = await db.fetchval("select text from payments.orders where order_id = $1", order_id)
    return None if sealed is None else seals.text.open(sealed).decode()


async def save_text(tx: Connection, seals: Seals, order_id: UUID, text: str) -> bool:
    """Fulfils an order that is due; False when it is not, or no longer."""
    status = await tx.execute(
        """
        update payments.orders set text = $2, fulfilment = 'fulfilled', failure = null, next_at = null, updated_at = clock_timestamp()
        where order_id = $1 and fulfilment = 'due'
        """,
        order_id,
        seals.text.close(text.encode()),
    )
    return status.endswith(" 1")


async def note_failure(tx: Connection, order_id: UUID, reason: str, *, final: bool) -> int | None:
    """Why a due order could not be delivered; `final`: it is not tried again by itself. How often it was tried; None when it is not due."""
    attempts = await tx.fetchval(
        """
        update payments.orders
        set failure = $2, updated_at = clock_timestamp(),
            fulfilment = case when $3 then 'failed' else fulfilment end, next_at = case when $3 then null else next_at end
        where order_id = $1 and fulfilment = 'due'
        returning attempts
        """,
        order_id,
        reason,
        final,
    )
    return cast("int | None", attempts)


async def try_failed_again(tx: Connection) -> int:
    """Orders whose delivery had failed for good are due once more; how many."""
    status = await tx.execute(
        """
        update payments.orders set fulfilment = 'due', attempts = 0, next_at = clock_timestamp(), updated_at = clock_timestamp()
        where fulfilment = 'failed' and pruned_at is null
        """
    )
    return int(status.rpartition(" ")[2])


def order_of(row: Any) -> Order:
    return Order(
        order_id=row["order_id"],
        product=row["product"],
        caller=row["caller"],
        user_id=row["user_id"],
        title=row["title"],
        money=Money(row["amount_minor"], row["currency"]),
        locale=row["locale"],
        fulfilment=row["fulfilment"],
        correlation_id=row["correlation_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        failure=row["failure"],
        paid_payment_id=row["paid_payment_id"],
        marked_reference=row["marked_reference"],
        matched=row["matched"],
        external_id=row["external_id"],
        metadata=orjson.loads(row["metadata"]),
        refusal=None if row["refusal"] is None else Refused.model_validate_json(row["refusal"]),
        pruned=row["pruned_at"] is not None,
    )
