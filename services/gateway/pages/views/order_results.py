"""Where an order's payer comes back to, at once or after days: what has become of it, and what it bought."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.order_fields import POINT_MAX
from services.gateway.pages.order_form import COOKIE, name_of
from services.gateway.pages.reading import typeset
from services.gateway.pages.returns import without_what_was_appended
from services.gateway.pages.visits import Visit, uuid_of, visit_of
from services.gateway.parts import GatewayParts
from services.gateway.problems import Problem, RefusedByDecision
from services.gateway.requests import INTERPRETATION, ORDER
from shared.contracts.orders import GetInterpretation, GetOrder, Interpretation, OrderView

router = APIRouter(include_in_schema=False)

REFRESH_SECONDS: Final = 2
UNPAID: Final = frozenset({"pending", "expired", "failed"})
_TEXT_WAIT_SECONDS: Final = 1.5
_ENDED: Final = frozenset({"failed", "canceled", "expired"})


@dataclass(frozen=True, slots=True)
class Entered:
    """A point that the order was made with; `name` in the visitor's language."""

    name: str
    value: int


@router.get("/{locale}/orders/{order_id}/success")
async def success(request: Request, parts: GatewayParts, locale: str, order_id: str) -> Response:
    visit = visit_of(request, parts, locale)
    if clean := without_what_was_appended(request, visit.locale):
        return clean
    view = await find_order(visit, order_id)
    text = None if view.status in UNPAID else await _text(visit, view.order_id)
    state = _state(view, text)
    path = f"/{visit.locale}/orders/{view.order_id}"
    page = visit.page(
        "order_result.html",
        refresh_seconds=REFRESH_SECONDS if state in ("waiting", "making") else None,
        view=view,
        state=state,
        reading=list(typeset(text)) if text else [],
        points=list(_points(visit, view)),
        point_max=POINT_MAX,
        path=path,
        link=f"{parts.settings.public_url}{path}/success",
    )
    if COOKIE in request.cookies and view.status not in UNPAID:
        # What is ordered next is another order, however much it is like this one.
        page.delete_cookie(COOKIE, path="/", secure=parts.settings.secure_cookies, httponly=True, samesite="lax")
    return page


async def find_order(visit: Visit, order_id: str) -> OrderView:
    """Whoever knows its id may see it. Refused or Problem: order_not_found."""
    known = uuid_of(order_id, no_order())
    view = await visit.parts.services.question(GetOrder(order_id=known, correlation_id=visit.request_id), ORDER)
    assert isinstance(view, OrderView)
    return view


def no_order() -> Problem:
    return Problem("order_not_found", "There is no such order.")


def is_open(view: OrderView) -> bool:
    """Can its newest session still be paid?"""
    return view.status == "pending" and view.payment_status == "pending"


def _state(view: OrderView, text: str | None) -> str:
    if view.status in UNPAID:
        return "unpaid" if view.status == "failed" or view.payment_status in _ENDED else "waiting"
    if view.status in ("refunded", "disputed"):
        return view.status
    if view.status == "fulfilment_failed":
        return "troubled"
    # What is being made is worth another look; an order without a text is simply paid.
    return "making" if text == "" else "paid"


async def _text(visit: Visit, order_id: UUID) -> str | None:
    """The text; "" while it is being made; None when there is none to show."""
    asked = GetInterpretation(order_id=order_id, wait_seconds=_TEXT_WAIT_SECONDS, correlation_id=visit.request_id)
    try:
        answer = await visit.parts.services.question(asked, INTERPRETATION)
    except RefusedByDecision as refusal:
        return "" if refusal.refused.code == "not_ready" else None
    assert isinstance(answer, Interpretation)
    return answer.message


def _points(visit: Visit, view: OrderView) -> Iterator[Entered]:
    """Those that can be drawn: a deployer's own products may be made of anything."""
    for point in view.points:
        name, value = name_of(str(point.get("chakra"))), point.get("value")
        if name is not None and isinstance(value, int) and 0 <= value <= POINT_MAX:
            yield Entered(visit.gettext(name), value)
