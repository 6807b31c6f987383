"""What AllSecure's answers say, told apart by what may be concluded; pure.

Both names of an error's members are read: `errorCode`/`errorMessage` (the samples, and the platform's own parser) and `code`/`message` (its
schema). Numbers are kept as the text that was sent, so that no sum ever becomes a float.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

DUPLICATE: Final = 3004
CANCELED_BY_PAYER: Final = 2002
EXPIRED: Final = 2005

_NOT_FOUND: Final = 8001
_TOO_MANY: Final = 1009
_MAINTENANCE: Final = 1010
_OUR_SETUP: Final = frozenset({1000, 1004, 1005, 1007})
"""The key in the path, the signature, the configuration: nobody's payment can work until somebody has looked."""
_NOT_EXPLICIT: Final = frozenset({None, 1001, 1003, 1008, 9999})
"""Trouble on their side that does not say whether a transaction came of it."""
_SHOWN_MAX: Final = 200

Uuid = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,64}$")]


class Unreadable(ValueError):
    """The body is not what the documents promise."""


class Said(BaseModel):
    """Whatever is not known is passed over; values stay out of errors."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, hide_input_in_errors=True)


class Problem(Said):
    code: str | None = Field(default=None, validation_alias=AliasChoices("errorCode", "code"))
    message: str | None = Field(default=None, validation_alias=AliasChoices("errorMessage", "message"))
    adapter_message: str | None = None

    @property
    def number(self) -> int | None:
        text = self.code or ""
        return int(text) if len(text) <= 6 and text.isascii() and text.isdigit() else None

    @property
    def shown(self) -> str:
        """In one line that may be shown to the payer: the gateway's own words, and not what it is told by the bank behind it."""
        text = " ".join("".join(one if one.isprintable() else " " for one in self.message or "").split())
        return text[:_SHOWN_MAX] or "AllSecure declined it"


_NO_PROBLEM: Final = Problem()


class _Transaction(Problem):
    success: bool
    uuid: Uuid | None = None
    return_type: str | None = None
    redirect_url: str | None = None
    errors: tuple[Problem, ...] | None = None


class _Status(Problem):
    success: bool
    transaction_status: str | None = None
    uuid: Uuid | None = None
    merchant_transaction_id: str | None = None
    transaction_type: str | None = None
    amount: str | None = None
    currency: str | None = None
    redirect_url: str | None = None
    errors: tuple[Problem, ...] | None = None


Model = TypeVar("Model", bound=Said)


def read(model: type[Model], body: bytes) -> Model:
    """The body as `model`. Unreadable."""
    try:
        return model.model_validate(json.loads(body, parse_int=str, parse_float=str, parse_constant=str))
    except (ValueError, RecursionError) as error:  # ValidationError and both of the decoding's errors are ValueErrors
        where = ", ".join(".".join(map(str, one["loc"])) for one in error.errors()) if isinstance(error, ValidationError) else ""
        raise Unreadable(where[:_SHOWN_MAX] or type(error).__name__) from None


# ---- what may be concluded


@dataclass(frozen=True, slots=True)
class Made:
    """A transaction exists. `return_type`: FINISHED, REDIRECT, HTML, PENDING, ERROR, or one that is newer."""

    uuid: str
    return_type: str
    redirect_url: str | None = None
    problem: Problem = _NO_PROBLEM


@dataclass(frozen=True, slots=True)
class Refused:
    """No transaction exists, none will, and no callback comes."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class Unserved:
    """Nothing was done, and the same may be asked again; after "credentials" not before somebody has looked."""

    reason: str
    outcome: Literal["rate_limited", "credentials", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing that tells."""

    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """A transaction as the status API has it. `status`: SUCCESS, PENDING, REDIRECT, CANCELLED, ERROR."""

    uuid: str
    status: str
    kind: str
    reference: str
    amount: str | None
    currency: str | None
    redirect_url: str | None
    problem: Problem = _NO_PROBLEM


@dataclass(frozen=True, slots=True)
class Absent:
    """They know no transaction of this id: so far it has not arrived."""


def transaction_said(status: int, body: bytes) -> Made | Refused | Unserved | Silent:
    """What the answer to a transaction call says. `status`: of HTTP."""
    if (unserved := _unserved(status)) is not None:
        return unserved
    try:
        said = read(_Transaction, body)
    except Unreadable as error:
        return Silent(f"HTTP {status}, unreadable: {error}")
    if (unserved := _unserved_code(said, status)) is not None:
        return unserved
    if status >= 500:
        return Silent(f"HTTP {status}, code {said.code}")
    if said.uuid is not None and said.return_type is not None and (said.success or said.return_type == "ERROR"):
        return Made(said.uuid, said.return_type, said.redirect_url, _first(said, said.errors))
    if said.uuid is not None or said.success or said.number in _NOT_EXPLICIT:
        return Silent(f"HTTP {status}, code {said.code}, returnType {str(said.return_type)[:40]}")
    return Refused(said)


def status_said(status: int, body: bytes) -> Found | Absent | Unserved | Silent:
    """What the status API's answer says."""
    if (unserved := _unserved(status)) is not None:
        return unserved
    try:
        said = read(_Status, body)
    except Unreadable as error:
        return Silent(f"HTTP {status}, unreadable: {error}")
    if status < 500 and not said.success and said.transaction_status is None and said.number == _NOT_FOUND:
        return Absent()
    if (unserved := _unserved_code(said, status)) is not None:
        return unserved
    if status != 200 or said.transaction_status is None or said.uuid is None:
        return Silent(f"HTTP {status}, code {said.code}")
    return Found(
        uuid=said.uuid,
        status=said.transaction_status,
        kind=said.transaction_type or "",
        reference=said.merchant_transaction_id or "",
        amount=said.amount,
        currency=said.currency,
        redirect_url=said.redirect_url,
        problem=_first(said, said.errors),
    )


def _unserved(status: int) -> Unserved | None:
    if status in (401, 403):
        return Unserved(f"HTTP {status}: it does not take our credentials", "credentials")
    return Unserved("too many requests", "rate_limited") if status == 429 else None


def _unserved_code(said: _Transaction | _Status, status: int) -> Unserved | None:
    """Only where no transaction is named: inside of one, the same codes say why it failed."""
    if said.success or said.uuid is not None:
        return None
    if said.number in _OUR_SETUP and status < 500:
        return Unserved(f"code {said.number}: {said.shown}", "credentials")
    if said.number == _TOO_MANY:
        return Unserved("too many requests", "rate_limited")
    return Unserved("maintenance", "refused") if said.number == _MAINTENANCE else None


def _first(said: Problem, errors: tuple[Problem, ...] | None) -> Problem:
    return errors[0] if errors else said
