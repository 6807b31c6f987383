"""AllSecure's sums: decimal text in major units, at most ten digits before the point and three behind it; exact in both directions.

The pattern is that of the platform's OpenAPI description (Till Payments' edition). How a currency without decimals is to be written nobody
says, and the pattern admits both "500" and "500.00": the first is sent, both are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from services.payments.domain.capabilities import AmountRange
from shared.money import EXPONENTS, MAX_AMOUNT_MINOR, Money, parse_major

_WHOLE_DIGITS: Final = 10


def _most_minor(decimals: int) -> int:
    return min(int("9" * (_WHOLE_DIGITS + decimals)), MAX_AMOUNT_MINOR)


CURRENCIES: Final[Mapping[str, AmountRange]] = MappingProxyType(
    {currency: AmountRange(maximum_minor=_most_minor(decimals)) for currency, decimals in EXPONENTS.items()}
)
"""All that we know: which of them a connector takes is agreed with AllSecure, and told by no call; it refuses the others itself."""


class Unwritable(ValueError):
    """The sum has no form that AllSecure takes."""


def amount_text(money: Money) -> str:
    """9.99 eur is "9.99", 500 jpy "500", 1.234 kwd "1.234". Unwritable: not above 0, or more than ten digits before the point."""
    if not 0 < money.amount_minor <= CURRENCIES[money.currency].maximum_minor:
        raise Unwritable(f"{money.major} {money.currency}")
    decimals = EXPONENTS[money.currency]
    digits = str(money.amount_minor).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits


def read_amount(text: str, currency: str) -> Money:
    """The sum that they write; a JSON number is read from its own text. MoneyError (shared/money.py) when it is none, exactly."""
    return parse_major(text, currency)
