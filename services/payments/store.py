"""Payments and raw provider events in PostgreSQL; one statement a batch where it is bulk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from services.payments.domain import Payment, Status
from shared.contracts.payment_commands import Refused
from shared.money import Money
from shared.postgres import Connection

SCHEMA: Final = "payments"

_ASK_AGAIN_MAX_SECONDS: Final = 270.0

_COLUMNS: Final = """
    payment_id, session_id, user_id, kind, provider, amount_minor, currency, status, charge_reference, locale, payment_url, description,
    refusal, correlation_id, expires_at, completed_at, created_at, updated_at
"""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A raw provider event as it is kept."""

    provider: str
    event_id: str
    headers: dict[str, str]
    body: bytes
    payment_id: UUID | None
    correlation_id: str
    received_at: datetime


async def insert_payment(tx: Connection, payment: Payment, *, reconcile_after_seconds: float) -> bool:
    """Writes a new payment; False when its id is there already (the command was delivered again)."""
    status = await tx.execute(
        """
        insert into payments.payments (
            payment_id, session_id, user_id, kind, provider, amount_minor, currency, status, locale, payment_url, description, refusal,
            correlation_id, expires_at, created_at, updated_at, reconcile_at
        ) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $15::timestamptz + make_interval(secs => $16))
        on conflict (payment_id) do nothing
        """,
        payment.payment_id,
        payment.session_id,
        payment.user_id,
        payment.kind,
        payment.provider,
        payment.money.amount_minor,
        payment.money.currency,
        payment.status,
        payment.locale,
        payment.payment_url,
        payment.description,
        None if payment.refusal is None else payment.refusal.model_dump_json(),
        payment.correlation_id,
        payment.expires_at,
        payment.created_at,
        reconcile_after_seconds,
    )
    return bool(status.endswith(" 1"))


async def save_session(tx: Connection, payment_id: UUID, payment_url: str, expires_at: datetime) -> None:
    """What the provider answered to creating the session; a second answer for the same session changes nothing."""
    await tx.execute(
        """
        update payments.payments set payment_url = $2, expires_at = $3, updated_at = clock_timestamp()
        where payment_id = $1 and payment_url is null
        """,
        payment_id,
        payment_url,
        expires_at,
    )


async def find_payment(db: Connection, payment_id: UUID) -> Payment | None:
    row = await db.fetchrow(f"select {_COLUMNS} from payments.payments where payment_id = $1", payment_id)  # noqa: S608
    return None if row is None else _payment(row)


async def find_visible_payments(db: Connection, asked: Sequence[tuple[UUID, str, bool]]) -> list[Payment | None]:
    """For each (payment or session id, viewer, viewer is admin): the payment, or None when there is none that this viewer may know of."""
    rows = await db.fetch(
        f"""
        select position, {_COLUMNS}
        from unnest($1::uuid[], $2::text[], $3::bool[]) with ordinality as asked (id, viewer, is_admin, position)
        join payments.payments on asked.id in (payment_id, session_id) and (user_id = asked.viewer or asked.is_admin)
        """,  # noqa: S608
        [payment_id for payment_id, _, _ in asked],
        [viewer for _, viewer, _ in asked],
        [is_admin for _, _, is_admin in asked],
    )
    found: list[Payment | None] = [None] * len(asked)
    for row in rows:
        found[row["position"] - 1] = _payment(row)
    return found


async def take_due(tx: Connection, limit: int, again_seconds: float) -> list[Payment]:
    """Pending payments whose provider is to be asked now, the longest due first. Taking one moves its next asking on, to `again_seconds`
    from now or half its age, whichever is later: so one asker has it at a time, and old ones are asked more rarely, yet often enough that
    a payment whose webhook was lost is known within five minutes."""
    rows = await tx.fetch(
        f"""
        update payments.payments
        set reconcile_at = clock_timestamp() + greatest(
            make_interval(secs => $2), least((clock_timestamp() - created_at) / 2, make_interval(secs => $3))
        )
        where payment_id in (
            select payment_id from payments.payments
            where status = 'pending' and reconcile_at <= clock_timestamp()
            order by reconcile_at
            limit $1
            for update skip locked
        )
        returning {_COLUMNS}
        """,  # noqa: S608
        limit,
        again_seconds,
        _ASK_AGAIN_MAX_SECONDS,
    )
    return [_payment(row) for row in rows]


