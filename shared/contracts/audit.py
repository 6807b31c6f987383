"""The audit log: what the gateway tells of logins, the question for the log, and the answer."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from shared.contracts.base import Message, Reply, UserId

MAX_ACTIONS = 100


class LoginRecorded(Message):
    """Somebody logged in, or tried to. `user_id`: whose login it is, where there is such a one; else `login_hash`, keyed, so that nobody
    learns what was typed. `network`: where it came from, so far as not to tell one household from its neighbours."""

    type: Literal["login.recorded.v1"] = "login.recorded.v1"
    method: Literal["password", "token"]
    outcome: Literal["succeeded", "failed"]
    user_id: UserId | None
    login_hash: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")
    network: str | None = Field(default=None, max_length=64)


class ListAudit(Message):
    """Who did what, newest first, for an admin. `cursor` is payments' own, opaque."""

    type: Literal["list-audit.v1"] = "list-audit.v1"
    actor: str | None = Field(default=None, max_length=100)
    action: str | None = Field(default=None, max_length=100)
    resource: str | None = Field(default=None, max_length=200)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    limit: int = Field(default=20, ge=1, le=MAX_ACTIONS)
    cursor: str | None = Field(default=None, max_length=4000)


class AuditedAction(BaseModel):
    model_config = ConfigDict(frozen=True)
    id: UUID
    at: AwareDatetime
    actor: str
    action: str
    resource: str
    details: dict[str, JsonValue]
    request_id: str


class AuditPage(Reply):
    type: Literal["audit-page.v1"] = "audit-page.v1"
    items: tuple[AuditedAction, ...]
    next_cursor: str | None
