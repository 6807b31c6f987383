"""Which cards a user has paid with, as far as a provider can pay out to them."""

from __future__ import annotations

from uuid import UUID

from shared.postgres import Connection


async def find_charge(tx: Connection, payment_id: UUID, user_id: str, provider: str) -> str | None:
    """The provider's own reference of a charge that this user has paid there, that is not all back and that nobody disputes."""
    reference = await tx.fetchval(
        """
        select charge_reference from payments.payments
        where payment_id = $1 and user_id = $2 and provider = $3 and status = 'completed'
          and refunded_minor < amount_minor and (dispute_status is null or dispute_status = 'won')
        """,
        payment_id,
        user_id,
        provider,
    )
    return None if reference is None else str(reference)
