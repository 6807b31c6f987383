"""Transfers between users."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from services.payments.domain.transfers import UserTransfer
from shared.contracts.payment_commands import Refused
from shared.money import Money
from shared.postgres import Connection

_COLUMNS: Final = """
    transfer_id, from_user_id, to_user_id, amount_minor, currency, reason, status, refusal, requested_by, caller, external_id, metadata,
    correlation_id, created_at, updated_at
"""


class ExternalIdReused(Exception):
    """The caller has a live transfer under this external_id."""


async def insert(tx: Connection, transfer: UserTransfer, *, next_in_seconds: float) -> None:
    """Writes a new transfer, or a refused one; ExternalIdReused: nothing is written."""
    try:
        async with tx.transaction():  # a savepoint: the claim of the request's key outlives a refusal
            await tx.execute(
                """
                insert into payments.transfers (
                    transfer_id, from_user_id, to_user_id, amount_minor, currency, reason, status, refusal, requested_by, caller,
                    external_id, metadata, correlation_id, created_at, updated_at, next_at
                ) values (
                    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14,
                    case when $7 = 'pending' then clock_timestamp() + make_interval(secs => $15) end
                )
                """,
                transfer.transfer_id,
                transfer.from_user_id,
                transfer.to_user_id,
                transfer.money.amount_minor,
                transfer.money.currency,
                transfer.reason,
                transfer.status,
                None if transfer.refusal is None else transfer.refusal.model_dump_json(),
                transfer.requested_by,
                transfer.caller,
                transfer.external_id,
                orjson.dumps(transfer.metadata).decode(),
                transfer.correlation_id,
                transfer.created_at,
                next_in_seconds,
            )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "transfers_external_id":
            raise ExternalIdReused from error
        raise


async def find(db: Connection, transfer_id: UUID) -> UserTransfer | None:
    row = await db.fetchrow(f"select {_COLUMNS} from payments.transfers where transfer_id = $1", transfer_id)  # noqa: S608
    return None if row is None else _transfer(row)


async def find_visible(db: Connection, transfer_id: UUID, viewer: str, *, is_admin: bool) -> UserTransfer | None:
    """The transfer; None when there is none that this viewer may know of. A failed one has moved nothing that concerns the two."""
    row = await db.fetchrow(
        f"""
        select {_COLUMNS} from payments.transfers
        where transfer_id = $1 and ($3 or ($2 in (from_user_id, to_user_id) and status <> 'failed'))
        """,  # noqa: S608
        transfer_id,
        viewer,
        is_admin,
    )
    return None if row is None else _transfer(row)


async def end(tx: Connection, transfer_id: UUID, refusal: Refused | None) -> None:
    """It was moved, or refused; known already: nothing."""
    await tx.execute(
        """
        update payments.transfers
        set status = case when $2::jsonb is null then 'completed' else 'failed' end, refusal = $2, next_at = null,
            updated_at = clock_timestamp()
        where transfer_id = $1 and status = 'pending'
        """,
        transfer_id,
        None if refusal is None else refusal.model_dump_json(),
    )


def _transfer(row: Any) -> UserTransfer:
    return UserTransfer(
        transfer_id=row["transfer_id"],
        from_user_id=row["from_user_id"],
        to_user_id=row["to_user_id"],
        money=Money(row["amount_minor"], row["currency"]),
        reason=row["reason"],
        status=row["status"],
        requested_by=row["requested_by"],
        caller=row["caller"],
        correlation_id=row["correlation_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        refusal=None if row["refusal"] is None else Refused.model_validate_json(row["refusal"]),
        external_id=row["external_id"],
        metadata=orjson.loads(row["metadata"]),
    )
