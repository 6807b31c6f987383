"""The kinds of field that requests are made of: exact amounts, currencies, locales, times; each with its place in the OpenAPI document."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from services.gateway.config import LOCALES
from services.gateway.exact_json import Number
from shared.money import MAX_AMOUNT_MINOR, currency_code

_DECIMAL: Final = re.compile(r"[0-9]{1,31}(?:\.[0-9]{1,31})?", re.ASCII)
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII)


class RequestBody(BaseModel):
    """A body; unknown members are refused, since a misspelt one would silently mean its default."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=1_000, hide_input_in_errors=True)


def _decimal_text(value: Any) -> str:
    text = value.text if isinstance(value, Number) else value
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise PydanticCustomError("decimal", "must be a plain decimal number above 0, without sign or exponent")
    if not text.strip("0."):
        raise PydanticCustomError("decimal", "must be above 0")
    return text


def _minor(value: Any) -> int:
    whole = value.whole if isinstance(value, Number) else None
    if whole is None or not 0 < int(whole) <= MAX_AMOUNT_MINOR:
        raise PydanticCustomError("minor_units", "must be an integer of minor units, above 0, at most 10^15")
    return int(whole)


def _subject_id(value: Any) -> Any:
    # As a number or as text, it is the same id.
    whole = value.whole if isinstance(value, Number) else None
    return whole if whole is not None and int(whole) <= _SUBJECT_MAX else value


def _locale(value: str) -> str:
    language = value[:2].lower()
    if language not in LOCALES:
        raise PydanticCustomError("locale", "must be one of en, ru, sr")
    return language


def _rfc3339(value: Any) -> Any:
    if isinstance(value, str) and not _TIME.fullmatch(value):
        raise PydanticCustomError("time", "must be an RFC 3339 time, e.g. 2026-01-31T12:00:00Z")
    return value


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        # The first hours of year 1 and the last of year 9999 have no UTC time, here or in any service behind.
        raise PydanticCustomError("time", "must be a time between the years 1 and 9999 in UTC") from error


DecimalText = Annotated[
    str,
    BeforeValidator(_decimal_text),
    WithJsonSchema(
        {
            # Between these bounds no writer of JSON uses an exponent.
            "anyOf": [
                {"type": "number", "minimum": 0.001, "maximum": 10**15},
                {"type": "string", "pattern": r"^(?=.*[1-9])[0-9]{1,31}(\.[0-9]{1,31})?$"},
            ],
            "description": "Major units, as a JSON number or a decimal string, without exponent; a whole number of the currency's minor "
            "units, above 0, at most 10^15 minor units; never rounded.",
            "examples": [2000, "2000.50"],
        }
    ),
]
"""An amount's exact text; what the currency allows is for shared.money.parse_major."""

AmountMinor = Annotated[
    int,
    BeforeValidator(_minor),
    WithJsonSchema(
        {"type": "integer", "minimum": 1, "maximum": MAX_AMOUNT_MINOR, "description": "Minor units, e.g. cents.", "examples": [5000]}
    ),
]
"""A sum in minor units, as a JSON integer."""

_SUBJECT_MAX: Final = 10**18
_SUBJECT: Final = r"^[A-Za-z0-9][A-Za-z0-9._:@|+-]{0,63}$"
SubjectId = Annotated[
    str,
    BeforeValidator(_subject_id),
    StringConstraints(pattern=_SUBJECT),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": 0, "maximum": _SUBJECT_MAX}, {"type": "string", "pattern": _SUBJECT}],
            "description": "An integer or a string; told as a string.",
            "examples": [2, "2"],
        }
    ),
]
"""An id that is not of our making: of a user, a mentor, a coaching session."""

CurrencyCode = Annotated[
    str,
    AfterValidator(currency_code),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z]{3}$", "description": "ISO 4217, any case.", "examples": ["rsd"]}),
]
Locale = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z]{2}(-[A-Za-z0-9]{2,8})?$"),
    AfterValidator(_locale),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^([Ee][Nn]|[Rr][Uu]|[Ss][Rr])(-[A-Za-z0-9]{2,8})?$",
            "description": "Language of the pages that follow: en, ru or sr.",
            "examples": ["ru"],
        }
    ),
]
Time = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_utc), Field(examples=["2026-01-31T12:00:00Z"])]
OpaqueId = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,100}$")]
"""An id that may be ours; what is not ours is not found."""

ANY_TEXT: Final = r"^[^\x00]+$"
"""Of a text in a query: PostgreSQL takes all but NUL, which a body's texts may not hold either (exact_json.py)."""
ExternalIdFilter = Annotated[
    str | None, Field(min_length=1, max_length=255, pattern=ANY_TEXT, description="Only this one.", examples=["top-up-17"])
]

MetadataField = Annotated[
    dict[Annotated[str, StringConstraints(min_length=1, max_length=40)], Annotated[str, StringConstraints(max_length=500)]],
    Field(max_length=20, description="Your own: at most 20 keys of 40 characters, values of 500.", examples=[{"campaign": "autumn"}]),
]
ExternalIdField = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=255,
        description="Your own id of it: unique among your live ones of this kind; lists filter by it.",
        examples=["top-up-17"],
    ),
]
