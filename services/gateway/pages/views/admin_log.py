"""Who did what, for the operator: the audit log, newest first."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.pages.administration import words
from services.gateway.pages.administration.admission import admitted
from services.gateway.parts import GatewayParts
from services.gateway.problems import Problem
from services.gateway.requests import AUDIT
from shared.contracts.audit import AuditedAction, AuditPage, ListAudit

router = APIRouter(include_in_schema=False)

_PAGE: Final = 30
_CURSOR_LENGTH_MAX: Final = 2_000
_ACTION: Final = re.compile(r"[a-z_]+(\.[a-z_]+)*")
_ACTION_LENGTH_MAX: Final = 100
_PATHS: Final = {"withdrawal": "admin/withdrawals", "suspense": "admin/suspense", "payment": "payments"}
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@router.get("/{locale}/admin/log")
async def show(request: Request, parts: GatewayParts, locale: str) -> Response:
    visitor = admitted(request, parts, locale)
    if isinstance(visitor, Response):
        return visitor
    visit, _ = visitor
    wanted = visit.query.get("action", "").strip()
    action = wanted if len(wanted) <= _ACTION_LENGTH_MAX and _ACTION.fullmatch(wanted) else None
    cursor = visit.query.get("cursor") or None
    if cursor is not None and len(cursor) > _CURSOR_LENGTH_MAX:
        raise Problem("invalid_cursor", "The cursor is not one of ours.")
    page = await parts.services.question(ListAudit(action=action, limit=_PAGE, cursor=cursor, correlation_id=visit.request_id), AUDIT)
    assert isinstance(page, AuditPage)
    base, kept = f"/{visit.locale}/admin/log", {} if action is None else {"action": action}
    return visit.page(
        "admin_log.html",
        items=page.items,
        action=wanted[:_ACTION_LENGTH_MAX],
        unknown_action=bool(wanted) and action is None,
        older=None if page.next_cursor is None else f"{base}?{urlencode({**kept, 'cursor': page.next_cursor})}",
        newest=None if cursor is None else f"{base}?{urlencode(kept)}",
        done_to=_done_to,
        path=lambda one: _path(visit.locale, one),
        who=lambda actor: words.who(visit, actor),
    )


def _path(locale: str, action: AuditedAction) -> str | None:
    """Where what it was done to is shown."""
    kind, _, thing_id = action.resource.partition(":")
    return f"/{locale}/{_PATHS[kind]}/{thing_id}" if kind in _PATHS and _UUID.fullmatch(thing_id) else None


def _done_to(action: AuditedAction) -> str:
    """An order's id is its secret: whoever looks over the operator's shoulder need not have it."""
    kind, _, _ = action.resource.partition(":")
    return "order" if kind == "order" else action.resource
