"""Calling a withdrawal off: asked about once more, then back to the balance, which says what came of it."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.commands import issue
from services.gateway.idempotency import caller_of
from services.gateway.pages.forms import check_form, read_form
from services.gateway.pages.visits import log_in_first, see, uuid_of, visit_of
from services.gateway.parts import GatewayParts
from services.gateway.problems import Problem, RefusedByDecision
from services.gateway.withdrawing import decide, find_withdrawal

router = APIRouter(include_in_schema=False)

_PATH: Final = "/{locale}/balance/withdrawals/{withdrawal_id}/cancel"
_TOO_LATE: Final = frozenset({"withdrawal_not_pending", "withdrawal_final"})


@router.get(_PATH)
async def ask_once_more(request: Request, parts: GatewayParts, locale: str, withdrawal_id: str) -> Response:
    visit = visit_of(request, parts, locale)
    if visit.caller is None:
        return log_in_first(request, parts, visit.locale)
    known = _known(withdrawal_id)
    view = await find_withdrawal(parts.services, str(known), visit.caller.user_id, visit.request_id)
    if view.status != "pending":
        return _back(visit.locale, known)
    return visit.page("withdrawal_cancel.html", withdrawal=view)


@router.post(_PATH)
async def cancel(request: Request, parts: GatewayParts, locale: str, withdrawal_id: str) -> Response:
    visit = visit_of(request, parts, locale)
    form = await read_form(request)
    if visit.caller is None:
        return log_in_first(request, parts, visit.locale)
    known = _known(withdrawal_id)
    check_form(parts, request, visit.caller, form)
    # Without a key: calling the same one off again changes nothing.
    issued = issue(request, parts, caller=caller_of(visit.caller.user_id), operation=f"POST {_PATH}", fingerprint=known.hex * 2)
    try:
        # As its owner: what an admin decides about others' withdrawals is decided on the operator's pages.
        await find_withdrawal(parts.services, str(known), visit.caller.user_id, visit.request_id)
        await decide(issued, visit.caller, str(known), "cancel")
    except RefusedByDecision as refusal:
        if refusal.refused.code not in _TOO_LATE:
            raise
    # Whatever came of it, or none of it yet: the balance page tells the withdrawal's own state.
    return _back(visit.locale, known)


def _known(withdrawal_id: str) -> UUID:
    return uuid_of(withdrawal_id, Problem("withdrawal_not_found", "There is no such withdrawal."))


def _back(locale: str, withdrawal_id: UUID) -> Response:
    return see(f"/{locale}/balance?withdrawal={withdrawal_id}#withdrawals")
