"""What a provider's script writes behind our return address: a secret, which must not stay in the address, and a hint where to go on."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from services.gateway.config import LOCALES
from services.gateway.pages.visits import see, uuid_of
from services.gateway.problems import Problem

# docs.stripe.com/payments/accept-a-payment, "return_url": what Stripe.js appends to it.
_APPENDED: Final = frozenset({"payment_intent", "payment_intent_client_secret", "redirect_status"})


def without_what_was_appended(request: Request, locale: str) -> Response | None:
    """303 to the same page without it; None when nothing was appended. Who comes back from an attempt that failed can try another one: the
    payment page is where they are sent, and it leads on by itself if the session has been paid all the same."""
    query = request.query_params
    if _APPENDED.isdisjoint(query):
        return None
    if query.get("redirect_status") == "failed" and "session_id" in query:
        session_id = uuid_of(query["session_id"], Problem("session_not_found", "There is no such session."))
        return see(f"/{locale}/pay/{session_id}?error=payment_failed")
    kept = [(name, value) for name, value in query.multi_items() if name not in _APPENDED]
    # The path as it was asked for: whoever made it up may have put anything there.
    return see(quote(request.scope["path"]) + (f"?{urlencode(kept)}" if kept else ""))


def in_language(path: str, locale: str) -> str:
    """A page of ours as whoever is here speaks, whatever language its payment was begun in."""
    head, slash, rest = path.removeprefix("/").partition("/")
    return f"/{locale}/{rest}" if slash and head in LOCALES else path
