"""The fields of an order form: whom to reach, a date of birth, and what the product is made from."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from services.gateway.exact_json import Number

EMAIL_MAX: Final = 254
"""RFC 5321, 4.5.3.1.3, as commonly read."""

PHONE_MAX: Final = 64

BORN_FROM: Final = date(1900, 1, 1)
"""Nobody older is alive; payments refuses an earlier date of birth."""

POINT_MAX: Final = 10
"""Of a point's value, which begins at 0."""

# Nothing that cannot be seen: it would be read as another address by whoever writes to it.
_UNSEEN: Final = r"\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
EMAIL_PATTERN: Final = rf"[^{_UNSEEN}@<>\x22]{{1,64}}@[^{_UNSEEN}@<>\x22.]{{1,63}}(\.[^{_UNSEEN}@<>\x22.]{{1,63}}){{1,8}}"
PHONE_PATTERN: Final = r"[+]?([ ().\/-]{0,2}[0-9]){5,15}[ )]?"
_WHOLE: Final = re.compile(r"(?P<digits>-?[0-9]{1,18})(\.0{1,31})?", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)

_EMAIL_OR_NOTHING: Final = re.compile(rf"({EMAIL_PATTERN})?")
_PHONE_OR_NOTHING: Final = re.compile(rf"({PHONE_PATTERN})?", re.ASCII)


def _email(value: str) -> str | None:
    text = value.strip(" ")
    if len(value) > EMAIL_MAX or not _EMAIL_OR_NOTHING.fullmatch(text):
        raise PydanticCustomError("email", "must be an e-mail address")
    return text or None


def _phone(value: str) -> str | None:
    text = value.strip(" ")
    if len(value) > PHONE_MAX or not _PHONE_OR_NOTHING.fullmatch(text):
        raise PydanticCustomError("phone", "must be a phone number of 5 to 15 digits")
    digits = "".join(character for character in text if character in "0123456789")
    return f"{text[:1] if text.startswith('+') else ''}{digits}" or None


def _birth_date(value: Any) -> date:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise PydanticCustomError("date", "must be a date, e.g. 1990-05-17")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise PydanticCustomError("date", "must be a date that exists") from error


def _plain(value: Any) -> Any:
    """What was sent, for the product to judge: whole numbers as such, all others as their exact text."""
    if isinstance(value, Number):
        whole = _WHOLE.fullmatch(value.text)
        return int(whole["digits"]) if whole else value.text
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _schema(pattern: str, length_max: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "maxLength": length_max, "pattern": f"^ *({pattern})? *$"})


EmailField = Annotated[
    Annotated[str, AfterValidator(_email), _schema(EMAIL_PATTERN, EMAIL_MAX)] | None,
    Field(description="This or phone; an empty text counts as missing.", examples=["ana@example.rs"]),
]
PhoneField = Annotated[
    Annotated[str, AfterValidator(_phone), _schema(PHONE_PATTERN, PHONE_MAX)] | None,
    Field(description="This or email; an empty text counts as missing.", examples=["+381 60 123 4567"]),
]
_BirthDate = Annotated[date, BeforeValidator(_birth_date), WithJsonSchema({"type": "string", "format": "date"})]
BirthDateField = Annotated[
    _BirthDate | None, Field(description="From 1900 on; left out, what is made says nothing of it.", examples=["1990-05-17"])
]
DatedBirthDateField = Annotated[_BirthDate | None, Field(description="From 1900 on; left out, it is today.", examples=["1990-05-17"])]

CHAKRAS: Final = ["muladhara", "svadhisthana", "manipura", "anahata", "vishuddha", "ajna", "sahasrara"]
_POINTS: Final = [{"chakra": "anahata", "value": 7}, {"chakra": "ajna", "value": 3}]

PointsField = Annotated[
    Any,
    BeforeValidator(_plain),
    WithJsonSchema(
        {
            "type": "array",
            "minItems": 1,
            "maxItems": len(CHAKRAS),
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["chakra", "value"],
                "properties": {
                    "chakra": {"type": "string", "enum": CHAKRAS, "examples": ["anahata"]},
                    "value": {"type": "integer", "minimum": 0, "maximum": POINT_MAX, "examples": [7]},
                },
            },
            "description": "What the product is made from; stored with the order. Of chakras: 1 to 7 points, each chakra once.",
            "examples": [_POINTS],
        }
    ),
]
