"""The audit log: who did what to what, written in the transaction that does it; never changed."""

from __future__ import annotations

from typing import Any

import orjson

from shared.contracts.base import new_id
from shared.postgres import Connection


async def write_down(tx: Connection, *, actor: str, action: str, resource: str, request_id: str, **details: Any) -> None:
    """`actor` like user:9, `action` like withdrawal.approve, `resource` like withdrawal:0193…; `details`: figures and reasons, nothing
    personal, no secret."""
    await tx.execute(
        "insert into payments.audit (audit_id, actor, action, resource, details, request_id) values ($1, $2, $3, $4, $5, $6)",
        new_id(),
        actor,
        action,
        resource,
        orjson.dumps(details, default=str).decode(),
        request_id,
    )
