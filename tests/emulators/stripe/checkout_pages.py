"""The hosted page of a Checkout Session: a card that pays, one that is declined, 3-D Secure, a bank that takes days, back to the shop."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tests.emulators.pages import Button, Form, page
from tests.emulators.stripe.checkout import DONE_PATH, PAGE_PATH, Checkout, Session
from tests.emulators.stripe.errors import Refusal

_METHODS: Final = {
    "pay": "pm_card_visa",
    "decline": "pm_card_visa_chargeDeclined",
    "pay_3ds": "pm_card_authenticationRequired",
    "pay_slowly": "pm_sepaDebit_success",
    "fail_slowly": "pm_sepaDebit_failed",
}
_BUTTONS: Final = (
    Button("pay", "Pay"),
    Button("decline", "Pay with a card that is declined"),
    Button("pay_3ds", "Pay with a card that asks for 3-D Secure"),
    Button("pay_slowly", "Pay from a bank account (decided later)"),
    Button("fail_slowly", "Pay from a bank account that is empty"),
)


def checkout_routes(checkout: Checkout) -> list[Route]:
    async def show(request: Request) -> Response:
        session = _found(checkout, request)
        return _gone() if session is None else _shown(session)

    async def decide(request: Request) -> Response:
        session = _found(checkout, request)
        if session is None:
            return _gone()
        choice = dict(parse_qsl((await request.body()).decode("utf-8", "replace"))).get("choice", "")
        if choice == "cancel" and session.cancel_url is not None:
            return RedirectResponse(session.cancel_url, 303)
        if choice not in _METHODS or session.status != "open":
            return _shown(session, status=400 if session.status == "open" else 410)
        try:
            intent = checkout.try_to_pay(session, _METHODS[choice])
        except Refusal as refusal:
            return _shown(session, str(refusal), 402)
        if intent.next_action is not None:
            return RedirectResponse(intent.next_action["redirect_to_url"]["url"], 303)
        return RedirectResponse(session.success_address, 303)

    async def done(request: Request) -> Response:
        """Where the bank's page of 3-D Secure sends the payer."""
        session = _found(checkout, request)
        if session is None:
            return _gone()
        return RedirectResponse(session.success_address if session.status == "complete" else session.url, 303)

    return [
        Route(PAGE_PATH + "/{key}", show, name="_checkout"),
        Route(PAGE_PATH + "/{key}", decide, methods=["POST"], name="_checkout_decided"),
        Route(DONE_PATH + "/{key}", done, name="_checkout_done"),
    ]


def _found(checkout: Checkout, request: Request) -> Session | None:
    try:
        return checkout.get(request.path_params["key"])
    except Refusal:
        return None


def _shown(session: Session, text: str = "", status: int = 200) -> Response:
    if session.status != "open":
        return page("Nothing to pay", text=f"This checkout is {session.status}.", status=410)
    facts = {f"{item.quantity} × {item.name}": str(item.unit_amount * item.quantity) for item in session.items}
    facts["To pay"] = f"{session.amount} {session.currency} in the smallest unit"
    buttons = _BUTTONS if session.cancel_url is None else (*_BUTTONS, Button("cancel", "Back to the shop"))
    return page("Checkout", facts=facts, text=text, form=Form(f"{PAGE_PATH}/{session.id}", buttons), status=status)


def _gone() -> Response:
    return page("Nothing to pay", text="There is no such checkout.", status=404)
