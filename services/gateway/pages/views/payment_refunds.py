"""The refund form of a payment's page: checked, confirmed, asked for once, and told as it came out."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import exact_json, receipts
from services.gateway.amounts import parse_amount
from services.gateway.auth import Caller
from services.gateway.commands import Issued, issue
from services.gateway.hypertext.catalogues import marked
from services.gateway.idempotency import caller_of
from services.gateway.pages.amount_words import wrong_amount
from services.gateway.pages.forms import KEY_IN_USE, Form, check_form, form_key, read_form
from services.gateway.pages.payment.facts import Facts, facts_of
from services.gateway.pages.payment.shown import TOO_MUCH, RefundForm, in_words, newest, path_of, shown
from services.gateway.pages.visits import Visit, log_in_first, see, visit_of
from services.gateway.parts import GatewayParts
from services.gateway.problems import RefusedByDecision, status_of
from services.gateway.refunding import REASON_LENGTH_MAX, Wanted, is_reference, refund
from shared.money import MoneyError

router = APIRouter(include_in_schema=False)

_OPERATION: Final = "POST /{locale}/payments/{payment_id}/refund"
_SAID_HERE: Final = frozenset(
    {
        "insufficient_funds", "refund_exceeds_payment", "already_refunded", "payment_not_refundable", "payment_disputed",
        "refund_not_supported", "refund_reference_reused", "idempotency_key_reused", "refund_declined", "invalid_request",
    }
)  # fmt: skip

_TOO_LONG: Final = marked("Please keep it below %(n)s characters.")
_NO_REFERENCE: Final = marked("The provider's own name of the refund: Latin letters, digits and signs.")
_MEANWHILE: Final = marked("Meanwhile another refund was made. Look at it, then send this one again if it is still needed.")


@router.post("/{locale}/payments/{payment_id}/refund")
async def send_back(request: Request, parts: GatewayParts, locale: str, payment_id: str) -> Response:
    visit = visit_of(request, parts, locale)
    fields = await read_form(request)
    if visit.caller is None:
        return log_in_first(request, parts, visit.locale)
    check_form(parts, request, visit.caller, fields)
    key = form_key(fields)
    facts = await facts_of(visit, visit.caller, payment_id)
    form, wanted = _read(visit, facts, fields)
    if wanted is None:
        return shown(visit, facts, form=form, status=422)
    issued = _issued(visit, visit.caller, facts, wanted, key)
    if issued.resource_id not in {one.refund_id for one in facts.refunds}:
        if (wanted.amount_minor or 0) > facts.left_minor > 0:
            most = {"amount": visit.formats.money(facts.left_minor, facts.view.currency)}
            return shown(visit, facts, form=replace(form, errors={"amount": visit.gettext(TOO_MUCH) % most}), status=422)
        if newest(facts) != form.seen:
            # Two tabs, or two people: half of it twice is not what either of them wants.
            return _again(visit, facts, form, visit.gettext(_MEANWHILE), 409)
    if fields.get("confirmed") != "yes":
        return visit.page(
            "refund_confirm.html", facts=facts, view=facts.view, path=path_of(visit, facts), form=form, key=key, wanted=wanted
        )
    return await _ask(visit, visit.caller, facts, issued, wanted, form)


async def _ask(visit: Visit, caller: Caller, facts: Facts, issued: Issued, wanted: Wanted, form: RefundForm) -> Response:
    refund_id = str(issued.resource_id)
    receipt = receipts.sign(visit.parts.keys, resource_id=refund_id, caller=caller_of(caller.user_id), deadline=issued.deadline)
    told_later = f"{path_of(visit, facts)}?refund={refund_id}&receipt={receipt}"
    try:
        answer = await refund(issued, caller, str(facts.view.payment_id), wanted)
    except RefusedByDecision as refusal:
        code = refusal.refused.code
        if code == KEY_IN_USE:
            # The second click of a double click: the first one's refund is the one that is told of.
            return see(told_later)
        if code not in _SAID_HERE:
            raise
        now = await facts_of(visit, caller, str(facts.view.payment_id))
        return _again(visit, now, form, in_words(visit, code), status_of(code))
    return see(told_later if answer is None else f"{path_of(visit, facts)}?refund={answer[0].refund_id}")


def _again(visit: Visit, facts: Facts, form: RefundForm, message: str, status: int) -> Response:
    """The form with what was entered, to be sent as another request."""
    return shown(visit, facts, form=replace(form, seen=newest(facts), errors={"": message}), status=status)


def _read(visit: Visit, facts: Facts, fields: Form) -> tuple[RefundForm, Wanted | None]:
    """What was entered; None when it cannot be asked for."""
    form = RefundForm(
        amount=fields.get("amount", "").strip(),
        reason=fields.get("reason", "").strip(),
        manual_reference=fields.get("manual_reference", "").strip(),
        force=fields.get("force") == "yes",
        seen=fields.get("seen", ""),
    )
    errors: dict[str, str] = {}
    amount_minor = 0
    try:
        amount_minor = parse_amount(form.amount, facts.view.currency, visit.locale).amount_minor
    except MoneyError as error:
        errors["amount"] = wrong_amount(visit, error)
    if len(form.reason) > REASON_LENGTH_MAX:
        errors["reason"] = visit.gettext(_TOO_LONG) % {"n": REASON_LENGTH_MAX}
    if form.manual_reference and not is_reference(form.manual_reference):
        errors["manual_reference"] = visit.gettext(_NO_REFERENCE)
    if errors:
        return replace(form, errors=errors), None
    return form, Wanted(amount_minor, form.reason, form.force, form.manual_reference or None)


def _issued(visit: Visit, caller: Caller, facts: Facts, wanted: Wanted, key: str) -> Issued:
    told = [str(facts.view.payment_id), wanted.amount_minor, wanted.reason, wanted.force, wanted.manual_reference]
    return issue(
        visit.request,
        visit.parts,
        caller=caller_of(caller.user_id),
        operation=_OPERATION,
        fingerprint=exact_json.fingerprint(_OPERATION, b"", told),
        key=key,
    )
