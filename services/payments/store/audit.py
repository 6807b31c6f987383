"""The audit log: who did what to what, written in the transaction that does it; never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from services.payments.domain.audit import Action
from services.payments.store import cursors
from services.payments.store.cursors import Position
from shared.contracts.base import new_id
from shared.postgres import Connection

CURSOR: Final = "a"


async def write_down(tx: Connection, *, actor: str, action: str, resource: str, request_id: str, **details: Any) -> None:
    """`actor` like user:9, `action` like withdrawal.approve, `resource` like withdrawal:0193…; `details`: figures and reasons, nothing
    personal, no secret."""
    await tx.execute(
        "insert into payments.audit (audit_id, actor, action, resource, details, request_id) values ($1, $2, $3, $4, $5, $6)",
        new_id(),
        actor,
        action,
        resource,
        _json(details),
        request_id,
    )


async def write_down_once(tx: Connection, actions: Sequence[Action]) -> None:
    """What was done elsewhere and is told here, perhaps more than once."""
    await tx.execute(
        """
        insert into payments.audit (audit_id, occurred_at, actor, action, resource, details, request_id)
        select * from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::jsonb[], $7::text[])
        on conflict (audit_id) do nothing
        """,
        [action.audit_id for action in actions],
        [action.at for action in actions],
        [action.actor for action in actions],
        [action.action for action in actions],
        [action.resource for action in actions],
        [_json(action.details) for action in actions],
        [action.request_id for action in actions],
    )


@dataclass(frozen=True, slots=True)
class Filter:
    actor: str | None = None
    action: str | None = None
    resource: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def page(db: Connection, wanted: Filter, *, limit: int, cursor: str | None = None) -> tuple[list[Action], str | None]:
    """Up to `limit` actions, newest first, and the next page's cursor. MalformedCursor."""
    values: list[Any] = [limit + 1]
    conditions = ["true"]

    def ask(condition: str, *asked: Any) -> None:
        values.extend(asked)
        numbers = range(len(values) - len(asked) + 1, len(values) + 1)
        conditions.append(condition.format(*(f"${number}" for number in numbers)))

    if wanted.actor is not None:
        ask("actor = {}", wanted.actor)
    if wanted.action is not None:
        ask("action = {}", wanted.action)
    if wanted.resource is not None:
        ask("resource = {}", wanted.resource)
    if wanted.since is not None:
        ask("occurred_at >= {}", wanted.since)
    if wanted.until is not None:
        ask("occurred_at < {}", wanted.until)
    if cursor is not None:
        after = cursors.decode(CURSOR, cursor)
        ask("(occurred_at, audit_id) < ({}, {})", after.at, after.last_id)
    rows = await db.fetch(
        f"""
        select audit_id, occurred_at, actor, action, resource, details, request_id from payments.audit
        where {" and ".join(conditions)} order by occurred_at desc, audit_id desc limit $1
        """,  # noqa: S608
        *values,
    )
    actions = [_action(row) for row in rows[:limit]]
    last = actions[-1] if len(rows) > limit else None
    return actions, None if last is None else cursors.encode(CURSOR, Position(last.at, last.audit_id))


def _action(row: Any) -> Action:
    return Action(
        audit_id=row["audit_id"],
        at=row["occurred_at"],
        actor=row["actor"],
        action=row["action"],
        resource=row["resource"],
        details=orjson.loads(row["details"]),
        request_id=row["request_id"],
    )


def _json(details: Any) -> str:
    return orjson.dumps(details, default=str).decode()
