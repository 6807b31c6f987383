"""Stripe's own minor units, limits and currencies (https://docs.stripe.com/currencies); not ISO 4217's."""

from __future__ import annotations

from typing import Final

from tests.emulators.stripe.errors import Invalid, Refusal

_ALL: Final = """
usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp cny cop crc cve czk
djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd
kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar
ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf
yer zar zmw
"""
CURRENCIES: Final = frozenset(_ALL.split())
ZERO_DECIMAL: Final = frozenset({"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"})
THREE_DECIMAL: Final = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
WHOLE_UNITS: Final = frozenset({"isk", "ugx"})
"""Sent with two decimals that must be 00."""
WHOLE_UNIT_PAYOUTS: Final = frozenset({"huf", "twd"})
_MINIMUM: Final = {"usd": 50, "eur": 50, "gbp": 30, "jpy": 50, "huf": 17_500}
_DIGITS: Final = {"idr": 12, "inr": 9, "cop": 10, "huf": 10, "jpy": 10, "lbp": 11}
_DIGITS_OTHERWISE: Final = 8


def check_currency(currency: str) -> None:
    """Lower case, and one that Stripe takes. Invalid."""
    if currency not in CURRENCIES:
        raise Invalid(f"Invalid currency: {currency}. Currencies are lower-case ISO codes that Stripe supports.", param="currency")


def check_charge(amount: int, currency: str) -> None:
    """The amount of a payment. Invalid for its form, Refusal for its size."""
    if amount < 1:
        raise Invalid("This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount")
    _check_divisible(amount, currency, WHOLE_UNITS)
    minimum = _MINIMUM.get(currency, 1)
    if amount < minimum:
        raise Refusal(400, f"Amount must be at least {minimum} {currency}", code="amount_too_small", param="amount")
    maximum = 10 ** _DIGITS.get(currency, _DIGITS_OTHERWISE) - 1
    if amount > maximum:
        raise Refusal(400, f"Amount must be no more than {maximum} {currency}", code="amount_too_large", param="amount")


def check_part(amount: int, currency: str) -> None:
    """A part of a payment: a capture or a refund. Invalid."""
    if amount < 1:
        raise Invalid("This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount")
    _check_divisible(amount, currency, WHOLE_UNITS)


def check_payout(amount: int, currency: str) -> None:
    """The amount of a payout. Invalid."""
    if amount < 1:
        raise Invalid("This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount")
    _check_divisible(amount, currency, WHOLE_UNITS | WHOLE_UNIT_PAYOUTS)


def _check_divisible(amount: int, currency: str, whole_units: frozenset[str]) -> None:
    if currency in THREE_DECIMAL and amount % 10:
        raise Invalid(f"Invalid amount: the last digit of an amount in {currency} must be 0.", param="amount")
    if currency in whole_units and amount % 100:
        raise Invalid(f"Invalid amount: an amount in {currency} must be divisible by 100.", param="amount")
