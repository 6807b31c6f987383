"""Withdrawals: every change is made to a locked row that is still at the step from which it was decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from services.payments.domain.withdrawals import Status, Step, Withdrawal
from services.payments.store import cursors
from shared.contracts.payment_commands import Refused
from shared.money import Money
from shared.postgres import Connection

_COLUMNS: Final = """
    withdrawal_id, user_id, amount_minor, currency, destination, destination_type, account_masked, name_masked, payout_method, status, step,
    outcome, decision, decided_by, decided_at, decision_reason, reference, return_reference, failure_reason, unknown_since, refusal, caller,
    external_id, metadata, correlation_id, created_at, updated_at
"""
_LIST: Final = "w"


class ExternalIdReused(Exception):
    """The caller has a live withdrawal under this external_id."""


async def insert(tx: Connection, withdrawal: Withdrawal, *, next_in_seconds: float) -> None:
    """Writes a new withdrawal; ExternalIdReused: nothing is written. The claim of the request's key keeps a second one out."""
    try:
        async with tx.transaction():  # a savepoint: the claim of the request's key outlives a refusal
            await tx.execute(
                """
                insert into payments.withdrawals (
                    withdrawal_id, user_id, amount_minor, currency, destination, destination_type, account_masked, name_masked,
                    payout_method, status, step, refusal, caller, external_id, metadata, correlation_id, created_at, updated_at, next_at
                ) values (
                    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17,
                    clock_timestamp() + make_interval(secs => $18)
                )
                on conflict (withdrawal_id) do nothing
                """,
                withdrawal.withdrawal_id,
                withdrawal.user_id,
                withdrawal.money.amount_minor,
                withdrawal.money.currency,
                withdrawal.destination,
                withdrawal.destination_type,
                withdrawal.account_masked,
                withdrawal.name_masked,
                withdrawal.payout_method,
                withdrawal.status,
                withdrawal.step,
                None if withdrawal.refusal is None else withdrawal.refusal.model_dump_json(),
                withdrawal.caller,
                withdrawal.external_id,
                orjson.dumps(dict(withdrawal.metadata)).decode(),
                withdrawal.correlation_id,
                withdrawal.created_at,
                None if withdrawal.resting else next_in_seconds,
            )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "withdrawals_external_id":
            raise ExternalIdReused from error
        raise


async def find(db: Connection, withdrawal_id: UUID) -> Withdrawal | None:
    row = await db.fetchrow(f"select {_COLUMNS} from payments.withdrawals where withdrawal_id = $1", withdrawal_id)  # noqa: S608
    return None if row is None else _withdrawal(row)


async def find_visible(db: Connection, withdrawal_id: UUID, viewer: str, *, is_admin: bool) -> Withdrawal | None:
    """The withdrawal; None also for whoever may not know of it."""
    row = await db.fetchrow(
        f"select {_COLUMNS} from payments.withdrawals where withdrawal_id = $1 and (user_id = $2 or $3)",  # noqa: S608
        withdrawal_id,
        viewer,
        is_admin,
    )
    return None if row is None else _withdrawal(row)


async def lock(tx: Connection, withdrawal_id: UUID) -> Withdrawal | None:
    """The withdrawal, locked until the transaction's end."""
    row = await tx.fetchrow(f"select {_COLUMNS} from payments.withdrawals where withdrawal_id = $1 for update", withdrawal_id)  # noqa: S608
    return None if row is None else _withdrawal(row)


async def lock_newest(tx: Connection, user_id: str, currency: str, steps: Sequence[Step]) -> Withdrawal | None:
    """The user's newest withdrawal at one of `steps`, locked; one that somebody is moving right now is waited for."""
    asked = (user_id, currency, list(steps))
    while True:
        row = await tx.fetchrow(
            f"""
            select {_COLUMNS} from payments.withdrawals
            where user_id = $1 and currency = $2 and step = any($3::text[])
            order by created_at desc, withdrawal_id desc limit 1 for update
            """,  # noqa: S608
            *asked,
        )
        if row is not None:
            return _withdrawal(row)
        # One that was waited for and is elsewhere now counts as none, though there may be others behind it.
        if not await tx.fetchval(
            "select exists (select from payments.withdrawals where user_id = $1 and currency = $2 and step = any($3::text[]))", *asked
        ):
            return None


async def find_called_off(db: Connection, user_id: str, currency: str) -> list[Withdrawal]:
    """Those of the user that will not be paid, and whose hold wallet has not released yet, as far as we know."""
    rows = await db.fetch(
        f"select {_COLUMNS} from payments.withdrawals where user_id = $1 and currency = $2 and step = 'releasing'",  # noqa: S608
        user_id,
        currency,
    )
    return [_withdrawal(row) for row in rows]


