"""Where an order's payer comes back to: what was bought, or another try."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.commands import issue
from services.gateway.edge import request_id_of
from services.gateway.guests import caller_of_order
from services.gateway.pages.forms import check_form, form_token, read_form
from services.gateway.pages.returns import without_what_was_appended
from services.gateway.pages.visits import path_within, require_locale, see, uuid_of, visit_of, visitor
from services.gateway.parts import GatewayParts, Parts
from services.gateway.problems import Problem, RefusedByDecision
from services.gateway.requests import INTERPRETATION, ORDER, ORDER_CREATED
from shared.contracts.base import new_id
from shared.contracts.orders import CreateOrderPayment, GetInterpretation, GetOrder, Interpretation, OrderView

router = APIRouter(include_in_schema=False)

REFRESH_SECONDS: Final = 2
_TEXT_WAIT_SECONDS: Final = 1.5
_UNPAID: Final = frozenset({"pending", "expired", "failed"})
_ENDED: Final = frozenset({"failed", "canceled", "expired"})
_OPERATION: Final = "POST /{locale}/orders/{order_id}/payment-failed"


@router.get("/{locale}/orders/{order_id}/success")
async def success(request: Request, parts: GatewayParts, locale: str, order_id: str) -> Response:
    visit = visit_of(request, parts, locale)
    spoken = visit.locale
    if clean := without_what_was_appended(request, spoken):
        return clean
    view = await _order(request, parts, order_id)
    again = f"/{spoken}/orders/{view.order_id}/payment-failed"
    if view.status in _UNPAID:
        state = "unpaid" if view.status == "failed" or view.payment_status in _ENDED else "waiting"
        text = None
    else:
        text = await _text(request, parts, view.order_id)
        state = "refunded" if view.status == "refunded" else "troubled" if view.status == "fulfilment_failed" else "paid"
    # What is being made is worth another look; an order without a text is simply paid.
    refresh = REFRESH_SECONDS if state == "waiting" or text == "" else None
    return visit.page(
        "order_result.html",
        refresh_seconds=refresh,
        view=view,
        state=state,
        paragraphs=_paragraphs(text),
        making=text == "",
        again=again,
    )


@router.get("/{locale}/orders/{order_id}/payment-failed")
async def failed(request: Request, parts: GatewayParts, locale: str, order_id: str) -> Response:
    visit = visit_of(request, parts, locale)
    spoken = visit.locale
    view = await _order(request, parts, order_id)
    done = None if view.status in _UNPAID else f"/{spoken}/orders/{view.order_id}/success"
    open_url = view.payment_url if view.status == "pending" and view.payment_status == "pending" else None
    token = form_token(parts, visit.caller, str(view.order_id))
    onward = None if open_url is None else path_within(parts, open_url) or open_url
    return visit.page("order_failed.html", view=view, done=done, onward=onward, csrf_token=token)


@router.post("/{locale}/orders/{order_id}/payment-failed")
async def try_again(request: Request, parts: GatewayParts, locale: str, order_id: str) -> Response:
    spoken = require_locale(locale)
    known = uuid_of(order_id, _no_order())
    form = await read_form(request)
    check_form(parts, request, visitor(request, parts), form, str(known))
    here = f"/{spoken}/orders/{known}"
    issued = issue(request, parts, caller=caller_of_order(str(known)), operation=_OPERATION, fingerprint=known.hex * 2)
    command = CreateOrderPayment(**issued.envelope, order_id=known, payment_id=new_id())
    try:
        answer = await issued.ask(command, ORDER_CREATED)
    except RefusedByDecision as refusal:
        if refusal.refused.code != "already_paid":
            raise
        return see(f"{here}/success")
    # A payment page elsewhere is linked to, not redirected to: this page's forms may lead nowhere but home.
    onward = None if answer is None else path_within(parts, answer[0].payment_url)
    return see(onward or f"{here}/payment-failed")


async def _order(request: Request, parts: Parts, order_id: str) -> OrderView:
    known = uuid_of(order_id, _no_order())
    view = await parts.services.question(GetOrder(order_id=known, correlation_id=request_id_of(request.scope)), ORDER)
    assert isinstance(view, OrderView)
    return view


async def _text(request: Request, parts: Parts, order_id: UUID) -> str | None:
    """The text; "" while it is being made; None when there is none to show."""
    asked = GetInterpretation(order_id=order_id, wait_seconds=_TEXT_WAIT_SECONDS, correlation_id=request_id_of(request.scope))
    try:
        answer = await parts.services.question(asked, INTERPRETATION)
    except RefusedByDecision as refusal:
        return "" if refusal.refused.code == "not_ready" else None
    assert isinstance(answer, Interpretation)
    return answer.message


def _paragraphs(text: str | None) -> list[str]:
    return text.split("\n\n") if text else []


def _no_order() -> Problem:
    return Problem("order_not_found", "There is no such order.")
