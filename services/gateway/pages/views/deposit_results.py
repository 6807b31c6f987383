"""Where a top-up's payer goes on to pay, and where they come back to: what is stored is told, whatever the address says."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import receipts
from services.gateway.auth import Caller
from services.gateway.idempotency import caller_of
from services.gateway.pages.deposit_views import again_path, deposit_payment, form_path, no_session, result_path
from services.gateway.pages.outcomes import state_of
from services.gateway.pages.returns import without_what_was_appended
from services.gateway.pages.visits import Visit, is_web_address, log_in_first, path_within, see, uuid_of, visit_of
from services.gateway.parts import GatewayParts
from services.gateway.problems import Problem
from shared.contracts.base import utc_now

router = APIRouter(include_in_schema=False)

REFRESH_SECONDS: Final = 2


@router.get("/{locale}/balance/deposit/success")
async def success(request: Request, parts: GatewayParts, locale: str) -> Response:
    visit = visit_of(request, parts, locale)
    if clean := without_what_was_appended(request, visit.locale):
        return clean
    if visit.caller is None:
        return log_in_first(request, parts, visit.locale)
    known = await deposit_payment(visit, visit.caller, str(uuid_of(visit.query.get("session_id"), no_session())))
    if known is None:
        raise no_session()
    view, status = known
    state = state_of(status)
    return visit.page(
        "deposit_result.html",
        refresh_seconds=REFRESH_SECONDS if state == "waiting" else None,
        view=view,
        state=state,
        status_told=status,
        again=again_path(visit.locale, view),
        here=f"{request.url.path}?session_id={view.session_id or view.payment_id}",
    )


@router.get("/{locale}/balance/deposit/onward")
async def onward(request: Request, parts: GatewayParts, locale: str) -> Response:
    visit = visit_of(request, parts, locale)
    if visit.caller is None:
        return log_in_first(request, parts, visit.locale)
    payment_id = uuid_of(visit.query.get("payment_id"), no_session())
    known = await deposit_payment(visit, visit.caller, str(payment_id))
    if known is None:
        if not _is_under_way(visit, visit.caller, payment_id):
            return see(form_path(visit.locale, error="payment_failed"))
        return visit.page("deposit_waiting.html", refresh_seconds=REFRESH_SECONDS)
    view, status = known
    if state_of(status) != "waiting":
        return see(result_path(visit.locale, view, status))
    if view.payment_url is None:
        return visit.page("deposit_waiting.html", refresh_seconds=REFRESH_SECONDS)
    if own := path_within(parts, view.payment_url):
        return see(own)
    if not is_web_address(view.payment_url):
        raise Problem("payment_rejected", "the provider's page has an address that is none")
    return visit.page("deposit_onward.html", view=view, refresh_seconds=0)


def _is_under_way(visit: Visit, caller: Caller, payment_id: UUID) -> bool:
    """Nobody knows of the payment yet: is it on its way? False once it surely never arrived. Problem: session_not_found."""
    receipt = visit.query.get("receipt", "")
    deadline = receipts.verified_deadline(visit.parts.keys, receipt, resource_id=str(payment_id), caller=caller_of(caller.user_id))
    if deadline is None:
        raise no_session()
    return utc_now() < deadline + receipts.GRACE
