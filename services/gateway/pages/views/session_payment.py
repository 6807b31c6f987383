"""Paying for a session: one form for every way to pay, which makes one payment however often it is sent."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import confirming, exact_json, paying_sessions, receipts
from services.gateway.auth import Caller
from services.gateway.commands import issue
from services.gateway.idempotency import caller_of
from services.gateway.pages.forms import KEY_IN_USE, Form, check_form, form_key, read_form
from services.gateway.pages.returns import in_language
from services.gateway.pages.session_desk import CHOICE, ONWARD, Desk, desk, result_path
from services.gateway.pages.visits import Visit, log_in_first, path_within, see, uuid_of, visit_of
from services.gateway.pages.ways_to_pay import FROM_BALANCE
from services.gateway.parts import GatewayParts
from services.gateway.problems import Problem, RefusedByDecision, status_of
from services.gateway.requests import PAYMENT
from shared.contracts.history import ListedPayment
from shared.contracts.queries import GetPayment, PaymentView

router = APIRouter(include_in_schema=False)

_PAY: Final = "POST /{locale}/sessions/{session_id}/pay"
_CANCEL: Final = "POST /{locale}/sessions/{session_id}/pay: another way"
_FAILED: Final = frozenset({"failed", "canceled", "expired"})
_TOLD_ON_THE_PAGE: Final = frozenset(
    {
        "insufficient_funds", "amount_mismatch", "payment_rejected", "provider_unavailable", "provider_not_configured",
        "amount_not_available", "currency_not_available", "method_not_available", "deadline_passed",
    }
)  # fmt: skip


@router.get("/{locale}/sessions/{session_id}/pay")
async def show(request: Request, parts: GatewayParts, locale: str, session_id: str) -> Response:
    visit = visit_of(request, parts, locale)
    if visit.caller is None:
        return log_in_first(request, parts, visit.locale)
    found = await desk(visit, visit.caller, session_id)
    return found.page(failed=await _failed(visit, visit.caller, session_id))


@router.post("/{locale}/sessions/{session_id}/pay")
async def pay(request: Request, parts: GatewayParts, locale: str, session_id: str) -> Response:
    visit = visit_of(request, parts, locale)
    form = await read_form(request)
    if visit.caller is None:
        return log_in_first(request, parts, visit.locale)
    check_form(parts, request, visit.caller, form)
    key, method = form_key(form), form.get(CHOICE, "")
    found = await desk(visit, visit.caller, session_id)
    if found.standing.paid is not None and key != found.attempt:
        # The form is from before that payment: out of the browser's memory, or another tab's.
        return see(result_path(visit.locale, session_id, found.standing.paid.payment_id))
    if found.is_own:
        raise Problem("own_session", "mentors do not pay for their own sessions")
    begun = found.standing.open
    if begun is not None and method == FROM_BALANCE and found.same(begun, method):
        # Wallet may have moved it by now: what is left need not cover it a second time.
        return await _go_on(visit, found, begun)
    if errors := found.wrong(form):
        return found.page(status=409 if "" in errors else 422, chosen=method, errors=errors)
    try:
        if begun is not None:
            if found.same(begun, method):
                return await _go_on(visit, found, begun)
            if (onward := await _give_up(visit, found, begun)) is not None:
                return onward
        return await _pay(visit, found, key, method)
    except RefusedByDecision as refusal:
        return await _refused(visit, visit.caller, session_id, form, refusal)


async def _pay(visit: Visit, found: Desk, key: str, method: str) -> Response:
    session, caller = found.session, found.caller
    fields = {"method": method, "mentor_id": session.mentor_id, "amount": session.price_minor, "currency": session.currency}
    fingerprint = exact_json.fingerprint(f"/sessions/{session.session_id}/pay", b"", fields)
    own_key = f"{key}:{method}:{session.price_minor}:{session.currency}"
    issued = issue(visit.request, visit.parts, caller=caller_of(caller.user_id), operation=_PAY, fingerprint=fingerprint, key=own_key)
    wanted = paying_sessions.Wanted(session.session_id, session.mentor_id, session.price_minor, session.currency, method, visit.locale)
    try:
        answer = await paying_sessions.pay(issued, caller, wanted)
    except RefusedByDecision as refusal:
        if refusal.refused.code != KEY_IN_USE:
            raise
        answer = None  # the other click is being worked on: it leads on from there too
    if answer is None:
        receipt = receipts.sign(
            visit.parts.keys, resource_id=str(issued.resource_id), caller=issued.idempotency.caller, deadline=issued.deadline
        )
        return see(f"{result_path(visit.locale, session.session_id, issued.resource_id)}&receipt={quote(receipt, safe='')}")
    created, _ = answer
    return _lead_on(visit, session.session_id, created.payment_id, created.payment_url)


async def _go_on(visit: Visit, found: Desk, begun: ListedPayment) -> Response:
    """To where the payment that is open already is paid."""
    view = await _payment(visit, found.caller, str(begun.payment_id))
    return _lead_on(visit, found.session.session_id, view.payment_id, view.payment_url if view.status == "pending" else None)


def _lead_on(visit: Visit, session_id: str, payment_id: UUID, payment_url: str | None) -> Response:
    """To where it is paid, or to what has become of it."""
    result = result_path(visit.locale, session_id, payment_id)
    if payment_url is None:
        return see(result)
    # A form of ours may not be answered by a way out (form-action): to a page elsewhere the result leads.
    path = path_within(visit.parts, payment_url)
    return see(f"{result}&{ONWARD}=1" if path is None else in_language(path, visit.locale))


async def _give_up(visit: Visit, found: Desk, begun: ListedPayment) -> Response | None:
    """The payer has chosen another way: what they began before may not be paid as well. None: nobody can pay that any more."""
    fingerprint = exact_json.fingerprint(f"/payments/{begun.payment_id}/cancel", b"", None)
    issued = issue(visit.request, visit.parts, caller=caller_of(found.caller.user_id), operation=_CANCEL, fingerprint=fingerprint)
    result = see(result_path(visit.locale, found.session.session_id, begun.payment_id))
    try:
        answer = await confirming.cancel(issued, found.caller, str(begun.payment_id))
    except RefusedByDecision as refusal:
        if refusal.refused.code == "session_final":
            return None
        if refusal.refused.code in ("already_paid", "payment_processing", "payment_not_cancelable"):
            return result
        raise
    return result if answer is None else None


async def _refused(visit: Visit, caller: Caller, session_id: str, form: Form, refusal: RefusedByDecision) -> Response:
    code = refusal.refused.code
    # What is refused has ended: the form that is sent next is another attempt.
    found = await desk(visit, caller, session_id)
    if code == "session_final":
        # The form's payment is over: the page, opened anew, begins another one.
        return see(f"{found.path}/pay")
    if code not in _TOLD_ON_THE_PAGE:
        raise refusal
    page = found.page(status=409 if code == "amount_mismatch" else status_of(code), chosen=form.get(CHOICE), errors=found.refusal(code))
    page.headers.update(Problem(code, refusal.refused.detail).headers)
    return page


async def _failed(visit: Visit, caller: Caller, session_id: str) -> bool:
    """Is the payment that the payer comes back from one that failed? The query proves nothing."""
    if visit.query.get("error") != "payment_failed":
        return False
    try:
        nothing = Problem("payment_not_found", "There is no such payment.")
        view = await _payment(visit, caller, str(uuid_of(visit.query.get("session_id"), nothing)))
    except (Problem, RefusedByDecision):
        return False
    return view.status in _FAILED and view.coaching_session_id == session_id


async def _payment(visit: Visit, caller: Caller, payment_id: str) -> PaymentView:
    asked = GetPayment(payment_id=payment_id, viewer_user_id=caller.user_id, correlation_id=visit.request_id)
    view = await visit.parts.services.question(asked, PAYMENT)
    assert isinstance(view, PaymentView)
    return view
