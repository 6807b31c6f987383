"""Charges: which payment a provider's charge has been booked as."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from shared.postgres import Connection


async def booked_as(tx: Connection, credit_references: Sequence[str]) -> dict[str, UUID]:
    """Those of these references that are some payment's, and whose."""
    if not credit_references:
        return {}
    rows = await tx.fetch(
        "select credit_reference, payment_id from payments.payments where credit_reference = any($1::text[])", list(credit_references)
    )
    return {row["credit_reference"]: row["payment_id"] for row in rows}
