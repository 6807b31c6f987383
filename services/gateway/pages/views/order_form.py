"""The order form: anybody may send it; however often one rendering of it is sent unchanged, one order is made."""

from __future__ import annotations

import re
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import receipts
from services.gateway.commands import Issued, issue
from services.gateway.guests import caller_of_order
from services.gateway.order_fields import BORN_FROM, EMAIL_MAX, EMAIL_PATTERN, PHONE_MAX, PHONE_PATTERN, POINT_MAX
from services.gateway.ordering import Wanted, create_order_command, orderer
from services.gateway.pages.forms import KEY_IN_USE, check_open_form, form_key, form_token, new_key, read_form
from services.gateway.pages.order_form import COOKIE, OF_CHAKRAS, WRONG, Entered, Errors, entered, errors_of, fingerprint, offered, read
from services.gateway.pages.troubles import message_of
from services.gateway.pages.visits import Visit, path_within, see, visit_of
from services.gateway.parts import GatewayParts, Parts
from services.gateway.problems import Problem, RefusedByDecision, status_of
from services.gateway.requests import ORDER_CREATED, PRODUCT
from shared.contracts.base import utc_now
from shared.contracts.orders import GetProduct, ProductView
from shared.contracts.payment_commands import Refused

router = APIRouter(include_in_schema=False)

_COOKIE_SECONDS: Final = 3_600
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_OPERATION: Final = "POST /{locale}/orders/{product}"
_PRODUCT_LENGTH_MAX: Final = 64
_OF_THE_METHOD: Final = frozenset(
    {
        "method_not_available",
        "currency_not_available",
        "amount_not_available",
        "payment_rejected",
        "provider_unavailable",
        "deadline_passed",
    }
)
"""Refusals after which the form may be sent again, another way to pay being chosen or none."""


@router.get("/{locale}/orders/{product}")
async def show(request: Request, parts: GatewayParts, locale: str, product: str) -> Response:
    visit = visit_of(request, parts, locale)
    view = await _product(visit, product)
    methods = await _methods(visit, view)
    known = "" if visit.caller is None else visit.caller.identity.email or ""
    return _page(visit, view, methods, Entered(email=known, method=methods[0] if methods else ""), {}, key=_kept_key(request))


@router.post("/{locale}/orders/{product}")
async def order(request: Request, parts: GatewayParts, locale: str, product: str) -> Response:
    visit = visit_of(request, parts, locale)
    form = await read_form(request)
    key = form_key(form)
    check_open_form(parts, request, visit.caller, form, _subject(product, key))
    view = await _product(visit, product)
    methods = await _methods(visit, view)
    sent = entered(form)
    wanted = read(sent, view, methods, visit.locale, utc_now().date())
    if not isinstance(wanted, Wanted):
        return _page(visit, view, methods, sent, wanted, key=key)
    who = orderer(parts.keys, visit.caller, wanted)
    same = fingerprint(wanted)
    issued = issue(request, parts, caller=who.name, operation=_OPERATION, fingerprint=same, key=f"{key} {same}")
    try:
        answer = await issued.ask(create_order_command(issued, who, wanted), ORDER_CREATED)
    except RefusedByDecision as refusal:
        if refusal.refused.code == KEY_IN_USE:
            # The other click of a double click is being worked on: it leads on from there too.
            return see(_waiting(parts, issued, visit.locale))
        errors = _errors(refusal.refused)
        if not errors:
            raise
        # Refused, it was not made: under another key it may be tried again.
        return _page(visit, view, methods, sent, errors, key=new_key(), status=status_of(refusal.refused.code))
    if answer is None:
        return see(_waiting(parts, issued, visit.locale))
    created, replayed = answer
    # A payment page elsewhere is linked to, not redirected to: this page's forms may lead nowhere but home. And what was ordered before may
    # have been paid since.
    onward = None if replayed else path_within(parts, created.payment_url)
    return see(onward or f"/{visit.locale}/orders/{created.order_id}/pay")


def _page(
    visit: Visit,
    product: ProductView,
    methods: tuple[str, ...],
    sent: Entered,
    errors: Errors,
    *,
    key: str,
    status: int = 422,
) -> Response:
    page = visit.page(
        "order_form.html",
        status=status if errors else 200,
        product=product,
        methods=methods,
        sent=sent,
        errors={name: visit.gettext(message) for name, message in errors.items()},
        wrong={name: visit.gettext(message) for name, message in WRONG.items()},
        of_chakras=product.made_by == OF_CHAKRAS,
        limits={
            "born_from": BORN_FROM,
            "today": utc_now().date(),
            "email_max": EMAIL_MAX,
            "email": EMAIL_PATTERN,
            "phone_max": PHONE_MAX,
            "phone": PHONE_PATTERN,
            "point_max": POINT_MAX,
        },
        key=key,
        csrf_token=form_token(visit.parts, visit.caller, _subject(product.product, key)),
    )
    secure = visit.parts.settings.secure_cookies
    page.set_cookie(COOKIE, key, max_age=_COOKIE_SECONDS, path="/", secure=secure, httponly=True, samesite="lax")
    return page


def _kept_key(request: Request) -> str:
    kept = request.cookies.get(COOKIE, "")
    return kept if _KEY.fullmatch(kept) else new_key()


async def _product(visit: Visit, product: str) -> ProductView:
    """Refused or Problem: product_not_found."""
    if len(product) > _PRODUCT_LENGTH_MAX:
        raise Problem("product_not_found", "There is no such product.")
    asked = GetProduct(product=product, locale=visit.locale, correlation_id=visit.request_id)
    view = await visit.parts.services.question(asked, PRODUCT)
    assert isinstance(view, ProductView)
    return view


async def _methods(visit: Visit, product: ProductView) -> tuple[str, ...]:
    return offered(await visit.parts.methods.current(visit.request_id), product)


def _errors(refused: Refused) -> Errors:
    """What the form can say of a refusal; empty when it is for an error page."""
    if refused.code in _OF_THE_METHOD:
        return {"": message_of(refused.code)}
    return errors_of(refused.errors) if refused.code == "invalid_request" else {}


def _waiting(parts: Parts, issued: Issued, locale: str) -> str:
    """Where a slow order is waited for: the receipt proves that it was handed over."""
    order_id = str(issued.resource_id)
    receipt = receipts.sign(parts.keys, resource_id=order_id, caller=caller_of_order(order_id), deadline=issued.deadline)
    return f"/{locale}/orders/{order_id}/pay?receipt={receipt}"


def _subject(product: str, key: str) -> str:
    """What a guest's token is about: this rendering of the form alone."""
    return f"order {product} {key}"
