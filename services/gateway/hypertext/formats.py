"""Sums, times and numbers as each language writes them, by the Unicode CLDR (Babel); money exactly, with all of its currency's decimals."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal, get_currency_name, get_currency_symbol, get_decimal_symbol
from babel.units import format_unit
from markupsafe import Markup, escape

from services.gateway.hypertext.catalogues import BABEL_LOCALES
from shared.money import EXPONENTS, major_text

_NO_BREAK: Final = "\u00a0"
_FRACTION: Final = re.compile(r"\.0+")
_SECOND: Final = 1_000
_SPANS: Final = (("day", 86_400 * _SECOND), ("hour", 3_600 * _SECOND), ("minute", 60 * _SECOND), ("second", _SECOND))


class Formats:
    """Of one language; its public methods are the templates' filters."""

    def __init__(self, locale: str) -> None:
        self._locale: Locale = BABEL_LOCALES[locale]

    def money(self, amount_minor: int, currency: str) -> str:
        """2,000.00 RSD as the language writes it: 2.000,00 RSD; decimals are ISO 4217's, not the CLDR's (which has none for RSD)."""
        code = currency.upper()
        digits = EXPONENTS[currency.lower()]
        pattern = self._locale.currency_formats["standard"].pattern
        pattern = _FRACTION.sub("." + "0" * digits if digits else "", pattern)
        if pattern.startswith("¤#") and get_currency_symbol(code, self._locale)[-1].isalpha():
            pattern = pattern.replace("¤", "¤" + _NO_BREAK)
        amount = Decimal(major_text(amount_minor, currency.lower()))
        return format_currency(amount, code, pattern, self._locale, currency_digits=False)

    def signed_money(self, amount_minor: int, currency: str) -> str:
        """With its sign, a change: +500.00, −20.00."""
        text = self.money(abs(amount_minor), currency)
        return text if amount_minor == 0 else f"{'−' if amount_minor < 0 else '+'}{text}"

    def major(self, amount_minor: int, currency: str) -> str:
        """For an input field: without grouping, with the language's own decimal sign."""
        return major_text(amount_minor, currency).replace(".", self.decimal_sign())

    def number(self, value: int) -> str:
        return format_decimal(value, locale=self._locale)

    def example(self) -> str:
        """How a sum may be written here: 1,234.50 or 1.234,50."""
        return format_decimal(Decimal("1234.50"), "#,##0.00", self._locale)

    def decimal_sign(self) -> str:
        return get_decimal_symbol(self._locale)

    def time(self, moment: datetime) -> Markup:
        """A time element: UTC in words, which pages.js puts into the visitor's own zone. It breaks between the day and the time alone."""
        utc = moment.astimezone(UTC)
        day, time = format_date(utc, "medium", self._locale), f"{format_time(utc, 'short', locale=self._locale)} UTC"
        text = f"{day.replace(' ', _NO_BREAK)}, {time.replace(' ', _NO_BREAK)}"
        stamp = utc.isoformat(timespec="seconds").replace("+00:00", "Z")
        return Markup('<time datetime="{}">{}</time>').format(escape(stamp), escape(text))

    def clock(self, moment: datetime) -> Markup:
        """A time element with the time of day to the millisecond, in UTC until pages.js knows better: for what happens within a second."""
        stamp = moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return Markup('<time datetime="{}" data-clock>{} UTC</time>').format(stamp, stamp[11:-1])

    def span(self, milliseconds: int) -> str:
        """So much time, in the largest unit that it fills: 12 ms, 1.2 sec, 3 min, 2 days."""
        for unit, length in _SPANS:
            if milliseconds >= length:
                whole = milliseconds // length if length != _SECOND else milliseconds // 100 / 10
                return format_unit(whole, f"duration-{unit}", "short", locale=self._locale)
        return format_unit(milliseconds, "duration-millisecond", "short", locale=self._locale)

    def day(self, day: date) -> str:
        return format_date(day, "medium", locale=self._locale)

    def currency_name(self, currency: str) -> str:
        return get_currency_name(currency.upper(), locale=self._locale)