async def lock_by_session(tx: Connection, session_ids: Sequence[UUID]) -> dict[UUID, Payment]:
    """The payments of these sessions, locked until the transaction's end, in the order of their ids so that two batches cannot deadlock."""
    rows = await tx.fetch(
        f"select {_COLUMNS} from payments.payments where session_id = any($1::uuid[]) order by payment_id for update",  # noqa: S608
        session_ids,
    )
    return {row["session_id"]: _payment(row) for row in rows}


async def insert_events(tx: Connection, events: Sequence[StoredEvent]) -> set[tuple[str, str]]:
    """Stores each raw event once; the (provider, event id) of those that were not there before."""
    ordered = sorted(events, key=lambda event: (event.provider, event.event_id))
    rows = await tx.fetch(
        """
        insert into payments.provider_events (provider, event_id, headers, body, payment_id, outcome, correlation_id, received_at)
        select provider, event_id, headers, body, payment_id, 'applied', correlation_id, received_at
        from unnest($1::text[], $2::text[], $3::jsonb[], $4::bytea[], $5::uuid[], $6::text[], $7::timestamptz[])
            as event (provider, event_id, headers, body, payment_id, correlation_id, received_at)
        on conflict (provider, event_id) do nothing
        returning provider, event_id
        """,
        [event.provider for event in ordered],
        [event.event_id for event in ordered],
        [orjson.dumps(event.headers).decode() for event in ordered],
        [event.body for event in ordered],
        [event.payment_id for event in ordered],
        [event.correlation_id for event in ordered],
        [event.received_at for event in ordered],
    )
    return {(row["provider"], row["event_id"]) for row in rows}


async def note_outcomes(tx: Connection, outcomes: Sequence[tuple[str, str, str]]) -> None:
    """For (provider, event id, outcome): what came of events that were not simply applied."""
    if not outcomes:
        return
    await tx.execute(
        """
        update payments.provider_events as stored set outcome = noted.outcome
        from unnest($1::text[], $2::text[], $3::text[]) as noted (provider, event_id, outcome)
        where stored.provider = noted.provider and stored.event_id = noted.event_id
        """,
        [provider for provider, _, _ in outcomes],
        [event_id for _, event_id, _ in outcomes],
        [outcome for _, _, outcome in outcomes],
    )


async def save_settled(tx: Connection, payments: Sequence[Payment]) -> None:
    """Writes the new states of locked payments."""
    if not payments:
        return
    await tx.execute(
        """
        update payments.payments as payment
        set status = settled.status, charge_reference = settled.charge_reference, credit_reference = settled.credit_reference,
            completed_at = settled.completed_at, updated_at = clock_timestamp()
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
            as settled (payment_id, status, charge_reference, credit_reference, completed_at)
        where payment.payment_id = settled.payment_id
        """,
        [payment.payment_id for payment in payments],
        [payment.status.value for payment in payments],
        [payment.charge_reference for payment in payments],
        [payment.credit_reference for payment in payments],
        [payment.completed_at for payment in payments],
    )


def _payment(row: Any) -> Payment:
    return Payment(
        payment_id=row["payment_id"],
        session_id=row["session_id"],
        user_id=row["user_id"],
        kind=row["kind"],
        provider=row["provider"],
        money=Money(row["amount_minor"], row["currency"]),
        status=Status(row["status"]),
        locale=row["locale"],
        correlation_id=row["correlation_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        payment_url=row["payment_url"],
        description=row["description"],
        charge_reference=row["charge_reference"],
        refusal=None if row["refusal"] is None else Refused.model_validate_json(row["refusal"]),
        expires_at=row["expires_at"],
        completed_at=row["completed_at"],
    )
