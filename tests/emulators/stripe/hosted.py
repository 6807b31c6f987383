"""The 3-D Secure page of the payer's bank, and the way back to the merchant."""

from __future__ import annotations

import contextlib
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tests.emulators.pages import Button, Form, page
from tests.emulators.stripe.book import Book
from tests.emulators.stripe.errors import Refusal
from tests.emulators.stripe.intents import CHALLENGE_PATH
from tests.emulators.stripe.objects import PaymentIntent

_STATUSES: Final = {"succeeded": "succeeded", "requires_capture": "succeeded", "processing": "pending"}


def hosted_routes(book: Book) -> list[Route]:
    def intent_of(request: Request) -> PaymentIntent | None:
        intent = book.account.intents.find(request.query_params.get("payment_intent", ""))
        secret = request.query_params.get("payment_intent_client_secret", "")
        return intent if intent is not None and intent.client_secret == secret else None

    async def show(request: Request) -> Response:
        intent = intent_of(request)
        if intent is None or intent.status != "requires_action":
            return _nothing_to_do(intent)
        facts = {"Payment": intent.id, "Amount": f"{intent.amount} {intent.currency} in the smallest unit"}
        buttons = (
            Button("complete", "Complete authentication"),
            Button("fail", "Fail authentication"),
            Button("later", "Go back undecided"),
        )
        text = "Your bank asks you to confirm this payment."
        return page("3D Secure 2 test page", facts=facts, text=text, form=Form(f"{CHALLENGE_PATH}?{request.url.query}", buttons))

    async def decide(request: Request) -> Response:
        intent = intent_of(request)
        choice = dict(parse_qsl((await request.body()).decode("utf-8", "replace"))).get("choice")
        if intent is None or intent.status != "requires_action":
            return _nothing_to_do(intent)
        if choice in ("complete", "fail"):
            # Declined after all: the intent says so, and the merchant's page reads it there.
            with contextlib.suppress(Refusal):
                book.intents.authenticate(intent, choice == "complete")
        if intent.return_url is None:
            return page("Done", text="You can close this window and go back to the shop.")
        return RedirectResponse(return_address(intent), status_code=303)

    return [
        Route(CHALLENGE_PATH, show, name="_challenge"),
        Route(CHALLENGE_PATH, decide, methods=["POST"], name="_challenge_decided"),
    ]


def return_address(intent: PaymentIntent) -> str:
    """The merchant's return_url with what Stripe adds to it; it proves nothing."""
    assert intent.return_url is not None
    parts = urlsplit(intent.return_url)
    added = {
        "payment_intent": intent.id,
        "payment_intent_client_secret": intent.client_secret,
        "redirect_status": _STATUSES.get(intent.status, "failed"),
    }
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in added]
    return urlunsplit(parts._replace(query=urlencode([*kept, *added.items()])))


def _nothing_to_do(intent: PaymentIntent | None) -> Response:
    if intent is None:
        return page("No such payment", text="This address is not one that the bank has given out.", status=404)
    return page("Nothing to confirm", text=f"This payment asks for nothing any more: it is {intent.status}.", status=410)
