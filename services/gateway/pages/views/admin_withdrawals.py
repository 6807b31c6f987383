"""Withdrawals for the operator: listed by status, and each approved, rejected, or told what became of its payout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import exact_json
from services.gateway.auth import Caller
from services.gateway.commands import issue
from services.gateway.idempotency import caller_of
from services.gateway.pages.administration import decisions, words
from services.gateway.pages.administration.admission import admitted, if_known
from services.gateway.pages.forms import KEY_IN_USE, Form, check_form, form_key, new_key, read_form
from services.gateway.pages.visits import Visit, see, uuid_of
from services.gateway.parts import GatewayParts
from services.gateway.problems import Problem, RefusedByDecision, status_of
from services.gateway.requests import AUDIT, WITHDRAWAL, WITHDRAWALS, WITHDRAWN
from shared.contracts.audit import AuditPage, ListAudit
from shared.contracts.withdrawals import DecideWithdrawal, Decision, GetWithdrawal, ListWithdrawals, WithdrawalPage, WithdrawalView

router = APIRouter(include_in_schema=False)

STATUSES: Final = ("pending", "approved", "sending", "paid", "rejected", "canceled", "failed", "returned")

_PAGE: Final = 20
_ACTIONS: Final = 20
_CURSOR_LENGTH_MAX: Final = 2_000


@router.get("/{locale}/admin/withdrawals")
async def show_all(request: Request, parts: GatewayParts, locale: str) -> Response:
    visitor = admitted(request, parts, locale)
    if isinstance(visitor, Response):
        return visitor
    visit, _ = visitor
    # Without a choice: what there is to do. An empty one: all.
    status = visit.query.get("status", "pending")
    if status not in STATUSES:
        status = ""
    cursor = visit.query.get("cursor") or None
    if cursor is not None and len(cursor) > _CURSOR_LENGTH_MAX:
        raise Problem("invalid_cursor", "The cursor is not one of ours.")
    asked = ListWithdrawals(
        user_id=None, for_admin=True, status=status or None, limit=_PAGE, cursor=cursor, correlation_id=visit.request_id
    )
    page = await parts.services.question(asked, WITHDRAWALS)
    assert isinstance(page, WithdrawalPage)
    here = _way_back(visit.query)
    return visit.page(
        "admin_withdrawals.html",
        items=page.items,
        chosen=status,
        statuses=STATUSES,
        older=None if page.next_cursor is None else _list_path(visit, status=status, cursor=page.next_cursor),
        newest=None if cursor is None else _list_path(visit, status=status),
        decided=await _decided_just_now(visit),
        possible=lambda one: _possible(one, visit),
        path=lambda one: f"/{visit.locale}/admin/withdrawals/{one.withdrawal_id}",
        here=urlencode(here),
        questions=decisions.QUESTIONS,
        who=lambda actor: words.who(visit, actor),
    )


@router.get("/{locale}/admin/withdrawals/{withdrawal_id}")
async def show_one(request: Request, parts: GatewayParts, locale: str, withdrawal_id: str) -> Response:
    visitor = admitted(request, parts, locale)
    if isinstance(visitor, Response):
        return visitor
    visit, caller = visitor
    view = await _withdrawal(visit, caller, withdrawal_id)
    wanted = visit.query.get("decide")
    decision = next((one for one in _possible(view, visit) if one == wanted), None)
    return await _page(visit, caller, view, decision, _way_back(visit.query), {}, {})


@router.post("/{locale}/admin/withdrawals/{withdrawal_id}")
async def decide(request: Request, parts: GatewayParts, locale: str, withdrawal_id: str) -> Response:
    visitor = admitted(request, parts, locale)
    if isinstance(visitor, Response):
        return visitor
    visit, caller = visitor
    form = await read_form(request)
    check_form(parts, request, caller, form)
    decision: Decision | None = next((one for one in get_args(Decision) if one == form.get("decision")), None)
    asked = None if decision is None else decisions.QUESTIONS.get(decision)
    if decision is None or asked is None:
        raise Problem("invalid_request", "there is no such decision")
    view = await _withdrawal(visit, caller, withdrawal_id)
    ways = _way_back(form)
    reason, reference = decisions.text_of(form, "reason"), decisions.text_of(form, "reference")
    errors: dict[str, str] = {}
    if asked.reference:
        errors |= decisions.reference_errors(visit, reference, required=asked.reference == "required")
    if asked.reason:
        errors |= decisions.reason_errors(visit, reason, required=asked.reason == "required")
    if errors:
        return await _page(visit, caller, view, decision, ways, errors, form, status=422)
    issued = issue(
        request,
        parts,
        caller=caller_of(caller.user_id),
        operation=f"POST /admin/withdrawals/{{withdrawal_id}} {decision}",
        fingerprint=exact_json.fingerprint(request.url.path, b"", {"reason": reason, "reference": reference}),
        key=form_key(form),
    )
    command = DecideWithdrawal(
        **issued.envelope,
        withdrawal_id=str(view.withdrawal_id),
        actor_user_id=caller.user_id,
        actor_is_admin=True,
        decision=decision,
        reference=reference if asked.reference else None,
        reason=reason if asked.reason else None,
    )
    try:
        # No answer yet is no harm: the list says how far it is.
        await issued.ask(command, WITHDRAWN)
    except RefusedByDecision as refusal:
        code = refusal.refused.code
        if code == KEY_IN_USE:
            return see(_list_path(visit, **ways, decided=str(view.withdrawal_id)))
        if code not in words.REFUSALS:
            raise
        told = {"": visit.gettext(words.REFUSALS[code])}
        now = await _withdrawal(visit, caller, withdrawal_id)
        return await _page(visit, caller, now, None, ways, told, {}, status=status_of(code))
    return see(_list_path(visit, **ways, decided=str(view.withdrawal_id)))


async def _page(
    visit: Visit,
    caller: Caller,
    view: WithdrawalView,
    decision: Decision | None,
    ways: dict[str, str],
    errors: dict[str, str],
    form: Form,
    *,
    status: int = 200,
) -> Response:
    resource = f"withdrawal:{view.withdrawal_id}"
    log = await if_known(visit.parts, ListAudit(resource=resource, limit=_ACTIONS, correlation_id=visit.request_id), AUDIT)
    path = f"/{visit.locale}/admin/withdrawals/{view.withdrawal_id}"
    return visit.page(
        "admin_withdrawal.html",
        status=status,
        one=view,
        decision=decision,
        asked=None if decision is None else decisions.QUESTIONS[decision],
        possible=_possible(view, visit),
        own=view.user_id == caller.user_id,
        questions=decisions.QUESTIONS,
        errors=errors,
        entered=form,
        ways=ways,
        back=_list_path(visit, **ways),
        decide_path=lambda decision: f"{path}?{urlencode({'decide': decision, **ways})}",
        path=path,
        key=new_key(),
        actions=log.items if isinstance(log, AuditPage) else None,
        who=lambda actor: words.who(visit, actor),
        payout=words.payout(visit, view.method),
    )


async def _withdrawal(visit: Visit, caller: Caller, withdrawal_id: str) -> WithdrawalView:
    wanted = uuid_of(withdrawal_id, Problem("withdrawal_not_found", "There is no such withdrawal."))
    query = GetWithdrawal(withdrawal_id=str(wanted), viewer_user_id=caller.user_id, viewer_is_admin=True, correlation_id=visit.request_id)
    view = await visit.parts.services.question(query, WITHDRAWAL)
    assert isinstance(view, WithdrawalView)
    return view


async def _decided_just_now(visit: Visit) -> WithdrawalView | None:
    """The one that a form has just decided, as it is now."""
    text = visit.query.get("decided")
    caller = visit.caller
    if text is None or caller is None:
        return None
    try:
        return await _withdrawal(visit, caller, text)
    except (Problem, RefusedByDecision):
        return None


def _possible(view: WithdrawalView, visit: Visit) -> tuple[Decision, ...]:
    """Nobody decides about their own."""
    return () if visit.caller is None or view.user_id == visit.caller.user_id else view.possible


def _way_back(fields: Mapping[str, str]) -> dict[str, str]:
    """What the list was asked for, so that one comes back to it as it was."""
    status, cursor = fields.get("status", "pending"), fields.get("cursor", "")
    kept = {"status": status if status in STATUSES else ""}
    return kept | ({"cursor": cursor} if 0 < len(cursor) <= _CURSOR_LENGTH_MAX else {})


def _list_path(visit: Visit, **asked: str) -> str:
    return f"/{visit.locale}/admin/withdrawals?{urlencode(asked)}"
