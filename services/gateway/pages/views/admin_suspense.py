"""Money that did not fit, for the operator: each item is given to a user or a payment, sent back, or written off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import exact_json
from services.gateway.auth import Caller
from services.gateway.commands import issue
from services.gateway.idempotency import caller_of
from services.gateway.pages.administration import decisions, words
from services.gateway.pages.administration.admission import admitted
from services.gateway.pages.administration.decisions import SuspenseQuestion
from services.gateway.pages.forms import KEY_IN_USE, Form, check_form, form_key, new_key, read_form
from services.gateway.pages.visits import Visit, see, uuid_of
from services.gateway.parts import GatewayParts, Parts
from services.gateway.problems import Problem, RefusedByDecision, status_of
from services.gateway.requests import SUSPENSE_DECIDED, SUSPENSE_ITEM, SUSPENSE_ITEMS
from shared.contracts.suspense import DecideSuspenseItem, GetSuspenseItem, ListSuspenseItems, SuspenseItemView, SuspensePage, SuspenseStatus

router = APIRouter(include_in_schema=False)

_PAGE: Final = 20
_CURSOR_LENGTH_MAX: Final = 2_000


@router.get("/{locale}/admin/suspense")
async def show_all(request: Request, parts: GatewayParts, locale: str) -> Response:
    visitor = admitted(request, parts, locale)
    if isinstance(visitor, Response):
        return visitor
    visit, _ = visitor
    asked_for = visit.query.get("status", "open")
    status: SuspenseStatus | None = next((one for one in get_args(SuspenseStatus) if one == asked_for), None)
    cursor = visit.query.get("cursor") or None
    if cursor is not None and len(cursor) > _CURSOR_LENGTH_MAX:
        raise Problem("invalid_cursor", "The cursor is not one of ours.")
    asked = ListSuspenseItems(status=status, limit=_PAGE, cursor=cursor, correlation_id=visit.request_id)
    page = await parts.services.question(asked, SUSPENSE_ITEMS)
    assert isinstance(page, SuspensePage)
    base = f"/{visit.locale}/admin/suspense"
    chosen = status or ""
    return visit.page(
        "admin_suspense.html",
        items=page.items,
        chosen=chosen,
        statuses=words.SUSPENSE_STATUSES,
        status_name=lambda name: words.named(visit, words.SUSPENSE_STATUSES, name),
        why=lambda reason: words.named(visit, words.SUSPENDED_BECAUSE, reason),
        older=None if page.next_cursor is None else f"{base}?{urlencode({'status': chosen, 'cursor': page.next_cursor})}",
        newest=None if cursor is None else f"{base}?{urlencode({'status': chosen})}",
        path=lambda one: f"{base}/{one.item_id}",
        who=lambda actor: words.who(visit, actor),
    )


@router.get("/{locale}/admin/suspense/{item_id}")
async def show_one(request: Request, parts: GatewayParts, locale: str, item_id: str) -> Response:
    visitor = admitted(request, parts, locale)
    if isinstance(visitor, Response):
        return visitor
    visit, _ = visitor
    view = await _item(visit, item_id)
    return _page(visit, view, decisions.suspense_question(visit.query.get("decide")), {}, {})


@router.post("/{locale}/admin/suspense/{item_id}")
async def decide(request: Request, parts: GatewayParts, locale: str, item_id: str) -> Response:
    visitor = admitted(request, parts, locale)
    if isinstance(visitor, Response):
        return visitor
    visit, caller = visitor
    form = await read_form(request)
    check_form(parts, request, caller, form)
    asked = decisions.suspense_question(form.get("decision"))
    if asked is None:
        raise Problem("invalid_request", "there is no such decision")
    view = await _item(visit, item_id)
    told = {name: decisions.text_of(form, name) for name in asked.fields}
    errors = decisions.suspense_errors(visit, asked, told)
    if errors:
        return _page(visit, view, asked, errors, form, status=422)
    try:
        await _ask(request, parts, caller, view, asked, told, form_key(form))
    except RefusedByDecision as refusal:
        code = refusal.refused.code
        if code == KEY_IN_USE:
            return see(f"/{visit.locale}/admin/suspense/{view.item_id}")
        if code not in words.REFUSALS:
            raise
        now = await _item(visit, item_id)
        problem = {decisions.FIELD_OF.get(code, ""): visit.gettext(words.REFUSALS[code])}
        return _page(visit, now, asked if now.status == "open" else None, problem, form, status=status_of(code))
    return see(f"/{visit.locale}/admin/suspense/{view.item_id}")


async def _ask(
    request: Request,
    parts: Parts,
    caller: Caller,
    view: SuspenseItemView,
    asked: SuspenseQuestion,
    told: Mapping[str, str | None],
    key: str,
) -> None:
    """RefusedByDecision. No answer yet is no harm: the item's page says how far it is."""
    issued = issue(
        request,
        parts,
        caller=caller_of(caller.user_id),
        operation=f"POST /admin/suspense/{{item_id}} {asked.decision}",
        fingerprint=exact_json.fingerprint(request.url.path, b"", dict(told)),
        key=key,
    )
    fields: dict[str, Any] = {name: text for name, text in told.items() if text is not None}
    command = DecideSuspenseItem(
        **issued.envelope,
        item_id=str(view.item_id),
        decision_id=issued.resource_id,
        actor_user_id=caller.user_id,
        decision=asked.decision,
        **fields,
    )
    await issued.ask(command, SUSPENSE_DECIDED)


def _page(
    visit: Visit,
    view: SuspenseItemView,
    asked: SuspenseQuestion | None,
    errors: Mapping[str, str],
    form: Form,
    *,
    status: int = 200,
) -> Response:
    path = f"/{visit.locale}/admin/suspense/{view.item_id}"
    undecided = view.status == "open" and view.decided_by is None
    return visit.page(
        "admin_suspense_item.html",
        status=status,
        one=view,
        asked=asked if undecided else None,
        questions=decisions.SUSPENSE_QUESTIONS if undecided else (),
        errors=errors,
        entered=form,
        path=path,
        decide_path=lambda decision: f"{path}?{urlencode({'decide': decision})}",
        status_name=lambda name: words.named(visit, words.SUSPENSE_STATUSES, name),
        why=words.named(visit, words.SUSPENDED_BECAUSE, view.reason),
        who=lambda actor: words.who(visit, actor),
        key=new_key(),
    )


async def _item(visit: Visit, item_id: str) -> SuspenseItemView:
    wanted = uuid_of(item_id, Problem("suspense_item_not_found", "There is no such item."))
    view = await visit.parts.services.question(GetSuspenseItem(item_id=str(wanted), correlation_id=visit.request_id), SUSPENSE_ITEM)
    assert isinstance(view, SuspenseItemView)
    return view
