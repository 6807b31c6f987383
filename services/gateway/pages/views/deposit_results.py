"""Where a top-up's payer comes back to: what has become of the stored payment, whatever the query says."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.auth import Caller
from services.gateway.edge import request_id_of
from services.gateway.pages.returns import without_what_was_appended
from services.gateway.pages.visits import PageRoute, log_in_first, require_locale, uuid_of, visitor
from services.gateway.parts import GatewayParts, Parts
from services.gateway.problems import Problem
from services.gateway.requests import PAYMENT
from services.gateway.settlement import true_status
from shared.contracts.queries import GetPayment, PaymentView

router = APIRouter(route_class=PageRoute, include_in_schema=False)

REFRESH_SECONDS: Final = 2
_FAILED: Final = frozenset({"failed", "canceled", "expired"})


@router.get("/{locale}/balance/deposit/success")
async def success(request: Request, parts: GatewayParts, locale: str) -> Response:
    spoken = require_locale(locale)
    if clean := without_what_was_appended(request, spoken):
        return clean
    caller = visitor(request, parts)
    if caller is None:
        return log_in_first(request, parts, spoken)
    view, status = await _payment(request, parts, caller, request.query_params.get("session_id"))
    return _told(parts, spoken, view, status)


@router.get("/{locale}/balance/deposit")
async def deposit(request: Request, parts: GatewayParts, locale: str) -> Response:
    spoken = require_locale(locale)
    caller = visitor(request, parts)
    if caller is None:
        return log_in_first(request, parts, spoken)
    session_id = request.query_params.get("session_id")
    if session_id is None:
        failed = request.query_params.get("error") == "payment_failed"
        return parts.hypertext.page("deposit_result.html", spoken, view=None, state="failed" if failed else "none")
    view, status = await _payment(request, parts, caller, session_id)
    return _told(parts, spoken, view, status)


def _told(parts: Parts, locale: str, view: PaymentView, status: str) -> Response:
    state = "failed" if status in _FAILED else "waiting" if status == "pending" else "paid"
    refresh = REFRESH_SECONDS if state == "waiting" else None
    return parts.hypertext.page("deposit_result.html", locale, refresh_seconds=refresh, view=view, state=state)


async def _payment(request: Request, parts: Parts, caller: Caller, session_id: str | None) -> tuple[PaymentView, str]:
    known = uuid_of(session_id, Problem("session_not_found", "There is no such session."))
    request_id = request_id_of(request.scope)
    asked = GetPayment(payment_id=str(known), viewer_user_id=caller.user_id, correlation_id=request_id)
    view = await parts.services.question(asked, PAYMENT)
    assert isinstance(view, PaymentView)
    return view, await true_status(parts.services, view, request_id)
