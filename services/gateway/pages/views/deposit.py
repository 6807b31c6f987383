"""The top-up form: however often it is sent, in how many tabs, one payment is made until that one has ended."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import receipts
from services.gateway.auth import Caller
from services.gateway.commands import Issued, issue
from services.gateway.depositing import Wanted, limits_of, start_deposit
from services.gateway.idempotency import caller_of
from services.gateway.pages import deposit_data as data
from services.gateway.pages import deposit_form as words
from services.gateway.pages.amount_words import amount_words
from services.gateway.pages.deposit_form import Choices, Entered, checked, choices, entered, prefilled
from services.gateway.pages.deposit_keys import form_key, key_after_refusal, sameness
from services.gateway.pages.deposit_views import deposit_payment, no_session, onward_path, result_path
from services.gateway.pages.forms import KEY_IN_USE, check_form, read_form
from services.gateway.pages.forms import form_key as sent_key
from services.gateway.pages.outcomes import state_of
from services.gateway.pages.troubles import message_of
from services.gateway.pages.visits import Visit, log_in_first, path_within, see, uuid_of, visit_of
from services.gateway.parts import GatewayParts
from services.gateway.problems import Problem, RefusedByDecision, status_of
from shared.contracts.payment_commands import DepositCreated
from shared.contracts.queries import PaymentView
from shared.money import major_text

router = APIRouter(include_in_schema=False)

_OPERATION: Final = "POST /{locale}/balance/deposit"
_FIELD_OF: Final = {"amount_not_available": "amount", "currency_not_available": "currency", "method_not_available": "method"}
_NOTHING_LEFT: Final = frozenset({"broker_unavailable", "busy"})


@router.get("/{locale}/balance/deposit")
async def show(request: Request, parts: GatewayParts, locale: str) -> Response:
    visit = visit_of(request, parts, locale)
    if visit.caller is None:
        return log_in_first(request, parts, visit.locale)
    before = await _payment_before(visit, visit.caller)
    on = await _choices(visit)
    fields = dict(visit.query)
    if before is not None and state_of(before[1]) == "failed":
        view = before[0]
        # Once more, unless the address says otherwise.
        fields = {"amount": major_text(view.amount_minor, view.currency), "currency": view.currency, "method": view.method} | fields
    shown = prefilled(visit, entered(fields, on, parts.settings.default_currency))
    key = await form_key(parts, visit.caller, visit.request_id)
    failed = before is None and visit.query.get("error") == "payment_failed"
    return _form(visit, on, shown, key, before=before, failed=failed)


@router.post("/{locale}/balance/deposit")
async def start(request: Request, parts: GatewayParts, locale: str) -> Response:
    visit = visit_of(request, parts, locale)
    form = await read_form(request)
    caller = visit.caller
    if caller is None:
        return log_in_first(request, parts, visit.locale)
    check_form(parts, request, caller, form)
    key = sent_key(form)
    on = await _choices(visit)
    shown = entered(form, on, parts.settings.default_currency)
    found = checked(visit, on, form)
    if found.money is None:
        return _form(visit, on, shown, key, errors=found.errors, status=422)
    fingerprint = sha256(sameness("", found.money, shown.method).encode()).hexdigest()
    issued = issue(
        request,
        parts,
        caller=caller_of(caller.user_id),
        operation=_OPERATION,
        fingerprint=fingerprint,
        key=sameness(key, found.money, shown.method),
    )
    try:
        answer = await start_deposit(issued, caller, Wanted(found.money, shown.method, visit.locale))
    except RefusedByDecision as refusal:
        code = refusal.refused.code
        if code == KEY_IN_USE:
            # The other click, or the other tab, is being worked on: it leads on from there too.
            return see(_waiting_path(visit, issued))
        again = key if status_of(code) == 503 else await key_after_refusal(parts, caller, visit.request_id, key)
        return _refused(visit, on, shown, again, code)
    except Problem as problem:
        if problem.code not in _NOTHING_LEFT:
            raise
        return _refused(visit, on, shown, key, problem.code)
    if answer is None:
        return see(_waiting_path(visit, issued))
    return see(await _next(visit, caller, *answer))


async def _next(visit: Visit, caller: Caller, created: DepositCreated, replayed: bool) -> str:
    """Where the payer goes on: to pay, or to what has become of a payment that was made before."""
    if replayed:
        known = await deposit_payment(visit, caller, str(created.payment_id))
        if known is not None and state_of(known[1]) != "waiting":
            return result_path(visit.locale, *known)
    # A form of ours may not be answered by a way out (form-action): a page elsewhere is led to by a page of ours.
    return path_within(visit.parts, created.payment_url) or onward_path(visit.locale, str(created.payment_id))


def _waiting_path(visit: Visit, issued: Issued) -> str:
    payment_id = str(issued.resource_id)
    receipt = receipts.sign(visit.parts.keys, resource_id=payment_id, caller=issued.idempotency.caller, deadline=issued.deadline)
    return onward_path(visit.locale, payment_id, receipt)


async def _payment_before(visit: Visit, caller: Caller) -> tuple[PaymentView, str] | None:
    """The payment whose end the address tells of, whatever it says of it."""
    session_id = visit.query.get("session_id")
    if session_id is None:
        return None
    known = await deposit_payment(visit, caller, str(uuid_of(session_id, no_session())))
    if known is None:
        raise no_session()
    return known


async def _choices(visit: Visit) -> Choices:
    methods = await visit.parts.methods.current(visit.request_id)
    return choices(methods.methods, visit.parts.settings.default_currency)


def _refused(visit: Visit, on: Choices, shown: Entered, key: str, code: str) -> Response:
    errors = {_FIELD_OF.get(code, ""): visit.gettext(message_of(code))}
    status = status_of(code)
    page = _form(visit, on, shown, key, errors=errors, status=status)
    page.headers.update(Problem(code, "").headers if status == 503 else {})
    return page


def _form(
    visit: Visit,
    on: Choices,
    shown: Entered,
    key: str,
    *,
    before: tuple[PaymentView, str] | None = None,
    failed: bool = False,
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    """`before`: the payment that the payer comes back from. `failed`: nobody knows from which."""
    ways = [(one, limits_of(one, shown.currency)) for one in on.methods]
    return visit.page(
        "deposit.html",
        status=status,
        shown=shown,
        key=key,
        errors=errors or {},
        before=None if before is None else before[0],
        before_state="failed" if failed else None if before is None else state_of(before[1]),
        result=None if before is None else result_path(visit.locale, *before),
        onward=None if before is None else onward_path(visit.locale, str(before[0].payment_id)),
        often=on.often,
        others=on.others,
        presets=data.presets_of(on, shown.currency),
        ways=[(one.method, words.limits_told(visit, limits), data.limits_data(one)) for one, limits in ways],
        amount_attributes=amount_words(visit),
        form_attributes=words.limit_words(visit)
        | {"data-digits": data.digits_data(on.currencies), "data-presets": data.presets_data(on), "data-language": visit.locale},
    )
