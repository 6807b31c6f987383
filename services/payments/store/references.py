"""Whose is what a provider names: the session that a refund of ours, or a charge, belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.postgres import Connection


@dataclass(frozen=True, slots=True)
class Whose:
    """`given`: the session of the payment that an operator has paid with the charge; `own`: the one that it was made for, whether it has
    paid that or is kept in suspense."""

    given: UUID | None
    own: UUID | None


async def sessions_of_charges(tx: Connection, charges: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Whose]:
    """For each (provider, charge reference, or the provider's name of a session) that is one of ours: whose it is."""
    if not charges:
        return {}
    # Looks into unique indexes; one condition with "or" would read the table.
    rows = await tx.fetch(
        """
        select asked.provider, asked.reference, assigned.session_id as given,
               coalesce(booked.session_id, opened.session_id, kept.session_id) as own
        from unnest($1::text[], $2::text[]) as asked (provider, reference)
        left join payments.payments as booked on booked.credit_reference = asked.provider || ':' || asked.reference
        left join payments.payments as opened on opened.provider = asked.provider and opened.provider_reference = asked.reference
        left join payments.suspense_items as kept
            on kept.provider = asked.provider and kept.charge_reference = asked.reference and kept.part = 'all'
        left join payments.payments as assigned on assigned.payment_id = kept.assigned_payment_id
        """,
        [provider for provider, _ in charges],
        [reference for _, reference in charges],
    )
    return {(row["provider"], row["reference"]): Whose(row["given"], row["own"]) for row in rows}


async def sessions_of_refunds(tx: Connection, refund_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """The sessions of the payments that these refunds send back."""
    if not refund_ids:
        return {}
    rows = await tx.fetch(
        """
        select refund.refund_id, payment.session_id
        from payments.refunds as refund join payments.payments as payment using (payment_id)
        where refund.refund_id = any($1::uuid[]) and payment.session_id is not null
        """,
        list(refund_ids),
    )
    return {row["refund_id"]: row["session_id"] for row in rows}
