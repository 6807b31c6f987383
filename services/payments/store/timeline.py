"""Reads what was kept of one payment's way; every list is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.payments.domain.payments import Payment
from services.payments.domain.timeline import KeptAction, KeptEvent, KeptMessage, KeptStep, Subject
from services.payments.store.events import unsealed
from services.payments.store.payments import COLUMNS, payment_of
from shared.postgres import Connection
from shared.sealing import Seal, Unreadable

EVENTS_MAX: Final = 100
FOLLOWED_MAX: Final = 50
ACTIONS_MAX: Final = 100
_RAW_BYTES_MAX: Final = 1_000_000
"""Of all raw payloads of one answer together, the newest first."""


async def find_subject(db: Connection, payment_id: UUID, viewer: str, *, is_admin: bool) -> Subject | None:
    """The payment with this id, or of the session with this id; None also for whoever may not know of it."""
    row = await db.fetchrow(
        f"""
        select {COLUMNS}, opened_at, settled_at from payments.payments
        where $1 in (payment_id, session_id) and ($2 in (user_id, mentor_id) or $3)
        """,  # noqa: S608
        payment_id,
        viewer,
        is_admin,
    )
    return None if row is None else Subject(payment_of(row), row["opened_at"], row["settled_at"])


async def list_events(db: Connection, payment_id: UUID, seal: Seal | None) -> list[KeptEvent]:
    """The newest events of the payment, oldest first; with their raw payloads when there is a seal to open them."""
    rows = await db.fetch(
        """
        select provider, event_id, outcome, correlation_id, received_at, stored_at, pruned_at, case when $3 then sealed end as sealed
        from payments.provider_events where payment_id = $1 order by stored_at desc, received_at desc, event_id limit $2
        """,
        payment_id,
        EVENTS_MAX,
        seal is not None,
    )
    events = []
    left = _RAW_BYTES_MAX
    for row in rows:
        raw = {} if seal is None else _raw(seal, row, left)
        left -= len(row["sealed"] or b"")
        events.append(
            KeptEvent(
                provider=row["provider"],
                event_id=row["event_id"],
                outcome=row["outcome"],
                request_id=row["correlation_id"],
                received_at=row["received_at"],
                stored_at=row["stored_at"],
                raw=raw,
            )
        )
    return events[::-1]


async def list_refunds(db: Connection, payment_id: UUID) -> list[KeptStep]:
    """The newest refunds, oldest first; refused requests are none."""
    rows = await db.fetch(
        """
        select refund_id, state, amount_minor, currency, fee_minor, origin, forced, reason, provider_reference, failure_reason,
               correlation_id, created_at, updated_at, settled_at
        from payments.refunds where payment_id = $1 and state <> 'refused'
        order by created_at desc, refund_id desc limit $2
        """,
        payment_id,
        FOLLOWED_MAX,
    )
    return [_refund(row) for row in reversed(rows)]


async def list_disputes(db: Connection, payment_id: UUID) -> list[KeptStep]:
    rows = await db.fetch(
        """
        select dispute_id, dispute_reference, amount_minor, currency, state, correlation_id, created_at, updated_at
        from payments.disputes where payment_id = $1 order by created_at, dispute_id limit $2
        """,
        payment_id,
        FOLLOWED_MAX,
    )
    return [_dispute(row) for row in rows]


async def list_suspense(db: Connection, payment_id: UUID) -> list[KeptStep]:
    """Money that came for the payment and did not fit, or that became it."""
    rows = await db.fetch(
        """
        select item_id, provider, charge_reference, amount_minor, currency, reason, status, correlation_id, created_at, settled_at
        from payments.suspense_items
        where item_id in (
            select item_id from payments.suspense_items where payment_id = $1
            union select item_id from payments.suspense_items where assigned_payment_id = $1
        )
        order by created_at, item_id limit $2
        """,
        payment_id,
        FOLLOWED_MAX,
    )
    return [_suspense(row) for row in rows]


async def list_messages(db: Connection, payment: Payment, moments: Sequence[datetime]) -> list[KeptMessage]:
    """Messages about the payment that were written at about these moments and are still kept."""
    keys = {payment.user_id, payment.mentor_id, str(payment.payment_id)} - {None}
    rows = await db.fetch("select * from payments.messages_of($1, $2, $3)", payment.payment_id, list(keys), list(moments))
    return [KeptMessage(row["message_type"], row["message_id"], row["correlation_id"], row["written_at"], row["sent_at"]) for row in rows]


async def list_actions(db: Connection, resources: Sequence[str]) -> list[KeptAction]:
    """What the audit log has of these resources, oldest first."""
    rows = await db.fetch(
        """
        select audit_id, occurred_at, actor, action, resource, request_id from payments.audit
        where resource = any($1) order by occurred_at desc limit $2
        """,
        list(resources),
        ACTIONS_MAX,
    )
    return [
        KeptAction(row["audit_id"], row["occurred_at"], row["actor"], row["action"], row["resource"], row["request_id"])
        for row in reversed(rows)
    ]


def _refund(row: Any) -> KeptStep:
    money = {"amount_minor": row["amount_minor"], "currency": row["currency"]}
    changes: list[tuple[str, datetime, dict[str, Any]]] = []
    if row["settled_at"] is not None:
        changes.append(("succeeded", row["settled_at"], {**money, "fee_minor": row["fee_minor"]}))
    if row["state"] == "failed":
        changes.append(("failed", row["updated_at"], {"reason": row["failure_reason"]}))
    return KeptStep(
        kind="refund",
        thing_id=row["refund_id"],
        request_id=row["correlation_id"],
        began_as="requested",
        began_at=row["created_at"],
        changes=tuple(changes),
        ids={} if row["provider_reference"] is None else {"provider_reference": row["provider_reference"]},
        detail={**money, "origin": row["origin"], "forced": row["forced"], "reason": row["reason"]},
    )


def _dispute(row: Any) -> KeptStep:
    money = {"amount_minor": row["amount_minor"], "currency": row["currency"]}
    ended = row["state"] in ("won", "lost")
    return KeptStep(
        kind="dispute",
        thing_id=row["dispute_id"],
        request_id=row["correlation_id"],
        began_as="opened",
        began_at=row["created_at"],
        changes=((row["state"], row["updated_at"], money),) if ended else (),
        ids={"provider_reference": row["dispute_reference"]},
        detail=money,
    )


def _suspense(row: Any) -> KeptStep:
    money = {"amount_minor": row["amount_minor"], "currency": row["currency"]}
    return KeptStep(
        kind="suspense",
        thing_id=row["item_id"],
        request_id=row["correlation_id"],
        began_as="opened",
        began_at=row["created_at"],
        changes=() if row["settled_at"] is None else ((row["status"], row["settled_at"], money),),
        ids={"transaction_id": f"{row['provider']}:{row['charge_reference']}"},
        detail={**money, "reason": row["reason"]},
    )


def _raw(seal: Seal, row: Any, bytes_left: int) -> dict[str, Any]:
    sealed: bytes | None = row["sealed"]
    if row["pruned_at"] is not None:
        return {"raw_left_out": "deleted after its time"}
    if sealed is None:
        return {"raw_left_out": "not kept"}
    if len(sealed) > bytes_left:
        return {"raw_left_out": "too large together with the newer ones"}
    try:
        headers, body = unsealed(seal, sealed)
    except Unreadable:
        return {"raw_left_out": "none of DATA_KEYS opens it"}
    try:
        return {"headers": headers, "body": body.decode()}
    except UnicodeDecodeError:
        return {"headers": headers, "body_hex": body.hex()}
