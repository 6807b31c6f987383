"""The stand-in provider's page: the session as it is stored, and three buttons that decide it, once."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.auth import Caller
from services.gateway.commands import issue
from services.gateway.edge import request_id_of
from services.gateway.guests import caller_of_order
from services.gateway.idempotency import caller_of
from services.gateway.mock_events import hand_in
from services.gateway.pages.forms import check_open_form, form_token, read_form
from services.gateway.pages.session_desk import session_path
from services.gateway.pages.visits import Visit, log_in_first, require_locale, see, uuid_of, visitor
from services.gateway.parts import GatewayParts, Parts
from services.gateway.problems import Problem, RefusedByDecision, malformed
from services.gateway.requests import MOCK_ENDED, MOCK_PAGE, MOCK_SESSION
from services.gateway.settlement import wait_until_settled
from shared.contracts.orders import EndMockSession, GetMockSession, MockSessionView
from shared.contracts.payment_commands import CompleteMockSession
from shared.money import major_text

router = APIRouter(include_in_schema=False)

_OPERATION: Final = "POST /payment/mock"
_MARGIN_SECONDS: Final = 0.5
_FAILED: Final = frozenset({"failed", "canceled", "expired"})
_OUTCOMES: Final = ("success", "failure", "cancel")


@router.get("/payment/mock")
async def show(request: Request, parts: GatewayParts) -> Response:
    return await _show(request, parts, None)


@router.get("/{locale}/payment/mock")
async def show_in(request: Request, parts: GatewayParts, locale: str) -> Response:
    return await _show(request, parts, require_locale(locale))


@router.post("/payment/mock")
async def decide(request: Request, parts: GatewayParts) -> Response:
    return await _decide(request, parts, None)


@router.post("/{locale}/payment/mock")
async def decide_in(request: Request, parts: GatewayParts, locale: str) -> Response:
    return await _decide(request, parts, require_locale(locale))


async def _show(request: Request, parts: Parts, locale: str | None) -> Response:
    _require_mock(parts)
    query = request.query_params
    session_id = uuid_of(query.get("session_id") or query.get("id"), _no_session())
    caller = visitor(request, parts)
    view = await _session(request, parts, session_id, caller)
    if view is None:
        if caller is None:
            return log_in_first(request, parts, locale)
        raise _no_session()
    visit = Visit(request, parts, locale or view.locale, caller)
    if view.status != "pending" or view.decided is not None:
        return visit.page("mock_decided.html", session=view, onward=_onward(view, visit.locale, view.status))
    token = form_token(parts, caller, str(session_id))
    action = "/payment/mock" if locale is None else f"/{locale}/payment/mock"
    return visit.page("mock_payment.html", session=view, csrf_token=token, action=action)


async def _decide(request: Request, parts: Parts, locale: str | None) -> Response:
    _require_mock(parts)
    waits_until = asyncio.get_running_loop().time() + parts.services.timeout_seconds - _MARGIN_SECONDS
    form = await read_form(request)
    session_id = uuid_of(form.get("session_id"), _no_session())
    outcome = form.get("outcome")
    if outcome not in _OUTCOMES:
        raise malformed("body", "outcome", msg=f"must be one of {', '.join(_OUTCOMES)}")
    caller = visitor(request, parts)
    check_open_form(parts, request, caller, form, str(session_id))
    view = await _session(request, parts, session_id, caller)
    if view is None:
        raise _no_session()
    # An older button pressed again, or two at once: whatever was decided is where the payer is led.
    status = await _end(request, parts, view, caller) if outcome == "cancel" else await _complete(request, parts, view, caller, outcome)
    if status == "pending":
        status = await _settled(request, parts, view, caller, waits_until)
    if status == "pending":
        status = "failed" if outcome != "success" else status
    return see(_onward(view, locale or view.locale, status))


async def _complete(request: Request, parts: Parts, view: MockSessionView, caller: Caller | None, outcome: str) -> str:
    """Decides the session and hands its event in; what is known of its payment then."""
    issued = issue(request, parts, caller=_name(view, caller), operation=_OPERATION, fingerprint=_fingerprint(view))
    command = CompleteMockSession(
        **issued.envelope,
        session_id=str(view.session_id),
        user_id=None if caller is None else caller.user_id,
        outcome="success" if outcome == "success" else "failure",
    )
    try:
        answer = await issued.ask(command, MOCK_SESSION)
    except RefusedByDecision as refusal:
        if refusal.refused.code != "session_final":
            raise
        return view.status if view.status != "pending" else await _status_now(request, parts, view, caller)
    if answer is not None:
        decided, _ = answer
        await hand_in(parts, decided.event, decided.payment_id, issued.correlation_id)
    return "pending"


async def _end(request: Request, parts: Parts, view: MockSessionView, caller: Caller | None) -> str:
    issued = issue(request, parts, caller=_name(view, caller), operation=_OPERATION, fingerprint=_fingerprint(view))
    command = EndMockSession(**issued.envelope, session_id=view.session_id, user_id=None if caller is None else caller.user_id)
    answer = await issued.ask(command, MOCK_ENDED)
    return "pending" if answer is None else answer[0].status


async def _settled(request: Request, parts: Parts, view: MockSessionView, caller: Caller | None, deadline: float) -> str:
    """The payment's status once its event has been worked on; a top-up's once the balance shows it."""
    request_id = request_id_of(request.scope)
    if view.kind != "order" and caller is not None:
        return await wait_until_settled(parts.services, str(view.payment_id), caller.user_id, request_id, deadline)
    left = max(deadline - asyncio.get_running_loop().time(), 0)
    later = await _session(request, parts, view.session_id, caller, wait_seconds=left)
    return "pending" if later is None else later.status


async def _status_now(request: Request, parts: Parts, view: MockSessionView, caller: Caller | None) -> str:
    now = await _session(request, parts, view.session_id, caller)
    return "pending" if now is None else now.status


async def _session(
    request: Request, parts: Parts, session_id: UUID, caller: Caller | None, *, wait_seconds: float = 0
) -> MockSessionView | None:
    """The session as this visitor may see it."""
    asked = GetMockSession(
        session_id=session_id,
        viewer_user_id=None if caller is None else caller.user_id,
        wait_seconds=wait_seconds,
        correlation_id=request_id_of(request.scope),
    )
    try:
        view = await parts.services.question(asked, MOCK_PAGE)
    except RefusedByDecision as refusal:
        if refusal.refused.code != "session_not_found":
            raise
        return None
    assert isinstance(view, MockSessionView)
    return view


def _onward(view: MockSessionView, locale: str, status: str) -> str:
    """Where the payer goes on: told by what is stored, never by the query."""
    failed = status in _FAILED
    if view.order_id is not None:
        return f"/{locale}/orders/{view.order_id}/{'payment-failed' if failed else 'success'}?session_id={view.session_id}"
    if view.coaching_session_id is not None:
        session, known = session_path(locale, view.coaching_session_id), f"session_id={view.session_id}"
        return f"{session}/pay?error=payment_failed&{known}" if failed else f"{session}/paid?{known}"
    if failed:
        return f"/{locale}/balance/deposit?error=payment_failed&session_id={view.session_id}"
    amount = major_text(view.amount_minor, view.currency)
    return f"/{locale}/balance/deposit/success?session_id={view.session_id}&amount={amount}"


def _name(view: MockSessionView, caller: Caller | None) -> str:
    return caller_of(caller.user_id) if caller is not None else caller_of_order(str(view.order_id))


def _fingerprint(view: MockSessionView) -> str:
    # No key is sent, so nothing is compared; every command carries one.
    return view.session_id.hex * 2


def _require_mock(parts: Parts) -> None:
    if not parts.settings.mock_provider:
        raise Problem("not_found", "the mock provider is off")


def _no_session(**more: Any) -> Problem:
    return Problem("session_not_found", "There is no such session.", **more)
