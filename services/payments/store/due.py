"""When a saga's row is looked at next: `next_at` (none: at rest) and `attempts` since its last step, in each of their tables."""

from __future__ import annotations

from typing import Final, Literal
from uuid import UUID

from shared.postgres import Connection

SagaTable = Literal["refunds", "withdrawals", "disputes", "suspense_items", "orders", "transfers"]

_KEYS: Final[dict[SagaTable, str]] = {
    "refunds": "refund_id",
    "withdrawals": "withdrawal_id",
    "disputes": "dispute_id",
    "suspense_items": "item_id",
    "orders": "order_id",
    "transfers": "transfer_id",
}
_AGAIN_MAX_SECONDS: Final = 240.0


async def take_due(tx: Connection, table: SagaTable, limit: int) -> list[UUID]:
    """The ids of rows that are due, the longest first. Each is due again after 1, 2, 4 … 240 seconds unless a step says otherwise: so one
    replica has it at a time, and a crash loses nothing."""
    key = _KEYS[table]
    rows = await tx.fetch(
        f"""
        update payments.{table}
        set attempts = attempts + 1, next_at = clock_timestamp() + make_interval(secs => least(power(2, least(attempts, 20)), $2))
        where {key} in (
            select {key} from payments.{table} where next_at <= clock_timestamp() order by next_at limit $1 for update skip locked
        )
        returning {key}
        """,  # noqa: S608 - names of ours
        limit,
        _AGAIN_MAX_SECONDS,
    )
    return [row[key] for row in rows]
