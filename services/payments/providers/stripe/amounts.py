"""Stripe's currencies: what it calls a minor unit, and which sums it takes (docs.stripe.com/currencies, read 2026-11)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from services.payments.domain.capabilities import AmountRange
from shared.money import EXPONENTS, MAX_AMOUNT_MINOR, Money

_TWO: Final = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP CRC CVE CZK DKK DOP DZD EGP "
    "ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK "
    "MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS "
    "SRD SZL THB TJS TOP TRY TTD TWD TZS UAH USD UYU UZS WST XCD YER ZAR ZMW"
)
_ZERO: Final = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
_WHOLE_IN_HUNDREDTHS: Final = "ISK UGX"
"""Without decimals, yet sent as if there were two, and those are 00. UGX stands in both of Stripe's lists; this one wins."""
_THREE: Final = "BHD JOD KWD OMR TND"
"""The last digit must be 0."""


def _codes(text: str) -> list[str]:
    return text.lower().split()


_DECIMALS: Final[Mapping[str, int]] = MappingProxyType(
    dict.fromkeys(_codes(_TWO), 2)
    | dict.fromkeys(_codes(_ZERO), 0)
    | dict.fromkeys(_codes(_WHOLE_IN_HUNDREDTHS), 2)
    | dict.fromkeys(_codes(_THREE), 3)
)
"""Decimals of what Stripe calls the minor unit. Not ISO's: ariary have two decimals there and none at Stripe."""

_STEPS: Final[Mapping[str, int]] = dict.fromkeys(_codes(_WHOLE_IN_HUNDREDTHS), 100) | dict.fromkeys(_codes(_THREE), 10)

_LEAST: Final[Mapping[str, int]] = {"usd": 50, "eur": 50, "gbp": 30, "jpy": 50, "huf": 17_500}
"""Stripe's own, for what is settled in the same currency. It looks at the sum after conversion into the account's currency, so it may
refuse a little more in others: those it tells itself (amount_too_small)."""

_DIGITS: Final = 8
_MORE_DIGITS: Final[Mapping[str, int]] = {"inr": 9, "cop": 10, "huf": 10, "jpy": 10, "lbp": 11, "idr": 12}
"""For cards."""


class NotExact(ValueError):
    """The sum cannot be said in the other side's units without rounding, or the currency is not one of both sides."""


def to_stripe(money: Money) -> int:
    """Our minor units -> Stripe's. NotExact also for sums that Stripe does not take as they are (a fraction of what it counts in)."""
    amount = _shifted(money.amount_minor, money.currency, _decimals(money.currency) - EXPONENTS[money.currency])
    if amount % _STEPS.get(money.currency, 1):
        raise NotExact(f"{money.currency} in fractions that Stripe does not take")
    return amount


def from_stripe(amount: int, currency: str) -> Money:
    """Stripe's minor units of `currency` (in lower case) -> ours."""
    return Money(_shifted(amount, currency, EXPONENTS.get(currency, 0) - _decimals(currency)), currency)


def is_known(currency: str) -> bool:
    return currency in _DECIMALS


def _decimals(currency: str) -> int:
    try:
        return _DECIMALS[currency]
    except KeyError:
        raise NotExact(f"no currency {currency[:12]!r}") from None


def _shifted(amount: int, currency: str, places: int) -> int:
    """`amount` with the decimal point moved; only zeros may fall off."""
    if places >= 0:
        return int(amount * 10**places)
    shifted, rest = divmod(amount, 10**-places)
    if rest:
        raise NotExact(f"{amount} is no whole number of {currency}'s minor units")
    return int(shifted)


def _range(currency: str) -> AmountRange:
    """In our units."""
    step = _STEPS.get(currency, 1)
    most = 10 ** _MORE_DIGITS.get(currency, _DIGITS) - 1
    places = EXPONENTS[currency] - _DECIMALS[currency]
    our_step = step * 10**places if places >= 0 else max(1, step // 10**-places)
    least_minor = from_stripe(_LEAST.get(currency, step), currency).amount_minor
    most_minor = from_stripe(most - most % max(step, 10 ** max(0, -places)), currency).amount_minor
    return AmountRange(
        minimum_minor=max(our_step, least_minor),
        maximum_minor=min(most_minor, MAX_AMOUNT_MINOR // our_step * our_step),
        step_minor=our_step,
    )


CURRENCIES: Final[Mapping[str, AmountRange]] = MappingProxyType({currency: _range(currency) for currency in _DECIMALS})
"""What Stripe takes: currency -> sums, in our minor units. A currency that Stripe takes and this list does not know is refused here."""