async def save(tx: Connection, former: Withdrawal, withdrawal: Withdrawal, *, next_in_seconds: float) -> bool:
    """Writes the new state if the row is still at the former's step; False otherwise. Looked at again in `next_in_seconds`, unless it
    rests."""
    status = await tx.execute(
        """
        update payments.withdrawals
        set status = $3, step = $4, outcome = $5, decision = $6, decided_by = $7, decided_at = $8, decision_reason = $9, reference = $10,
            return_reference = $11, failure_reason = $12, unknown_since = $13, refusal = $14, updated_at = $15, attempts = 0,
            next_at = clock_timestamp() + make_interval(secs => $16)
        where withdrawal_id = $1 and step = $2
        """,
        withdrawal.withdrawal_id,
        former.step,
        withdrawal.status,
        withdrawal.step,
        withdrawal.outcome,
        withdrawal.decision,
        withdrawal.decided_by,
        withdrawal.decided_at,
        withdrawal.decision_reason,
        withdrawal.reference,
        withdrawal.return_reference,
        withdrawal.failure_reason,
        withdrawal.unknown_since,
        None if withdrawal.refusal is None else withdrawal.refusal.model_dump_json(),
        withdrawal.updated_at,
        None if withdrawal.resting else next_in_seconds,
    )
    return bool(status.endswith(" 1"))


async def note_unknown(tx: Connection, withdrawal_id: UUID) -> bool:
    """Remembers since when the payout's outcome is unknown, and asks soon for the first time; False: it was known to be."""
    status = await tx.execute(
        """
        update payments.withdrawals
        set unknown_since = clock_timestamp(), attempts = 0, next_at = clock_timestamp() + interval '1 second'
        where withdrawal_id = $1 and step = 'sending' and unknown_since is null
        """,
        withdrawal_id,
    )
    return bool(status.endswith(" 1"))


async def lock_day_of(tx: Connection, withdrawal: Withdrawal) -> int:
    """What the user's other withdrawals of its currency and UTC day come to, in minor units: all that are not rejected, canceled or failed,
    and whose money is held. Whoever asks for the same user and currency waits until this transaction has ended."""
    await tx.execute(
        "select pg_advisory_xact_lock(hashtextextended('withdrawal ' || $1 || ' ' || $2, 0))", withdrawal.user_id, withdrawal.money.currency
    )
    total = await tx.fetchval(
        """
        select coalesce(sum(amount_minor), 0)::numeric from payments.withdrawals
        where user_id = $1 and currency = $2 and withdrawal_id <> $3 and step <> 'reserving'
          and status not in ('rejected', 'canceled', 'failed')
          and (outcome is null or outcome not in ('rejected', 'canceled', 'failed'))
          and created_at >= date_trunc('day', $4::timestamptz, 'UTC')
          and created_at < date_trunc('day', $4::timestamptz, 'UTC') + interval '1 day'
        """,
        withdrawal.user_id,
        withdrawal.money.currency,
        withdrawal.withdrawal_id,
        withdrawal.created_at,
    )
    return int(total)


# ---- lists


@dataclass(frozen=True, slots=True)
class Filter:
    """`user_id` none: everybody's."""

    user_id: str | None
    status: str | None
    currency: str | None
    external_id: str | None
    since: datetime | None
    until: datetime | None


async def page(db: Connection, wanted: Filter, limit: int, cursor: str | None) -> tuple[list[Withdrawal], str | None]:
    """Up to `limit` withdrawals, the newest first, and the next page's cursor; refused requests are none. cursors.MalformedCursor."""
    after = None if cursor is None else cursors.decode(_LIST, cursor)
    asked: list[tuple[str, Any]] = [
        ("user_id = {}", wanted.user_id),
        ("status = {}", wanted.status),
        ("currency = {}", wanted.currency),
        ("external_id = {}", wanted.external_id),
        ("created_at >= {}", wanted.since),
        ("created_at < {}", wanted.until),
        ("(created_at, withdrawal_id) < {}", None if after is None else (after.at, after.last_id)),
    ]
    # Only what is asked for is in the statement: with `or … is null` no index would serve it.
    values: list[Any] = [limit + 1]
    conditions = ["refusal is null"]
    for condition, value in asked:
        if value is None:
            continue
        parts = value if isinstance(value, tuple) else (value,)
        values += parts
        places = ", ".join(f"${len(values) - len(parts) + n}" for n in range(1, len(parts) + 1))
        conditions.append(condition.format(f"({places})"))
    rows = await db.fetch(
        f"""
        select {_COLUMNS} from payments.withdrawals
        where {" and ".join(conditions)}
        order by created_at desc, withdrawal_id desc
        limit $1
        """,  # noqa: S608 - texts of ours
        *values,
    )
    found = [_withdrawal(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return found, None
    return found, cursors.encode(_LIST, cursors.Position(found[-1].created_at, found[-1].withdrawal_id))


def _withdrawal(row: Any) -> Withdrawal:
    return Withdrawal(
        withdrawal_id=row["withdrawal_id"],
        user_id=row["user_id"],
        money=Money(row["amount_minor"], row["currency"]),
        destination=row["destination"],
        destination_type=row["destination_type"],
        account_masked=row["account_masked"],
        name_masked=row["name_masked"],
        payout_method=row["payout_method"],
        status=Status(row["status"]),
        step=Step(row["step"]),
        caller=row["caller"],
        correlation_id=row["correlation_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        outcome=None if row["outcome"] is None else Status(row["outcome"]),
        decision=row["decision"],
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        decision_reason=row["decision_reason"],
        reference=row["reference"],
        return_reference=row["return_reference"],
        failure_reason=row["failure_reason"],
        unknown_since=row["unknown_since"],
        refusal=None if row["refusal"] is None else Refused.model_validate_json(row["refusal"]),
        external_id=row["external_id"],
        metadata=orjson.loads(row["metadata"]),
    )
