"""Who asks: a bearer token, or the session cookie with its CSRF token; and the tokens of demo logins."""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from uuid import uuid4

import jwt
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.config import GatewaySettings
from services.gateway.directory import Person
from services.gateway.idempotency import caller_of
from services.gateway.problems import Problem
from services.gateway.rate_limit import RateLimit
from shared.keys import Keys
from shared.tokens import BadToken, Identity, TokenVerifier

COOKIE: Final = "purser_session"
CSRF_HEADER: Final = "X-CSRF-Token"
CSRF_LABEL: Final = "csrf"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_TOKEN_LENGTH_MAX: Final = 8_000
_COOKIE_LENGTH_MAX: Final = 3_800
"""Browsers drop a cookie above 4 KiB without a word."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and the token that says so."""

    identity: Identity
    token: str

    @property
    def user_id(self) -> str:
        return self.identity.user_id


@dataclass(frozen=True, slots=True)
class Gate:
    """Lets requests in, so many a second of one caller. `keys` makes the CSRF tokens: HMACs of the cookie's token, so nothing is stored."""

    verifier: TokenVerifier
    keys: Keys
    callers: RateLimit

    def admit(self, request: Request) -> Caller:
        """The caller. An Authorization header decides alone; else the cookie, whose unsafe requests need the CSRF token.

        Problems: not_authenticated, invalid_token, csrf_failed, too_many_requests.
        """
        token = bearer_token(request)
        if token is not None:
            return self._counted(Caller(self._identity(token), token))
        token = request.cookies.get(COOKIE)
        if not token:
            raise Problem("not_authenticated", "send a bearer token, or log in")
        identity = self._identity(token)
        if request.method not in SAFE_METHODS and not self.is_csrf_token(token, request.headers.get(CSRF_HEADER, "")):
            raise Problem("csrf_failed", f"send the session's csrf_token as {CSRF_HEADER}")
        return self._counted(Caller(identity, token))

    def admit_guest(self, request: Request) -> Caller | None:
        """The caller; None for a guest, who has no header, and no cookie or one that has ended. Problems: as admit()."""
        if bearer_token(request) is None:
            try:
                self._identity(request.cookies.get(COOKIE, ""))
            except Problem:
                return None
        return self.admit(request)

    def visitor(self, request: Request) -> Caller | None:
        """Whoever opens a page or sends its form, None when they are not logged in. A form has its CSRF token among its fields: who takes
        it has to check it. Problems: invalid_token for a bad header, too_many_requests."""
        token = bearer_token(request)
        if token is not None:
            return self._counted(Caller(self._identity(token), token))
        token = request.cookies.get(COOKIE, "")
        try:
            identity = self._identity(token)
        except Problem:
            return None
        return self._counted(Caller(identity, token))

    def admit_bearer(self, request: Request) -> Caller:
        """The caller of a request that no cookie may authorise."""
        token = bearer_token(request)
        if token is None:
            raise Problem("not_authenticated", "send a bearer token")
        return self._counted(Caller(self._identity(token), token))

    def check_leaving(self, request: Request) -> None:
        """May this request end the session? Whoever has no valid session may too, there is nothing to end; else as admit()."""
        try:
            self.admit(request)
        except Problem as problem:
            if problem.code == "csrf_failed":
                raise

    def csrf_token(self, token: str) -> str:
        return _csrf(self.keys.signing(CSRF_LABEL), token)

    def is_csrf_token(self, token: str, given: str) -> bool:
        expected = [_csrf(key, token) for key in self.keys.verifying(CSRF_LABEL)]
        return given.isascii() and any(hmac.compare_digest(given, one) for one in expected)

    def _counted(self, caller: Caller) -> Caller:
        # Only once it is certain who asks: what somebody else sends in a user's name must not use the user's rate up.
        self.callers.require(caller_of(caller.user_id))
        return caller

    def _identity(self, token: str) -> Identity:
        try:
            if len(token) > _TOKEN_LENGTH_MAX:
                raise BadToken("length")
            return self.verifier.verify(token)
        except BadToken as error:
            headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise Problem("invalid_token", "the token is expired, or not one of ours", headers=headers) from error


def bearer_token(request: Request) -> str | None:
    """The token of the Authorization header; None without one, invalid_token for another scheme or two headers."""
    values = request.headers.getlist("authorization")
    if not values:
        return None
    scheme, _, token = values[0].strip().partition(" ")
    if len(values) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise Problem("invalid_token", "send one header: Authorization: Bearer <token>")
    return token.strip()


def set_session_cookie(response: Response, caller: Caller, *, secure: bool) -> None:
    """Puts the caller's token into the cookie until it expires; invalid_request when it is too long for one."""
    if len(caller.token) > _COOKIE_LENGTH_MAX:
        raise Problem("invalid_request", f"the token is longer than the {_COOKIE_LENGTH_MAX} characters that a cookie can hold")
    left = int((caller.identity.expires_at - datetime.now(UTC)).total_seconds())
    response.set_cookie(COOKIE, caller.token, max_age=max(left, 0), path="/", secure=secure, httponly=True, samesite="lax")


def clear_session_cookie(response: Response, *, secure: bool) -> None:
    response.delete_cookie(COOKIE, path="/", secure=secure, httponly=True, samesite="lax")


def demo_token(settings: GatewaySettings, person: Person) -> str:
    """A token of our own for somebody of the demo directory; needs JWT_SECRET."""
    assert settings.jwt_secret is not None
    now = int(datetime.now(UTC).timestamp())
    claims = {
        "sub": person.user_id,
        "roles": [person.role],
        "email": person.email,
        "locale": settings.default_locale,
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience,
        "iat": now,
        "exp": now + settings.session_cookie_seconds,
        "jti": str(uuid4()),
    }
    return jwt.encode(claims, settings.jwt_secret, algorithm="HS256")


def _csrf(key: bytes, token: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, token.encode(), sha256)).decode().rstrip("=")
