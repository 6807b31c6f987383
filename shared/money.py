"""Money as an integer of minor units with its currency: exact parsing and exact printing, never a float."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_AMOUNT_MINOR: Final = 10**15
"""The largest sum that one request may name, in minor units (below 2**53, so that every JSON reader keeps it exact)."""

_TWO: Final = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP "
    "DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR "
    "LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB "
    "SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD XCG YER "
    "ZAR ZMW ZWG"
)
_ZERO: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE: Final = "BHD IQD JOD KWD LYD OMR TND"

EXPONENTS: Final[dict[str, int]] = (
    {code.lower(): 2 for code in _TWO.split()} | {code.lower(): 0 for code in _ZERO.split()} | {code.lower(): 3 for code in _THREE.split()}
)
"""Decimals of each currency's minor unit (ISO 4217, list one; funds and metals are left out, nobody pays in them)."""

_DECIMAL: Final = re.compile(r"(?P<sign>-?)(?P<whole>[0-9]{1,31})(?:\.(?P<fraction>[0-9]{1,31}))?", re.ASCII)


class MoneyError(ValueError):
    """The text does not name a sum of money."""


class UnknownCurrency(MoneyError):
    """The currency is not an ISO 4217 code that can be paid in."""


class MalformedAmount(MoneyError):
    """The amount is not a plain decimal number."""


class AmountOutOfRange(MoneyError):
    """The amount is not above zero, or above 10^15 minor units."""


class TooManyDecimals(MoneyError):
    """The amount is not a whole number of the currency's minor units."""


def currency_code(text: str) -> str:
    """The currency's code in lower case; UnknownCurrency when ISO 4217 does not list it."""
    code = text.lower() if text.isascii() else text
    if code not in EXPONENTS:
        raise UnknownCurrency(f"unknown currency {text[:12]!r}")
    return code


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """A sum: `amount_minor` minor units of `currency` (ISO 4217, lower case). Signed, so that a change can be told too."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.amount_minor) is not int:
            raise MalformedAmount("minor units are an integer")
        if self.currency not in EXPONENTS:
            raise UnknownCurrency(f"unknown currency {self.currency[:12]!r}")

    @property
    def major(self) -> str:
        """The sum in major units as exact decimal text with all of the currency's decimals: 500000 rsd is '5000.00'."""
        return major_text(self.amount_minor, self.currency)


def major_text(amount_minor: int, currency: str) -> str:
    """`amount_minor` in major units as exact decimal text, a valid JSON number."""
    digits = EXPONENTS[currency]
    if digits == 0:
        return str(amount_minor)
    sign = "-" if amount_minor < 0 else ""
    whole, fraction = divmod(abs(amount_minor), 10**digits)
    return f"{sign}{whole}.{fraction:0{digits}d}"


def parse_major(text: str, currency: str) -> Money:
    """The sum that `text` (major units, plain decimal, no exponent) names in `currency`; exact or an error, never rounded.

    Errors: UnknownCurrency, MalformedAmount, TooManyDecimals (a digit other than zero below the minor unit), AmountOutOfRange.
    """
    code = currency_code(currency)
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise MalformedAmount("must be a plain decimal number, without exponent")
    digits = EXPONENTS[code]
    fraction = match["fraction"] or ""
    if fraction[digits:].strip("0"):
        raise TooManyDecimals(f"{code} has {digits} decimals")
    amount_minor = int(match["whole"] + fraction[:digits].ljust(digits, "0"))
    if match["sign"] or amount_minor == 0:
        raise AmountOutOfRange("must be above 0")
    if amount_minor > MAX_AMOUNT_MINOR:
        raise AmountOutOfRange("must be at most 10^15 minor units")
    return Money(amount_minor, code)
