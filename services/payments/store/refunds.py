"""Refunds: every change is made to a locked row that is still in the state from which it was decided, and counted with its payment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from services.payments.domain.payments import Payment
from services.payments.domain.refunds import AT_REST, Refund, State
from services.payments.store import cursors, payments
from shared.contracts.payment_commands import Refused
from shared.money import Money
from shared.postgres import Connection

LIST: Final = "r"

_COLUMNS: Final = """
    refund.refund_id, refund.payment_id, refund.provider, refund.amount_minor, refund.currency, refund.fee_minor, refund.owner_id,
    refund.held_minor, refund.loss_minor, refund.excess_minor, refund.state, refund.origin, refund.forced, refund.reason,
    refund.provider_reference, refund.failure_reason, refund.sent_at, refund.told_at, refund.refusal, refund.requested_by, refund.caller,
    refund.external_id, refund.metadata, refund.correlation_id, refund.created_at, refund.updated_at, refund.settled_at
"""
_NOT_LIVE: Final = "('failed', 'refused')"


class ExternalIdReused(Exception):
    """The caller has a live refund under this external_id."""


class ReferenceReused(Exception):
    """The provider's refund of this reference is here already."""


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """A request that was refused before anything was done for it."""

    refund_id: UUID
    refusal: Refused


async def insert(tx: Connection, refund: Refund, *, next_in_seconds: float | None) -> None:
    """Writes a new refund, with None one that is over already. ExternalIdReused, ReferenceReused: nothing is written."""
    try:
        async with tx.transaction():  # a savepoint: the claim of the request's key outlives a refusal
            await tx.execute(
                """
                insert into payments.refunds (
                    refund_id, payment_id, provider, amount_minor, currency, fee_minor, owner_id, wanted_minor, excess_minor, state, origin,
                    forced, reason, provider_reference, told_at, requested_by, caller, external_id, metadata, correlation_id, created_at,
                    updated_at, next_at, failure_reason
                ) values (
                    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $21,
                    clock_timestamp() + make_interval(secs => $22), $23
                )
                """,
                refund.refund_id,
                refund.payment_id,
                refund.provider,
                refund.money.amount_minor,
                refund.money.currency,
                refund.fee_minor,
                refund.owner_id,
                refund.wanted_minor,
                refund.excess_minor,
                refund.state,
                refund.origin,
                refund.forced,
                refund.reason,
                refund.provider_reference,
                refund.told_at,
                refund.requested_by,
                refund.caller,
                refund.external_id,
                orjson.dumps(dict(refund.metadata)).decode(),
                refund.correlation_id,
                refund.created_at,
                next_in_seconds,
                refund.failure_reason,
            )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "refunds_external_id":
            raise ExternalIdReused from error
        if error.constraint_name == "refunds_provider_reference":
            raise ReferenceReused from error
        raise


async def insert_refused(
    tx: Connection, refund_id: UUID, payment_id: UUID | None, refusal: Refused, *, requested_by: str, caller: str
) -> None:
    """Keeps why a request was refused, for whoever polls it."""
    await tx.execute(
        """
        insert into payments.refunds (refund_id, payment_id, state, origin, refusal, requested_by, caller, correlation_id)
        values ($1, $2, 'refused', 'request', $3, $4, $5, $6)
        on conflict (refund_id) do nothing
        """,
        refund_id,
        payment_id,
        refusal.model_dump_json(),
        requested_by,
        caller,
        refusal.request_id,
    )


async def find(db: Connection, refund_id: UUID) -> Refund | RefusedRequest | None:
    row = await db.fetchrow(f"select {_COLUMNS} from payments.refunds as refund where refund_id = $1", refund_id)  # noqa: S608
    return None if row is None else _read(row)


async def lock(tx: Connection, refund_id: UUID) -> Refund:
    """The refund, which must be there, locked until the transaction's end; its payment is locked already."""
    row = await tx.fetchrow(f"select {_COLUMNS} from payments.refunds as refund where refund_id = $1 for update", refund_id)  # noqa: S608
    return _refund(row)


async def lock_told(tx: Connection, payment_id: UUID, refund_id: UUID | None, provider_reference: str) -> Refund | None:
    """The refund of the (locked) payment that a provider means, locked too; a live one before one that failed."""
    row = await tx.fetchrow(
        f"""
        select {_COLUMNS} from payments.refunds as refund
        where payment_id = $1 and state <> 'refused' and (refund_id = $2 or provider_reference = $3)
        order by state = 'failed', refund_id = $2 desc nulls last, created_at
        limit 1 for update
        """,  # noqa: S608
        payment_id,
        refund_id,
        provider_reference,
    )
    return None if row is None else _refund(row)


async def is_asked_for(tx: Connection, payment_id: UUID, amount_minor: int) -> bool:
    """Is the provider being asked for a refund of this sum, whose reference there is not known yet?"""
    found = await tx.fetchval(
        """
        select exists (
            select from payments.refunds
            where payment_id = $1 and amount_minor = $2 and state = 'sending' and provider_reference is null
        )
        """,
        payment_id,
        amount_minor,
    )
    return bool(found)


