"""What every page's route has in common: who visits, in which language, where one may be sent on to, and errors that people can read."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Any, Final
from urllib.parse import quote, urlsplit
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.auth import Caller
from services.gateway.config import LOCALES
from services.gateway.edge import request_id_of
from services.gateway.parts import Parts
from services.gateway.problems import Problem, RefusedByDecision, status_of

# Printable ASCII, a path of this origin: what browsers read as the beginning of another origin ("//", "/\") is none.
_OWN_PATH: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*", re.ASCII)
_NEXT_LENGTH_MAX: Final = 500
_ID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_HEADERS_KEPT: Final = ("Retry-After", "Connection")


class PageRoute(APIRoute):
    """A page's route: whoever reads HTML gets errors as pages, everybody else as problems."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except (Problem, RefusedByDecision, RequestValidationError) as error:
                if "text/html" not in request.headers.get("accept", ""):
                    raise
                return _error_page(request, error)

        return handle


def _error_page(request: Request, error: Exception) -> Response:
    parts: Parts = request.app.state.parts
    headers: dict[str, str] = {}
    match error:
        case Problem():
            code, headers = error.code, error.headers
        case RefusedByDecision():
            code = error.refused.code
            headers = Problem(code, error.refused.detail).headers
        case _:
            code = "invalid_request"
    locale = request.path_params.get("locale")
    locale = locale if locale in LOCALES else parts.settings.default_locale
    status = status_of(code)
    words = parts.hypertext.words[locale]
    page = parts.hypertext.page(
        "problem.html",
        locale,
        status=status,
        text=words.get(f"problem_{code}") or words.get(f"problem_{status}", words["problem"]),
        request_id=request_id_of(request.scope),
    )
    page.headers.update({name: headers[name] for name in _HEADERS_KEPT if name in headers})
    return page


def require_locale(locale: str) -> str:
    """The path's language; 404 for one that the pages do not speak."""
    if locale not in LOCALES:
        raise Problem("not_found", "there is no such page")
    return locale


def uuid_of(text: str | None, otherwise: Problem) -> UUID:
    if text is None or not _ID.fullmatch(text):
        raise otherwise
    return UUID(text)


def see(path: str) -> Response:
    """303 to a path of our own: relative, so that it stays on the host that the visitor has typed, where their cookie is."""
    return Response(status_code=303, headers={"Location": path})


def own_path(text: str | None) -> str | None:
    """`text` when it leads nowhere but to a page of this origin."""
    if not text or len(text) > _NEXT_LENGTH_MAX or not _OWN_PATH.fullmatch(text):
        return None
    return text


def path_within(parts: Parts, url: str) -> str | None:
    """The path of a URL of our own origin, else None."""
    own, given = urlsplit(parts.settings.public_url), urlsplit(url)
    if (own.scheme, own.netloc) != (given.scheme, given.netloc):
        return None
    return own_path(given.path + (f"?{given.query}" if given.query else ""))


def log_in_first(request: Request, parts: Parts, locale: str | None) -> Response:
    """Sends the visitor to the login page, and back here after. Problem: not_authenticated, where logging in is another site's."""
    if parts.directory is None:
        raise Problem("not_authenticated", "log in at the site that sent you here; it opens the pages with POST /api/v1/auth/session")
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    then = f"?next={quote(here, safe='')}" if own_path(here) else ""
    return see(f"/{locale or parts.settings.default_locale}/login{then}")


def visitor(request: Request, parts: Parts) -> Caller | None:
    """Whoever looks at the page, if they are logged in; what a form does is checked by its own token."""
    return parts.gate.visitor(request)
