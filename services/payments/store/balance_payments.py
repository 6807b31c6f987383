"""Payments from the balance: who asks wallet now, and their end when it will not move their money."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from services.payments.domain.payments import Payment
from shared.postgres import Connection

_AGAIN_SECONDS: Final = 10.0


async def begin_asking(tx: Connection, payment_id: UUID) -> bool:
    """Wallet is asked now, and again soon if no answer comes; False when the payment is not pending (any more)."""
    row = await tx.fetchrow(
        """
        update payments.payments set reconcile_at = clock_timestamp() + make_interval(secs => $2)
        where payment_id = $1 and status = 'pending'
        returning payment_id
        """,
        payment_id,
        _AGAIN_SECONDS,
    )
    return row is not None


async def save_refused(tx: Connection, payment: Payment) -> None:
    """The end of a locked payment that wallet will not move."""
    assert payment.refusal is not None
    await tx.execute(
        """
        update payments.payments set status = $2, refusal = $3, external_id_held = false, updated_at = clock_timestamp()
        where payment_id = $1 and status = 'pending'
        """,
        payment.payment_id,
        payment.status,
        payment.refusal.model_dump_json(),
    )
