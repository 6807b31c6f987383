"""Payments from the balance: when wallet was asked to move their money, and their end when it will not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.payments.domain.payments import Payment
from shared.postgres import Connection

_AGAIN_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Asking:
    """One asking of wallet. `earlier`: another that went unanswered before it, or is still out."""

    payment_id: UUID
    at: datetime
    earlier: datetime | None


async def begin_asking(tx: Connection, payment_id: UUID) -> Asking | None:
    """Takes note that wallet is asked now, and that somebody asks again soon if no answer comes; None when the payment is not pending."""
    row = await tx.fetchrow(
        """
        with before as (
            select payment_id, funds_asked_at from payments.payments where payment_id = $1 and status = 'pending' for update
        )
        update payments.payments as payment
        set funds_asked_at = clock_timestamp(), reconcile_at = clock_timestamp() + make_interval(secs => $2)
        from before where payment.payment_id = before.payment_id
        returning payment.funds_asked_at as asked_at, before.funds_asked_at as earlier
        """,
        payment_id,
        _AGAIN_SECONDS,
    )
    return None if row is None else Asking(payment_id, row["asked_at"], row["earlier"])


async def latest_asking(tx: Connection, payment_id: UUID) -> datetime | None:
    """Of a locked payment."""
    asked_at: datetime | None = await tx.fetchval("select funds_asked_at from payments.payments where payment_id = $1", payment_id)
    return asked_at


async def forget_asking(tx: Connection, asking: Asking) -> None:
    """It was answered: what counts from here on is the earlier one, unless there has been a later one."""
    await tx.execute(
        "update payments.payments set funds_asked_at = $3 where payment_id = $1 and funds_asked_at = $2",
        asking.payment_id,
        asking.at,
        asking.earlier,
    )


async def save_refused(tx: Connection, payment: Payment) -> None:
    """The end of a locked payment that wallet will not move."""
    assert payment.refusal is not None
    await tx.execute(
        """
        update payments.payments set status = $2, refusal = $3, funds_asked_at = null, updated_at = clock_timestamp()
        where payment_id = $1 and status = 'pending'
        """,
        payment.payment_id,
        payment.status,
        payment.refusal.model_dump_json(),
    )
