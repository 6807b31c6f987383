"""Sums as the gateway writes them: decimal text in major units on the wire, integer minor units in the book; pure."""

from __future__ import annotations

import re
from typing import Final

_PATTERN: Final = re.compile(r"(?:[0-9]{1,10}|[0-9]{1,10}\.[0-9]{1,3})")
_NO_DECIMALS: Final = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"],
)
_THREE_DECIMALS: Final = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])


class BadAmount(ValueError):
    """The text is no sum of its currency."""


def exponent(currency: str) -> int:
    """How many decimals the currency has."""
    if currency in _NO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


def minor_units(text: str, currency: str) -> int:
    """The sum in minor units. Decimals beyond the currency's own are taken where they are zero: how a currency without any is to be
    written is not documented, and the pattern admits both "500" and "500.00". BadAmount otherwise."""
    if _PATTERN.fullmatch(text) is None:
        raise BadAmount(f"{text!r} does not match the pattern of an amount")
    whole, _, decimals = text.partition(".")
    places = exponent(currency)
    kept, rest = decimals[:places].ljust(places, "0"), decimals[places:]
    if rest.strip("0"):
        raise BadAmount(f"{currency} has {places} decimals, {text!r} has more")
    return int(whole + kept)


def amount_text(amount_minor: int, currency: str, *, decimals_always: bool = False) -> str:
    """The sum as text with the currency's own decimals; `decimals_always`: "500.00" for a currency without any."""
    places = exponent(currency)
    if not places:
        return f"{amount_minor}.00" if decimals_always else str(amount_minor)
    major, minor = divmod(amount_minor, 10**places)
    return f"{major}.{minor:0{places}}"
