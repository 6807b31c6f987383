"""Settings that every service reads, from the environment or `.env`; a bad one ends the start with one line that names it."""

from __future__ import annotations

import re
import sys
from typing import Annotated, Any, Literal, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.keys import Keys

SECRET_BYTES_MIN = 32
_WEAK = ("secret", "changeme", "change-me", "password", "example", "default")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_WRITTEN_OUT = re.compile(r"[\x21\x22\x24-\x3e\x40-\x7e]+")


def _split(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Several values in one variable, comma-separated."""

ListedOrUnset = Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(_split)]
"""The same; None when the variable is not set, which is not an empty list."""


class CommonSettings(BaseSettings):
    """What gateway, payments, wallet and notifier share. Field names are the variables' names in lower case."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", hide_input_in_errors=True)

    environment: Literal["development", "production"] = "development"
    amqp_url: str = Field(repr=False, description="amqp://user:password@host:port/vhost")
    secret_key: Listed = Field(repr=False, description="at least 32 bytes; two, comma-separated, while rolling")
    bind_host: str = "127.0.0.1"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    allow_demo: bool = False

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("is empty")
        if any(len(secret.encode()) < SECRET_BYTES_MIN for secret in value):
            raise ValueError(f"must be at least {SECRET_BYTES_MIN} bytes")
        return value

    @field_validator("amqp_url")
    @classmethod
    def _amqp(cls, value: str) -> str:
        if urlsplit(value).scheme not in ("amqp", "amqps"):
            raise ValueError("must begin with amqp:// or amqps://")
        return value

    @model_validator(mode="after")
    def _production(self) -> CommonSettings:
        if self.production:
            for secret in self.secret_key:
                refuse_weak("SECRET_KEY", secret)
        elif self.bind_host not in LOOPBACK and not self.allow_demo:
            raise ValueError("BIND_HOST is public but ENVIRONMENT is development: set ALLOW_DEMO=1 to allow it, or ENVIRONMENT=production")
        return self

    @property
    def production(self) -> bool:
        return self.environment == "production"

    @property
    def keys(self) -> Keys:
        return Keys(self.secret_key)


class DatabaseSettings(CommonSettings):
    """Settings of a service with a schema of its own; `database_url` logs in as that service's own role."""

    database_url: str = Field(repr=False, description="postgresql://role:password@host:port/database")
    database_pool_size: int = Field(default=6, ge=2, le=50)

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: str) -> str:
        if urlsplit(value).scheme not in ("postgresql", "postgres"):
            raise ValueError("must begin with postgresql://")
        return value


def refuse_weak(name: str, secret: str) -> None:
    """ValueError when a production secret is short, repeats a few characters, or looks like a placeholder."""
    if len(secret.encode()) < SECRET_BYTES_MIN or len(set(secret)) < 10 or is_placeholder(secret):
        raise ValueError(f"{name} is weak: use at least {SECRET_BYTES_MIN} random bytes")


def is_placeholder(secret: str) -> bool:
    """Does it hold a word that stands in examples where a secret is to be put?"""
    return any(word in secret.lower() for word in _WEAK)


def require_address(url: str, schemes: tuple[str, ...], *, name: str = "", when: str = "") -> None:
    """ValueError, which does not show it, unless paths can be put behind `url` and everybody may see it. `name`: the variable's, where
    nobody else says it."""
    if flaw := _flaw(url, tuple(f"{scheme}://" for scheme in schemes)):
        raise ValueError(f"{name} {flaw}{when}".lstrip())


def _flaw(url: str, beginnings: tuple[str, ...]) -> str | None:
    try:
        parts = urlsplit(url)
        host, login, _ = parts.hostname, parts.username, parts.port
    except ValueError:
        return "has a host or a port that cannot be read"
    if not url.startswith(beginnings) or not host:
        return f"must begin with {' or '.join(beginnings)}"
    if login is not None or not _WRITTEN_OUT.fullmatch(url):
        return "must have no login, query, fragment, space or letter beyond ASCII in it"
    return None


SettingsType = TypeVar("SettingsType", bound=BaseSettings)


def load(settings_class: type[SettingsType]) -> SettingsType:
    """The settings, or exit status 2 after one line on stderr that names each bad variable (never its value)."""
    try:
        return settings_class()
    except ValidationError as error:
        _stop("; ".join(_line(problem["loc"], problem["type"], problem["msg"]) for problem in error.errors(include_input=False)))


def _line(loc: tuple[int | str, ...], kind: str, message: str) -> str:
    reason = "is not set" if kind == "missing" else message.removeprefix("Value error, ")
    return f"{str(loc[0]).upper()} {reason}" if loc else reason


def _stop(reason: str) -> NoReturn:
    print(f"cannot start: {reason}", file=sys.stderr, flush=True)
    raise SystemExit(2)
