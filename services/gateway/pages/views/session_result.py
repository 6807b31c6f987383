"""Where a session's payer comes back to: what has become of the stored payment, whatever the query says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import receipts
from services.gateway.auth import Caller
from services.gateway.idempotency import caller_of
from services.gateway.pages.outcomes import state_of
from services.gateway.pages.returns import in_language, without_what_was_appended
from services.gateway.pages.session_desk import ONWARD, session_path
from services.gateway.pages.troubles import message_of
from services.gateway.pages.visits import Visit, is_web_address, log_in_first, path_within, uuid_of, visit_of
from services.gateway.parts import GatewayParts
from services.gateway.problems import Problem, RefusedByDecision
from services.gateway.requests import PAYMENT
from services.gateway.settlement import true_status
from shared.contracts.base import utc_now
from shared.contracts.queries import GetPayment, PaymentView

router = APIRouter(include_in_schema=False)

REFRESH_SECONDS: Final = 3


@dataclass(frozen=True, slots=True)
class _Awaited:
    """Of what the page asks again: `status` is what has been seen, `path` where the API tells what is now."""

    status: str
    path: str


@router.get("/{locale}/sessions/{session_id}/paid")
async def show(request: Request, parts: GatewayParts, locale: str, session_id: str) -> Response:
    visit = visit_of(request, parts, locale)
    if clean := without_what_was_appended(request, visit.locale):
        return clean
    if visit.caller is None:
        return log_in_first(request, parts, visit.locale)
    query = visit.query
    asked_id = str(uuid_of(query.get("payment_id") or query.get("session_id"), _no_payment()))
    view = await _view(visit, visit.caller, asked_id, session_id)
    if view is None:
        return _not_there_yet(visit, session_id, asked_id)
    status = await true_status(parts.services, view, visit.request_id)
    state = state_of(status)
    # Whoever has not paid yet can go on; a payment page elsewhere is linked to as it is.
    onward = _onward(visit, view) if status == "pending" else None
    if onward is not None and not onward.startswith("/") and ONWARD in query:
        return visit.page("deposit_onward.html", view=view, refresh_seconds=0)
    why = None if view.problem is None or state != "failed" else visit.gettext(message_of(view.problem.code))
    return visit.page(
        "session_paid.html",
        refresh_seconds=REFRESH_SECONDS if state == "waiting" else None,
        state=state,
        view=view,
        told=status,
        awaited=_Awaited("pending", f"/api/v1/payments/{view.payment_id}") if state == "waiting" else None,
        onward=onward,
        why=why,
        pay=f"{session_path(visit.locale, session_id)}/pay",
    )


def _onward(visit: Visit, view: PaymentView) -> str | None:
    """Where it can still be paid: a path of ours, or the provider's page."""
    if view.payment_url is None:
        return None
    path = path_within(visit.parts, view.payment_url)
    if path is not None:
        return in_language(path, visit.locale)
    return view.payment_url if is_web_address(view.payment_url) else None


async def _view(visit: Visit, caller: Caller, asked_id: str, session_id: str) -> PaymentView | None:
    """The payment, for its payer alone; None while it is not written down."""
    asked = GetPayment(payment_id=asked_id, viewer_user_id=caller.user_id, correlation_id=visit.request_id)
    try:
        view = await visit.parts.services.question(asked, PAYMENT)
    except RefusedByDecision as refusal:
        deadline = receipts.verified_deadline(
            visit.parts.keys, visit.query.get("receipt", ""), resource_id=asked_id, caller=caller_of(caller.user_id)
        )
        if refusal.refused.code != "payment_not_found" or deadline is None:
            raise
        return None
    assert isinstance(view, PaymentView)
    if view.user_id != caller.user_id or view.coaching_session_id != session_id:
        raise _no_payment()
    return view


def _not_there_yet(visit: Visit, session_id: str, payment_id: str) -> Response:
    """The payer's form has been handed on, and nothing is known of it yet: that it never arrived is known after its deadline."""
    assert visit.caller is not None
    receipt = visit.query.get("receipt", "")
    caller = caller_of(visit.caller.user_id)
    deadline = receipts.verified_deadline(visit.parts.keys, receipt, resource_id=payment_id, caller=caller)
    late = deadline is None or utc_now() > deadline + receipts.GRACE
    path = f"/api/v1/payments/{payment_id}?{urlencode({'receipt': receipt})}"
    return visit.page(
        "session_paid.html",
        refresh_seconds=None if late else REFRESH_SECONDS,
        state="lost" if late else "waiting",
        view=None,
        told="accepted",
        awaited=None if late else _Awaited("accepted", path),
        onward=None,
        why=None,
        pay=f"{session_path(visit.locale, session_id)}/pay",
    )


def _no_payment() -> Problem:
    return Problem("payment_not_found", "There is no such payment.")
