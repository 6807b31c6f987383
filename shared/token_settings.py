"""Settings of a service that verifies bearer tokens, and the verifier made from them: gateway's and notifier's."""

from __future__ import annotations

from typing import Final

from pydantic import Field, model_validator

from shared.jwks import KeySet
from shared.settings import SECRET_BYTES_MIN, CommonSettings, refuse_weak
from shared.tokens import TokenVerifier

_ASYMMETRIC: Final = ("RS256", "ES256", "EdDSA")


class TokenSettings(CommonSettings):
    """`jwt_secret` (HS256) or `jwt_jwks` (a file or an https URL; RS256, ES256 or EdDSA): exactly one of them."""

    jwt_secret: str | None = Field(default=None, repr=False, description="at least 32 bytes")
    jwt_jwks: str | None = Field(default=None, description="a file or a URL")
    jwt_algorithm: str | None = Field(default=None, description="pinned; default HS256 with a secret, RS256 with a JWKS")
    jwt_issuer: str = Field(default="purser", min_length=1)
    jwt_audience: str = Field(default="purser", min_length=1)

    @model_validator(mode="after")
    def _one_kind_of_key(self) -> TokenSettings:
        if self.jwt_secret and self.jwt_jwks:
            raise ValueError("JWT_SECRET and JWT_JWKS are both set: keep one")
        if self.jwt_jwks:
            if self.algorithm not in _ASYMMETRIC:
                raise ValueError(f"JWT_ALGORITHM must be one of {', '.join(_ASYMMETRIC)} with JWT_JWKS")
            if self.production and self.jwt_jwks.startswith("http://"):
                raise ValueError("JWT_JWKS must be https in production")
        elif self.jwt_secret:
            if self.algorithm != "HS256":
                raise ValueError("JWT_ALGORITHM must be HS256 with JWT_SECRET")
            if self.production:
                refuse_weak("JWT_SECRET", self.jwt_secret)
            elif len(self.jwt_secret.encode()) < SECRET_BYTES_MIN:
                raise ValueError(f"JWT_SECRET must be at least {SECRET_BYTES_MIN} bytes")
        else:
            raise ValueError("JWT_SECRET is not set (or set JWT_JWKS)")
        return self

    @property
    def algorithm(self) -> str:
        return self.jwt_algorithm or ("RS256" if self.jwt_jwks else "HS256")


def build_verifier(settings: TokenSettings) -> TokenVerifier:
    """The verifier that the settings describe; JwksUnavailable when the key set cannot be read now."""
    key = KeySet.load(settings.jwt_jwks, settings.algorithm) if settings.jwt_jwks else settings.jwt_secret
    return TokenVerifier(settings.algorithm, settings.jwt_issuer, settings.jwt_audience, key)
