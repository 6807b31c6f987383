"""On from an order to its payment: to whichever page takes it, or to another try after one that failed."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import receipts
from services.gateway.commands import issue
from services.gateway.guests import caller_of_order
from services.gateway.pages.forms import KEY_IN_USE, check_open_form, form_key, form_token, new_key, read_form
from services.gateway.pages.order_form import payable
from services.gateway.pages.troubles import message_of
from services.gateway.pages.views.order_results import REFRESH_SECONDS, UNPAID, find_order, is_open, no_order
from services.gateway.pages.visits import Visit, is_web_address, path_within, see, uuid_of, visit_of
from services.gateway.parts import GatewayParts
from services.gateway.problems import Problem, RefusedByDecision
from services.gateway.requests import ORDER_CREATED
from shared.contracts.base import utc_now
from shared.contracts.orders import CreateOrderPayment, OrderView

router = APIRouter(include_in_schema=False)

_OPERATION: Final = "POST /{locale}/orders/{order_id}/payment-failed"


@router.get("/{locale}/orders/{order_id}/pay")
async def pay(request: Request, parts: GatewayParts, locale: str, order_id: str) -> Response:
    """To the payment page of the order's newest session. One elsewhere is linked to: no form of ours may lead there by a redirect."""
    visit = visit_of(request, parts, locale)
    try:
        view = await find_order(visit, order_id)
    except RefusedByDecision as refusal:
        if refusal.refused.code != "order_not_found" or (page := _not_there_yet(visit, order_id)) is None:
            raise
        return page
    path = f"/{visit.locale}/orders/{view.order_id}"
    if not is_open(view):
        return see(f"{path}/{'payment-failed' if view.status in UNPAID else 'success'}")
    if view.payment_url is None:
        return _onward(visit, "waiting")
    if (own := path_within(parts, view.payment_url)) is not None:
        return see(own)
    if not is_web_address(view.payment_url):
        raise Problem("payment_rejected", "the provider's page has an address that is none")
    return visit.page("order_onward.html", state="onward", refresh_seconds=0, view=view, url=view.payment_url)


@router.get("/{locale}/orders/{order_id}/payment-failed")
async def failed(request: Request, parts: GatewayParts, locale: str, order_id: str) -> Response:
    visit = visit_of(request, parts, locale)
    return await _failed_page(visit, await find_order(visit, order_id))


@router.post("/{locale}/orders/{order_id}/payment-failed")
async def try_again(request: Request, parts: GatewayParts, locale: str, order_id: str) -> Response:
    visit = visit_of(request, parts, locale)
    known = uuid_of(order_id, no_order())
    form = await read_form(request)
    check_open_form(parts, request, visit.caller, form, str(known))
    key, method = form_key(form), form.get("method", "")
    same = sha256(f"{known} {method}".encode()).hexdigest()
    issued = issue(request, parts, caller=caller_of_order(str(known)), operation=_OPERATION, fingerprint=same, key=f"{key} {same}")
    command = CreateOrderPayment(**issued.envelope, order_id=known, payment_id=issued.resource_id, method=method[:32] or None)
    path = f"/{visit.locale}/orders/{known}"
    try:
        answer = await issued.ask(command, ORDER_CREATED)
    except RefusedByDecision as refusal:
        if refusal.refused.code == "already_paid":
            return see(f"{path}/success")
        if refusal.refused.code != KEY_IN_USE:
            raise
        answer = None  # the other click of a double click is being worked on: it leads on from there too
    onward = None if answer is None else path_within(parts, answer[0].payment_url)
    return see(onward or f"{path}/pay")


async def _failed_page(visit: Visit, view: OrderView) -> Response:
    path = f"/{visit.locale}/orders/{view.order_id}"
    if view.status not in UNPAID:
        state = "done"
    elif view.status == "failed":
        state = "refused"
    else:
        state = "open" if is_open(view) else "failed"
    methods: tuple[str, ...] = ()
    if state == "failed":
        methods = payable(await visit.parts.methods.current(visit.request_id), view.amount_minor, view.currency)
    why = None if view.problem is None else visit.gettext(message_of(view.problem.code))
    token = form_token(visit.parts, visit.caller, str(view.order_id))
    return visit.page("order_failed.html", view=view, state=state, why=why, path=path, methods=methods, key=new_key(), csrf_token=token)


def _not_there_yet(visit: Visit, order_id: str) -> Response | None:
    """For whoever has a receipt of the order: that it is on its way, and in the end that it never arrived."""
    receipt = visit.query.get("receipt", "")
    known = str(uuid_of(order_id, no_order()))
    deadline = receipts.verified_deadline(visit.parts.keys, receipt, resource_id=known, caller=caller_of_order(known))
    if deadline is None:
        return None
    return _onward(visit, "waiting" if utc_now() < deadline + receipts.GRACE else "lost")


def _onward(visit: Visit, state: str) -> Response:
    return visit.page("order_onward.html", refresh_seconds=REFRESH_SECONDS if state == "waiting" else None, state=state, view=None, url="")
