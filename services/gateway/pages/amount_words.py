"""What is wrong with a sum that somebody has written into a form, in their words: one table for the server and for static/amounts.js."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.gateway.amounts import AmbiguousAmount
from services.gateway.hypertext.catalogues import marked
from services.gateway.pages.visits import Visit
from shared.money import AmountOutOfRange, MoneyError, TooManyDecimals

_WORDS: Final[Mapping[str, str]] = {
    "malformed": marked("Enter the amount in digits, for example %(example)s."),
    "ambiguous": marked("This can be read in two ways. Write it like this: %(example)s."),
    "decimals": marked("This currency does not have so many decimals."),
    "range": marked("The amount must be above 0, and no more than can be moved at once."),
}


def wrong_amount(visit: Visit, error: MoneyError) -> str:
    """The message beside the field."""
    return _said(visit, _name(error))


def amount_words(visit: Visit) -> dict[str, str]:
    """The field's data attributes, from which static/amounts.js says the same: field(…, **amount_words)."""
    return {f"data-{name}": _said(visit, name) for name in _WORDS}


def _name(error: MoneyError) -> str:
    match error:
        case AmbiguousAmount():
            return "ambiguous"
        case TooManyDecimals():
            return "decimals"
        case AmountOutOfRange():
            return "range"
    return "malformed"


def _said(visit: Visit, name: str) -> str:
    return visit.gettext(_WORDS[name]) % {"example": visit.formats.example()}
