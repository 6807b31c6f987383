"""What of our book is compared with a provider's day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.payments.domain.comparison import OurRefund
from services.payments.domain.payments import Payment
from services.payments.store.payments import COLUMNS, payment_of
from shared.money import Money
from shared.postgres import Connection


async def by_session(db: Connection, provider: str, session_ids: Sequence[UUID]) -> dict[UUID, Payment]:
    rows = await db.fetch(
        f"select {COLUMNS} from payments.payments where provider = $1 and session_id = any($2::uuid[])",  # noqa: S608
        provider,
        list(session_ids),
    )
    return {row["session_id"]: payment_of(row) for row in rows}


async def page(db: Connection, provider: str, since: datetime, until: datetime, after: tuple[datetime, UUID], limit: int) -> list[Payment]:
    """Payments of the provider that were made in the window, the oldest first, behind `after` (created_at, payment_id)."""
    rows = await db.fetch(
        f"""
        select {COLUMNS} from payments.payments
        where provider = $1 and session_id is not null and created_at >= $2 and created_at < $3 and (created_at, payment_id) > ($4, $5)
        order by created_at, payment_id limit $6
        """,  # noqa: S608
        provider,
        since,
        until,
        *after,
        limit,
    )
    return [payment_of(row) for row in rows]


async def in_suspense(db: Connection, provider: str, charge_references: Sequence[str]) -> set[str]:
    """Those of these charges of which some money is, or was, in suspense."""
    rows = await db.fetch(
        "select distinct charge_reference from payments.suspense_items where provider = $1 and charge_reference = any($2::text[])",
        provider,
        list(charge_references),
    )
    return {row["charge_reference"] for row in rows}


async def charges_known(db: Connection, provider: str, charge_references: Sequence[str]) -> set[str]:
    """Those of these charges that one of our payments is booked as."""
    rows = await db.fetch(
        "select charge_reference from payments.payments where credit_reference = any($1::text[])",
        [f"{provider}:{reference}" for reference in charge_references],
    )
    return {row["charge_reference"] for row in rows}


async def refunds_named(db: Connection, provider: str, refund_ids: Sequence[UUID], references: Sequence[str]) -> list[OurRefund]:
    """Refunds of payments, and those of suspense items, that the provider names by our id or by its own."""
    rows = await db.fetch(
        """
        select refund_id, refund.provider_reference, charge_reference, refund.amount_minor + refund.excess_minor as amount_minor,
               refund.currency, refund.state, refund.created_at
        from payments.refunds as refund join payments.payments as payment using (payment_id)
        where refund.provider = $1 and state <> 'refused' and (refund_id = any($2::uuid[]) or refund.provider_reference = any($3::text[]))
        union all
        select decision_id, refund_reference, charge_reference, amount_minor, currency,
               case when refund_state = 'settled' then 'succeeded' else 'pending' end, created_at
        from payments.suspense_items
        where provider = $1 and refund_state is not null and (decision_id = any($2::uuid[]) or refund_reference = any($3::text[]))
        """,
        provider,
        list(refund_ids),
        list(references),
    )
    return [_refund(row) for row in rows]


async def refunds_made(db: Connection, provider: str, since: datetime, until: datetime) -> list[OurRefund]:
    """Refunds that are back and were asked for in the window, at the provider itself: not those that an operator recorded by hand."""
    rows = await db.fetch(
        """
        select refund_id, refund.provider_reference, charge_reference, refund.amount_minor + refund.excess_minor as amount_minor,
               refund.currency, refund.state, refund.created_at
        from payments.refunds as refund join payments.payments as payment using (payment_id)
        where refund.provider = $1 and state in ('succeeded', 'reversing') and origin <> 'manual'
          and refund.created_at >= $2 and refund.created_at < $3
        """,
        provider,
        since,
        until,
    )
    return [_refund(row) for row in rows]


def _refund(row: Any) -> OurRefund:
    money = Money(row["amount_minor"], row["currency"])
    return OurRefund(row["refund_id"], row["provider_reference"], row["charge_reference"], money, row["state"], row["created_at"])
