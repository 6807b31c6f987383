"""What the audit log says of a login."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from shared.contracts.audit import LoginRecorded

GUEST: Final = "guest"

_ACTIONS: Final = {
    ("password", "succeeded"): "login.succeeded",
    ("password", "failed"): "login.failed",
    ("token", "succeeded"): "session.opened",
    ("token", "failed"): "session.refused",
}


@dataclass(frozen=True, slots=True)
class Action:
    """A row of the log. `actor`: user:9, guest, system; `resource`: what it was done to."""

    audit_id: UUID
    at: datetime
    actor: str
    action: str
    resource: str
    details: Mapping[str, Any]
    request_id: str


def of_login(login: LoginRecorded) -> Action:
    """The same login told twice is the same row. Who failed is nobody that we know, whoever's login was tried."""
    user = None if login.user_id is None else f"user:{login.user_id}"
    tried = "session:unknown" if login.login_hash is None else f"login:{login.login_hash}"
    return Action(
        audit_id=login.message_id,
        at=login.occurred_at,
        actor=user if user is not None and login.outcome == "succeeded" else GUEST,
        action=_ACTIONS[login.method, login.outcome],
        resource=user or tried,
        details={} if login.network is None else {"network": login.network},
        request_id=login.correlation_id,
    )
