"""Verifies bearer tokens (JWT): one pinned algorithm, a shared secret or a JWKS, issuer, audience and expiry required."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import jwt

ROLES: Final = frozenset({"student", "mentor", "admin"})
_LEEWAY_SECONDS: Final = 5


class BadToken(Exception):
    """The token is missing something, expired, or not signed by us."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: `user_id` (the token's sub), roles, and when the token ends."""

    user_id: str
    roles: frozenset[str]
    email: str | None
    locale: str | None
    expires_at: datetime

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles


@dataclass(frozen=True, slots=True)
class TokenVerifier:
    """`key` is the HS256 secret, or an object with `get_signing_key_from_jwt` (PyJWKClient, or a fixed set) for asymmetric algorithms."""

    algorithm: str
    issuer: str
    audience: str
    key: Any

    def verify(self, token: str) -> Identity:
        """The identity in `token`; BadToken otherwise. The algorithm is the setting's, whatever the token's header says."""
        try:
            key = self.key if isinstance(self.key, str) else self.key.get_signing_key_from_jwt(token).key
            claims = jwt.decode(
                token,
                key,
                algorithms=[self.algorithm],
                issuer=self.issuer,
                audience=self.audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "sub", "iss", "aud"]},
            )
            # PyJWT takes any number, and text that int() takes, for an expiry; not all of them are a time.
            expires_at = datetime.fromtimestamp(int(claims["exp"]), UTC)
        except (jwt.PyJWTError, ValueError, OverflowError, OSError) as error:
            raise BadToken(type(error).__name__) from error
        subject = claims["sub"]
        # Printable: what PostgreSQL, JSON and logs take as it is, which a NUL or half a surrogate pair is not.
        if not isinstance(subject, str) or not 0 < len(subject) <= 64 or not subject.isprintable():
            raise BadToken("sub")
        roles = claims.get("roles", [])
        if not isinstance(roles, list):
            raise BadToken("roles")
        return Identity(
            user_id=subject,
            roles=frozenset(r for r in roles if isinstance(r, str)) & ROLES,
            email=_text(claims.get("email")),
            locale=_text(claims.get("locale")),
            expires_at=expires_at,
        )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.isprintable() else None