async def fee_given_back_minor(tx: Connection, payment_id: UUID) -> int:
    """Of the payment's fee, what is back or on its way back."""
    given = await tx.fetchval(
        f"select coalesce(sum(fee_minor), 0)::bigint from payments.refunds where payment_id = $1 and state not in {_NOT_LIVE}",  # noqa: S608
        payment_id,
    )
    assert isinstance(given, int)
    return given


async def save(tx: Connection, before: State, after: Refund, *, next_in_seconds: float) -> None:
    """Writes a locked refund's next state; it is looked at again after that time, unless it has ended."""
    status = await tx.execute(
        """
        update payments.refunds
        set state = $3, held_minor = $4, loss_minor = $5, provider_reference = $6, failure_reason = $7, told_at = $8, refusal = $9,
            settled_at = $10, sent_at = $11, attempts = 0, updated_at = clock_timestamp(),
            next_at = case when $12::float8 is not null then clock_timestamp() + make_interval(secs => $12) end
        where refund_id = $1 and state = $2
        """,
        after.refund_id,
        before,
        after.state,
        after.held_minor,
        after.loss_minor,
        after.provider_reference,
        after.failure_reason,
        after.told_at,
        None if after.refusal is None else after.refusal.model_dump_json(),
        after.settled_at,
        after.sent_at,
        None if after.state in AT_REST else next_in_seconds,
    )
    assert status.endswith(" 1"), "a refund is saved under its lock"


async def look_again(db: Connection, refund_id: UUID, *, in_seconds: float) -> None:
    """Somebody else goes on with what is under way, then."""
    await db.execute(
        """
        update payments.refunds set next_at = least(next_at, clock_timestamp() + make_interval(secs => $2))
        where refund_id = $1 and next_at is not null
        """,
        refund_id,
        in_seconds,
    )


async def count(tx: Connection, payment_id: UUID, refunding_minor: int, refunded_minor: int) -> Payment:
    """Adds to what of the (locked) payment is on its way back, and back; the payment as it is then."""
    row = await tx.fetchrow(
        f"""
        update payments.payments
        set refunding_minor = refunding_minor + $2, refunded_minor = refunded_minor + $3, updated_at = clock_timestamp()
        where payment_id = $1
        returning {payments.COLUMNS}
        """,  # noqa: S608
        payment_id,
        refunding_minor,
        refunded_minor,
    )
    return payments.payment_of(row)


async def find_visible(db: Connection, payment_id: UUID, refund_id: UUID, viewer: str, *, is_admin: bool) -> Refund | RefusedRequest | None:
    """The refund for the payer, the mentor and admins; a refused request for whoever made it. None for anybody else."""
    row = await db.fetchrow(
        f"""
        select {_COLUMNS} from payments.refunds as refund left join payments.payments as payment using (payment_id)
        where refund.refund_id = $2 and coalesce(refund.payment_id, $1) = $1
          and ($3 in (payment.user_id, payment.mentor_id) or $4 or refund.requested_by = $3)
        """,  # noqa: S608
        payment_id,
        refund_id,
        viewer,
        is_admin,
    )
    return None if row is None else _read(row)


async def page(
    db: Connection, payment_id: UUID, limit: int, cursor: str | None, external_id: str | None
) -> tuple[list[Refund], str | None]:
    """Up to `limit` refunds of the payment, the newest first, and the next page's cursor; refused requests are none. MalformedCursor."""
    last = None if cursor is None else cursors.decode(LIST, cursor)
    rows = await db.fetch(
        f"""
        select {_COLUMNS} from payments.refunds as refund
        where payment_id = $1 and state <> 'refused' and ($4::text is null or external_id = $4)
          and ($2::timestamptz is null or (created_at, refund_id) < ($2, $3::uuid))
        order by created_at desc, refund_id desc
        limit $5
        """,  # noqa: S608
        payment_id,
        None if last is None else last.at,
        None if last is None else last.last_id,
        external_id,
        limit + 1,
    )
    found = [_refund(row) for row in rows[:limit]]
    more = len(rows) > limit
    return found, cursors.encode(LIST, cursors.Position(found[-1].created_at, found[-1].refund_id)) if more else None


def _read(row: Any) -> Refund | RefusedRequest:
    if row["state"] == "refused":
        return RefusedRequest(row["refund_id"], Refused.model_validate_json(row["refusal"]))
    return _refund(row)


def _refund(row: Any) -> Refund:
    return Refund(
        refund_id=row["refund_id"],
        payment_id=row["payment_id"],
        provider=row["provider"],
        money=Money(row["amount_minor"], row["currency"]),
        fee_minor=row["fee_minor"],
        owner_id=row["owner_id"],
        state=State(row["state"]),
        origin=row["origin"],
        forced=row["forced"],
        correlation_id=row["correlation_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        reason=row["reason"],
        held_minor=row["held_minor"],
        loss_minor=row["loss_minor"],
        excess_minor=row["excess_minor"],
        provider_reference=row["provider_reference"],
        failure_reason=row["failure_reason"],
        sent_at=row["sent_at"],
        told_at=row["told_at"],
        refusal=None if row["refusal"] is None else Refused.model_validate_json(row["refusal"]),
        requested_by=row["requested_by"],
        caller=row["caller"],
        external_id=row["external_id"],
        metadata=orjson.loads(row["metadata"]),
        settled_at=row["settled_at"],
    )
