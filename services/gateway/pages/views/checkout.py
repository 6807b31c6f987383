"""Our own payment page: Stripe's form in it, with the session's secret for whoever may pay; what is over leads on to its result."""

from __future__ import annotations

from typing import Final

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.auth import Caller
from services.gateway.edge import request_id_of
from services.gateway.pages.returns import in_language
from services.gateway.pages.session_desk import session_path
from services.gateway.pages.stripe_js import language, stripe_js
from services.gateway.pages.visits import log_in_first, see, uuid_of, visit_of
from services.gateway.parts import GatewayParts, Parts
from services.gateway.problems import Problem, RefusedByDecision
from services.gateway.requests import CHECKOUT
from shared.contracts.checkout import CheckoutView, GetCheckout

log = structlog.get_logger(__name__)

router = APIRouter(include_in_schema=False)

REFRESH_SECONDS: Final = 2
_FAILED: Final = frozenset({"failed", "canceled", "expired"})


@router.get("/{locale}/pay/{session_id}")
async def show(request: Request, parts: GatewayParts, locale: str, session_id: str) -> Response:
    visit = visit_of(request, parts, locale)
    view = await _session(request, parts, session_id, visit.caller)
    if view is None:
        if visit.caller is None:
            return log_in_first(request, parts, visit.locale)
        raise _no_session()
    if view.status != "pending":
        return see(in_language(view.failure_path if view.status in _FAILED else view.success_path, visit.locale))
    if view.client_secret is None:
        # Its address was guessed early: the provider has not answered yet.
        return visit.page("checkout_early.html", refresh_seconds=REFRESH_SECONDS, session=view)
    key = parts.settings.stripe_publishable_key
    if key is None:
        log.error("a payer cannot pay: STRIPE_PUBLISHABLE_KEY is not set here", payment_id=str(view.payment_id))
        raise Problem("provider_not_configured", "cards cannot be entered here yet; nothing was charged")
    script = stripe_js(parts.settings.stripe_api_base)
    return visit.page(
        "checkout.html",
        sources=script.sources,
        session=view,
        return_path=in_language(view.success_path, visit.locale),
        publishable_key=key,
        stripe_js=script.address,
        language=language(visit.locale),
        failed=visit.query.get("error") == "payment_failed",
        back=_back(view, visit.locale),
    )


async def _session(request: Request, parts: Parts, session_id: str, caller: Caller | None) -> CheckoutView | None:
    """The session as this visitor may see it."""
    asked = GetCheckout(
        session_id=uuid_of(session_id, _no_session()),
        viewer_user_id=None if caller is None else caller.user_id,
        correlation_id=request_id_of(request.scope),
    )
    try:
        view = await parts.services.question(asked, CHECKOUT)
    except RefusedByDecision as refusal:
        if refusal.refused.code != "session_not_found":
            raise
        return None
    assert isinstance(view, CheckoutView)
    return view


def _back(view: CheckoutView, locale: str) -> str:
    """Where the payer can choose another way to pay."""
    if view.order_id is not None:
        return in_language(view.failure_path, locale)
    return f"/{locale}/balance/deposit" if view.coaching_session_id is None else f"{session_path(locale, view.coaching_session_id)}/pay"


def _no_session() -> Problem:
    return Problem("session_not_found", "There is no such session.")
