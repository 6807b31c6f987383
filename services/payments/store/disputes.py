"""Disputes: every change is made to a locked row, its payment locked before it."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from services.payments.domain.disputes import AT_REST, Dispute, GoneBefore, State
from services.payments.domain.payments import Payment
from services.payments.store.refunds import fee_given_back_minor
from shared.money import Money
from shared.postgres import Connection

_COLUMNS: Final = """
    dispute_id, payment_id, provider, dispute_reference, amount_minor, currency, owner_id, owner_minor, fee_minor, loss_minor, state,
    outcome, correlation_id
"""


async def insert(tx: Connection, dispute: Dispute) -> None:
    """Writes a new dispute, due at once; the payment's lock keeps a second one out."""
    await tx.execute(
        """
        insert into payments.disputes (
            dispute_id, payment_id, provider, dispute_reference, amount_minor, currency, owner_id, owner_minor, fee_minor, loss_minor,
            state, outcome, correlation_id, next_at
        ) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, clock_timestamp())
        """,
        dispute.dispute_id,
        dispute.payment_id,
        dispute.provider,
        dispute.dispute_reference,
        dispute.money.amount_minor,
        dispute.money.currency,
        dispute.owner_id,
        dispute.owner_minor,
        dispute.fee_minor,
        dispute.loss_minor,
        dispute.state,
        dispute.outcome,
        dispute.correlation_id,
    )


async def find(db: Connection, dispute_id: UUID) -> Dispute | None:
    row = await db.fetchrow(f"select {_COLUMNS} from payments.disputes where dispute_id = $1", dispute_id)  # noqa: S608
    return None if row is None else _dispute(row)


async def lock_of_payment(tx: Connection, payment_id: UUID) -> list[Dispute]:
    """All disputes of a locked payment, locked until the transaction's end, the first one first."""
    rows = await tx.fetch(
        f"select {_COLUMNS} from payments.disputes where payment_id = $1 order by created_at, dispute_id for update",  # noqa: S608
        payment_id,
    )
    return [_dispute(row) for row in rows]


async def gone_before(tx: Connection, payment: Payment, dispute: Dispute | None = None) -> GoneBefore:
    """What of a locked payment has gone back, with refunds and with disputes that are not won, but for `dispute`."""
    row = await tx.fetchrow(
        """
        select coalesce(sum(owner_minor + fee_minor), 0)::bigint as amount_minor, coalesce(sum(fee_minor), 0)::bigint as fee_minor
        from payments.disputes where payment_id = $1 and state <> 'won' and dispute_id is distinct from $2
        """,
        payment.payment_id,
        None if dispute is None else dispute.dispute_id,
    )
    assert row is not None
    return GoneBefore(
        amount_minor=payment.refunding_minor + payment.refunded_minor + row["amount_minor"],
        fee_minor=await fee_given_back_minor(tx, payment.payment_id) + row["fee_minor"],
        uncertain=payment.refunding_minor > 0,
    )


async def borne_minor(tx: Connection, payment_id: UUID) -> int:
    """What the disputes of a locked payment that are not won take from its owner and the fee."""
    borne = await tx.fetchval(
        "select coalesce(sum(owner_minor + fee_minor), 0)::bigint from payments.disputes where payment_id = $1 and state <> 'won'",
        payment_id,
    )
    assert isinstance(borne, int)
    return borne


async def save_division(tx: Connection, dispute: Dispute) -> None:
    """Who bears a locked dispute whose money has not moved yet."""
    await tx.execute(
        "update payments.disputes set owner_minor = $2, fee_minor = $3, loss_minor = $4 where dispute_id = $1 and state = 'freeing'",
        dispute.dispute_id,
        dispute.owner_minor,
        dispute.fee_minor,
        dispute.loss_minor,
    )


async def may_wait(tx: Connection, dispute: Dispute, limit_seconds: float) -> bool:
    """Was it told of less than so long ago?"""
    young = await tx.fetchval(
        "select created_at > clock_timestamp() - make_interval(secs => $2) from payments.disputes where dispute_id = $1",
        dispute.dispute_id,
        limit_seconds,
    )
    return bool(young)


async def look_now(tx: Connection, payment_id: UUID) -> None:
    """A refund of the locked payment has ended, for which a dispute may wait."""
    await tx.execute(
        "update payments.disputes set next_at = clock_timestamp() where payment_id = $1 and state = 'freeing' and next_at is not null",
        payment_id,
    )


async def save(tx: Connection, dispute: Dispute) -> None:
    """Writes the new state of a locked dispute; one that is not at rest is due at once."""
    await tx.execute(
        """
        update payments.disputes
        set state = $2, outcome = $3, updated_at = clock_timestamp(), attempts = 0,
            next_at = case when $4 then null else clock_timestamp() end
        where dispute_id = $1
        """,
        dispute.dispute_id,
        dispute.state,
        dispute.outcome,
        dispute.state in AT_REST,
    )


async def save_status(tx: Connection, payment: Payment) -> None:
    """How the locked payment is disputed."""
    await tx.execute(
        "update payments.payments set dispute_status = $2, updated_at = clock_timestamp() where payment_id = $1",
        payment.payment_id,
        payment.dispute_status,
    )


def _dispute(row: Any) -> Dispute:
    return Dispute(
        dispute_id=row["dispute_id"],
        payment_id=row["payment_id"],
        provider=row["provider"],
        dispute_reference=row["dispute_reference"],
        money=Money(row["amount_minor"], row["currency"]),
        owner_id=row["owner_id"],
        owner_minor=row["owner_minor"],
        fee_minor=row["fee_minor"],
        loss_minor=row["loss_minor"],
        state=State(row["state"]),
        outcome=row["outcome"],
        correlation_id=row["correlation_id"],
    )
