"""Errors as pages, in the visitor's language, with a way back; whoever does not read HTML gets them as problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from services.gateway.auth import SAFE_METHODS, Caller
from services.gateway.hypertext.catalogues import marked
from services.gateway.pages.visits import Visit, locale_of, own_path
from services.gateway.parts import Parts
from services.gateway.problems import Problem, RefusedByDecision, problem_response, refused_response, status_of

_MACHINES: Final = ("/api/", "/health", "/metrics", "/openapi.json", "/static/", "/create_order")
_OVERLOADED: Final = frozenset({"busy", "too_many_requests"})
"""Told with as little work as can be."""
_OTHER_PERSON: Final = frozenset({"not_authenticated", "invalid_token", "forbidden"})
"""Whoever logs in, again or as somebody else, may see it."""
_WORTH_TRYING: Final = frozenset({403, 409, 422, 429, 500, 503})
_PASSING: Final = frozenset({"no_answer", "broker_unavailable"})
"""Whatever page was asked for, one that promised to look again among them: it comes back by itself."""
_REFRESH_SECONDS: Final = 30
_ADDRESS_LENGTH_MAX: Final = 2_000
_HEADERS_KEPT: Final = ("Retry-After", "Connection", "Allow")

_ANY: Final = marked("Something is wrong with this request.")
_BY_STATUS: Final[Mapping[int, str]] = {
    401: marked("You are not logged in any more. Log in, then open this page again."),
    403: marked("This page has expired. Open it again and try once more."),
    404: marked("This page does not exist, or you have no access to it."),
    409: marked("That is no longer possible."),
    413: marked("That is more than can be sent at once."),
    429: marked("Too many attempts. Please wait a moment."),
    500: marked("Something went wrong on our side."),
    503: marked("We cannot answer right now. Nothing is lost: try again in a moment."),
}
_BY_CODE: Final[Mapping[str, str]] = {
    "forbidden": marked("Your account has no access to this page."),
    "not_authenticated": marked("Please log in at the site that sent you here, then open this page again."),
    "provider_not_configured": marked("This way to pay is not available here yet. Nothing was charged; please choose another one."),
    "insufficient_funds": marked("There is not enough money on the balance for that."),
    "already_paid": marked("This has been paid already."),
    "payment_processing": marked("The bank is still deciding about this payment. Please look again later."),
    "amount_not_available": marked("This amount cannot be paid this way. Please choose another amount or another way to pay."),
    "currency_not_available": marked("This currency cannot be paid this way. Please choose another one."),
    "payment_rejected": marked("The payment provider does not take this payment. Nothing was charged."),
    "provider_unavailable": marked("The payment provider does not answer right now. Nothing was charged; try again in a moment."),
    "session_final": marked("This payment has already been decided, or its time is over."),
    "not_received": marked("That took too long and was not done. Please try again."),
    "method_not_available": marked("This way to pay is not available here. Please choose another one."),
    "deadline_passed": marked("That took too long and was not done. Please try again."),
}


def message_of(code: str) -> str:
    """What went wrong, in English: to be translated."""
    return _BY_CODE.get(code) or _BY_STATUS.get(status_of(code), _ANY)


def reads_pages(scope: Scope) -> bool:
    """Is it a person with a browser, who asked for a page?"""
    if scope["path"].startswith(_MACHINES):
        return False
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def trouble(scope: Scope, error: Problem | RefusedByDecision, request_id: str) -> Response:
    """The error as whoever asked reads it."""
    if reads_pages(scope):
        code, headers = (error.code, error.headers) if isinstance(error, Problem) else _of_refusal(error)
        return _page(Request(scope), code, headers)
    return problem_response(error, request_id) if isinstance(error, Problem) else refused_response(error)


def _of_refusal(error: RefusedByDecision) -> tuple[str, Mapping[str, str]]:
    return error.refused.code, Problem(error.refused.code, error.refused.detail).headers


def _page(request: Request, code: str, headers: Mapping[str, str]) -> Response:
    parts: Parts = request.app.state.parts
    caller = None if code in _OVERLOADED else _caller(request, parts)
    visit = Visit(request, parts, locale_of(request, parts), caller)
    status = status_of(code)
    back = _address(request)
    login = f"/{visit.locale}/login?next={quote(back or '/', safe='')}" if code in _OTHER_PERSON and parts.directory is not None else None
    again = back if status in _WORTH_TRYING else None
    refresh = _REFRESH_SECONDS if code in _PASSING and request.method in SAFE_METHODS else None
    page = visit.page(
        "problem.html", status=status, refresh_seconds=refresh, text=visit.gettext(message_of(code)), login=login, again=again
    )
    page.headers.update({name: headers[name] for name in _HEADERS_KEPT if name in headers})
    return page


def _address(request: Request) -> str | None:
    """Where the page, or the form that was sent, can be had again; None where nobody knows."""
    if request.method in SAFE_METHODS:
        return own_path(quote(request.scope["path"]) + (f"?{request.url.query}" if request.url.query else ""))
    try:
        came_from = urlsplit(request.headers.get("referer", "")[:_ADDRESS_LENGTH_MAX])
    except ValueError:
        return None
    if not came_from.netloc or came_from.netloc != request.headers.get("host"):
        return None
    return own_path(came_from.path + (f"?{came_from.query}" if came_from.query else ""))


def _caller(request: Request, parts: Parts) -> Caller | None:
    """For the navigation only; who has sent too much is told so without one."""
    try:
        return parts.gate.visitor(request)
    except Problem:
        return None
