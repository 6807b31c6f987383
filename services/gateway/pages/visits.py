"""What every page's route has in common: who visits, in which language, what stands around the page, and where one may be sent on to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit
from uuid import UUID

from babel.core import negotiate_locale
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.auth import Caller
from services.gateway.config import LOCALES
from services.gateway.edge import request_id_of
from services.gateway.hypertext.formats import Formats
from services.gateway.hypertext.policy import Sources
from services.gateway.parts import Parts
from services.gateway.problems import Problem
from shared.tokens import Identity

# Printable ASCII, a path of this origin: what browsers read as the beginning of another origin ("//", "/\") is none.
_OWN_PATH: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*", re.ASCII)
_NEXT_LENGTH_MAX: Final = 500
_TOLD_AGAIN_MAX: Final = 6_000
"""An address of ours is shorter, with two cursors in it; a longer one is not repeated in each language."""
_ID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_LANGUAGES_LENGTH_MAX: Final = 200
_QUALITY: Final = re.compile(r"q=([01](?:\.[0-9]{0,3})?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Visit:
    """One visitor, one page, one language. `caller`: None for a guest."""

    request: Request
    parts: Parts
    locale: str
    caller: Caller | None

    @property
    def request_id(self) -> str:
        return request_id_of(self.request.scope)

    @property
    def query(self) -> QueryParams:
        return self.request.query_params

    def page(
        self,
        template: str,
        *,
        status: int = 200,
        refresh_seconds: int | None = None,
        sources: Sources | None = None,
        **values: object,
    ) -> Response:
        """The page with the site around it. `refresh_seconds`: what is still on its way is asked for again where no script does it."""
        return self.parts.hypertext.page(
            template, self.locale, status=status, refresh_seconds=refresh_seconds, sources=sources, site=Site(self), **values
        )

    def gettext(self, message: str) -> str:
        text: str = self.parts.hypertext.translations[self.locale].gettext(message)
        return text

    @property
    def formats(self) -> Formats:
        return self.parts.hypertext.formats[self.locale]


@dataclass(frozen=True, slots=True)
class Site:
    """What stands around every page: who is here, where else one can go, and the same page in the other languages."""

    visit: Visit

    @property
    def user(self) -> Identity | None:
        return None if self.visit.caller is None else self.visit.caller.identity

    @property
    def is_admin(self) -> bool:
        return self.user is not None and self.user.is_admin

    @property
    def csrf_token(self) -> str | None:
        caller = self.visit.caller
        return None if caller is None else self.visit.parts.gate.csrf_token(caller.token)

    @property
    def path(self) -> str:
        path: str = self.visit.request.scope["path"]
        return path

    @property
    def request_id(self) -> str:
        return self.visit.request_id

    @property
    def default_currency(self) -> str:
        return self.visit.parts.settings.default_currency

    @property
    def demo_login(self) -> bool:
        return self.visit.parts.directory is not None

    @property
    def login_path(self) -> str:
        """ "" where logging in is another site's."""
        return f"/{self.visit.locale}/login" if self.demo_login else ""

    def in_language(self, locale: str) -> str:
        """This page's address in another language; what is below no language is prefixed."""
        head, _, rest = self.path.lstrip("/").partition("/")
        path = f"/{locale}/{rest}" if head in LOCALES else f"/{locale}{self.path}" if self.path != "/" else f"/?lang={locale}"
        query = self.visit.request.url.query
        if len(path) + len(query) > _TOLD_AGAIN_MAX:
            return f"/?lang={locale}"
        return quote(path, safe="/?=") + (f"?{query}" if query and self.path != "/" else "")


def visit_of(request: Request, parts: Parts, locale: str) -> Visit:
    """The visit to a page of that language; 404 for one that the pages do not speak."""
    return Visit(request, parts, require_locale(locale), visitor(request, parts))


def locale_of(request: Request, parts: Parts) -> str:
    """The language of a page whose path may name none: the path's, else what the browser prefers, else the installation's."""
    named = request.url.path.lstrip("/").partition("/")[0]
    if named in LOCALES:
        return named
    preferred = negotiate_locale(_preferred(request.headers.get("accept-language", "")), LOCALES)
    return preferred or parts.settings.default_locale


def _preferred(header: str) -> list[str]:
    """Languages of Accept-Language (RFC 9110, 12.5.4), the most wanted first, without their regions; within bounds."""
    wanted: list[tuple[float, int, str]] = []
    for place, part in enumerate(header[:_LANGUAGES_LENGTH_MAX].split(",")):
        tag, _, parameter = part.strip().partition(";")
        quality = _QUALITY.fullmatch(parameter.strip())
        weight = 1.0 if not parameter else float(quality[1]) if quality else 0.0
        language = tag.partition("-")[0].lower()
        if weight > 0 and language.isascii() and language.isalpha():
            wanted.append((-weight, place, language))
    return [language for _, _, language in sorted(wanted)]


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


def is_web_address(url: str) -> bool:
    """May a page of ours lead there? What a provider calls its page may be anything, `javascript:` too."""
    return urlsplit(url).scheme in ("https", "http")


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
