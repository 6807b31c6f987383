"""The page of one payment, and giving up or asking about one that is still to be paid."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import confirming, exact_json, receipts
from services.gateway.auth import Caller
from services.gateway.commands import Issued, issue
from services.gateway.hypertext.catalogues import marked
from services.gateway.idempotency import caller_of
from services.gateway.pages.forms import Form, check_form, read_form
from services.gateway.pages.payment.facts import Facts, facts_of
from services.gateway.pages.payment.shown import Outcome, in_words, path_of, shown
from services.gateway.pages.visits import Visit, log_in_first, see, visit_of
from services.gateway.parts import GatewayParts
from services.gateway.problems import RefusedByDecision, status_of
from services.gateway.requests import REFUND
from shared.contracts.base import utc_now
from shared.contracts.refunds import GetRefund, RefundRefused, RefundView

router = APIRouter(include_in_schema=False)

_CANCEL: Final = "POST /{locale}/payments/{payment_id}/cancel"
_CONFIRM: Final = "POST /{locale}/payments/{payment_id}/confirm"
_SAID_HERE: Final = frozenset({"already_paid", "payment_processing", "session_final", "payment_not_cancelable", "operation_not_supported"})

_WAITING: Final = marked("The provider has been asked and has not decided yet. This page updates by itself.")
_ACCEPTED: Final = marked("The refund has been accepted and is being processed. This page updates by itself.")
_REFUND_WAITS: Final = marked("%(amount)s is on its way back: the provider has not confirmed it yet.")
_REFUND_MADE: Final = marked("%(amount)s has been sent back.")
_REFUND_FAILED: Final = marked("%(amount)s was not sent back; the money is where it was before.")


@router.get("/{locale}/payments/{payment_id}")
async def show(request: Request, parts: GatewayParts, locale: str, payment_id: str) -> Response:
    visit = visit_of(request, parts, locale)
    if visit.caller is None:
        return log_in_first(request, parts, visit.locale)
    facts = await facts_of(visit, visit.caller, payment_id)
    if str(facts.view.payment_id) != payment_id.lower():
        return see(path_of(visit, facts))
    outcome = await _of_refund(visit, visit.caller, facts)
    if outcome is None and "asked" in visit.query and facts.status == "pending":
        outcome = Outcome(visit.gettext(_WAITING), waiting=True)
    return shown(visit, facts, outcome=outcome)


@router.get("/{locale}/payments/{payment_id}/cancel")
@router.get("/{locale}/payments/{payment_id}/confirm")
@router.get("/{locale}/payments/{payment_id}/refund")
async def back(request: Request, parts: GatewayParts, locale: str, payment_id: str) -> Response:
    """Where forms are sent, nothing is to be seen: whoever types the address, or changes the language there, is led to the payment."""
    visit = visit_of(request, parts, locale)
    if visit.caller is None:
        return log_in_first(request, parts, visit.locale)
    return see(path_of(visit, await facts_of(visit, visit.caller, payment_id)))


@router.post("/{locale}/payments/{payment_id}/cancel")
async def cancel(request: Request, parts: GatewayParts, locale: str, payment_id: str) -> Response:
    visit = visit_of(request, parts, locale)
    form = await read_form(request)
    if visit.caller is None:
        return log_in_first(request, parts, visit.locale)
    check_form(parts, request, visit.caller, form)
    facts = await facts_of(visit, visit.caller, payment_id)
    if form.get("confirmed") != "yes":
        return visit.page("payment_cancel.html", facts=facts, view=facts.view, path=path_of(visit, facts))
    issued = _issued(visit, visit.caller, _CANCEL, facts)
    try:
        answer = await confirming.cancel(issued, visit.caller, str(facts.view.payment_id))
    except RefusedByDecision as refusal:
        return await _refused(visit, visit.caller, facts, refusal)
    return see(path_of(visit, facts) + ("?asked" if answer is None else ""))


@router.post("/{locale}/payments/{payment_id}/confirm")
async def confirm(request: Request, parts: GatewayParts, locale: str, payment_id: str) -> Response:
    visit = visit_of(request, parts, locale)
    form: Form = await read_form(request)
    if visit.caller is None:
        return log_in_first(request, parts, visit.locale)
    check_form(parts, request, visit.caller, form)
    facts = await facts_of(visit, visit.caller, payment_id)
    issued = _issued(visit, visit.caller, _CONFIRM, facts)
    try:
        await confirming.confirm(parts, issued, visit.caller, str(facts.view.payment_id))
    except RefusedByDecision as refusal:
        return await _refused(visit, visit.caller, facts, refusal)
    return see(f"{path_of(visit, facts)}?asked")


def _issued(visit: Visit, caller: Caller, operation: str, facts: Facts) -> Issued:
    # Idempotent by nature: no key is sent, and nothing is compared.
    fingerprint = exact_json.fingerprint(operation, b"", str(facts.view.payment_id))
    return issue(visit.request, visit.parts, caller=caller_of(caller.user_id), operation=operation, fingerprint=fingerprint)


async def _refused(visit: Visit, caller: Caller, facts: Facts, refusal: RefusedByDecision) -> Response:
    """The payment as it is now, and why it stays so."""
    code = refusal.refused.code
    if code not in _SAID_HERE:
        raise refusal
    now = await facts_of(visit, caller, str(facts.view.payment_id))
    return shown(visit, now, outcome=Outcome(in_words(visit, code), wrong=True), status=status_of(code))


async def _of_refund(visit: Visit, caller: Caller, facts: Facts) -> Outcome | None:
    """What became of the refund that the visitor has just asked for, as it is stored; None when there is none to tell of."""
    refund_id = visit.query.get("refund", "")[:100]
    if not refund_id:
        return None
    asked = GetRefund(
        payment_id=str(facts.view.payment_id),
        refund_id=refund_id,
        viewer_user_id=caller.user_id,
        viewer_is_admin=caller.identity.is_admin,
        correlation_id=visit.request_id,
    )
    try:
        view = await visit.parts.services.question(asked, REFUND)
    except RefusedByDecision as refusal:
        if refusal.refused.code != "refund_not_found":
            raise
        return _on_its_way(visit, caller, refund_id)
    if isinstance(view, RefundRefused):
        return Outcome(in_words(visit, view.problem.code), wrong=True)
    assert isinstance(view, RefundView)
    amount = {"amount": visit.formats.money(view.refund.amount_minor, view.refund.currency)}
    match view.refund.refund_status:
        case "pending":
            return Outcome(visit.gettext(_REFUND_WAITS) % amount, waiting=True)
        case "succeeded":
            return Outcome(visit.gettext(_REFUND_MADE) % amount)
    why = "" if view.refund.failure_reason is None else f" {in_words(visit, view.refund.failure_reason)}"
    return Outcome(visit.gettext(_REFUND_FAILED) % amount + why, wrong=True)


def _on_its_way(visit: Visit, caller: Caller, refund_id: str) -> Outcome | None:
    """Handed over, with no record of it yet: told to whoever has a receipt, until it surely never arrived."""
    receipt = visit.query.get("receipt", "")[:200]
    deadline = receipts.verified_deadline(visit.parts.keys, receipt, resource_id=refund_id, caller=caller_of(caller.user_id))
    if deadline is None:
        return None
    if utc_now() < deadline + receipts.GRACE:
        return Outcome(visit.gettext(_ACCEPTED), waiting=True)
    return Outcome(in_words(visit, "not_received"), wrong=True)
