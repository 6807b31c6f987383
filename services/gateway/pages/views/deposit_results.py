"""Where a top-up's payer comes back to: what has become of the stored payment, whatever the query says."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.auth import Caller
from services.gateway.edge import request_id_of
from services.gateway.pages.returns import without_what_was_appended
from services.gateway.pages.visits import Visit, log_in_first, uuid_of, visit_of
from services.gateway.parts import GatewayParts, Parts
from services.gateway.problems import Problem
from services.gateway.requests import PAYMENT
from services.gateway.settlement import true_status
from shared.contracts.queries import GetPayment, PaymentView

router = APIRouter(include_in_schema=False)

REFRESH_SECONDS: Final = 2
_FAILED: Final = frozenset({"failed", "canceled", "expired"})


@router.get("/{locale}/balance/deposit/success")
async def success(request: Request, parts: GatewayParts, locale: str) -> Response:
    visit = visit_of(request, parts, locale)
    if clean := without_what_was_appended(request, visit.locale):
        return clean
    if visit.caller is None:
        return log_in_first(request, parts, visit.locale)
    view, status = await _payment(request, parts, visit.caller, visit.query.get("session_id"))
    return _told(visit, view, status)


@router.get("/{locale}/balance/deposit")
async def deposit(request: Request, parts: GatewayParts, locale: str) -> Response:
    visit = visit_of(request, parts, locale)
    if visit.caller is None:
        return log_in_first(request, parts, visit.locale)
    session_id = visit.query.get("session_id")
    if session_id is None:
        failed = visit.query.get("error") == "payment_failed"
        return visit.page("deposit_result.html", view=None, state="failed" if failed else "none")
    view, status = await _payment(request, parts, visit.caller, session_id)
    return _told(visit, view, status)


def _told(visit: Visit, view: PaymentView, status: str) -> Response:
    state = "failed" if status in _FAILED else "waiting" if status == "pending" else "paid"
    refresh = REFRESH_SECONDS if state == "waiting" else None
    return visit.page("deposit_result.html", refresh_seconds=refresh, view=view, state=state)


async def _payment(request: Request, parts: Parts, caller: Caller, session_id: str | None) -> tuple[PaymentView, str]:
    known = uuid_of(session_id, Problem("session_not_found", "There is no such session."))
    request_id = request_id_of(request.scope)
    asked = GetPayment(payment_id=str(known), viewer_user_id=caller.user_id, correlation_id=request_id)
    view = await parts.services.question(asked, PAYMENT)
    assert isinstance(view, PaymentView)
    return view, await true_status(parts.services, view, request_id)
