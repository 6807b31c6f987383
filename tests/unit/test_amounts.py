"""Sums as people write them: each language's own way, the plain way, and nothing that could be a thousand times more or less."""

from __future__ import annotations

import pytest
from babel.numbers import format_decimal, get_decimal_symbol, get_group_symbol
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.amounts import _SIGNS, AmbiguousAmount, parse_amount
from services.gateway.config import LOCALES
from services.gateway.hypertext.catalogues import BABEL_LOCALES
from services.gateway.hypertext.formats import Formats
from shared.money import (
    MAX_AMOUNT_MINOR,
    AmountOutOfRange,
    MalformedAmount,
    Money,
    MoneyError,
    TooManyDecimals,
    UnknownCurrency,
    major_text,
)

READ = [
    # what is written, the currency, then what it is in minor units to a reader of en, ru, sr; None: nobody can tell
    ("2000", "rsd", 200_000, 200_000, 200_000),
    ("1234.50", "rsd", 123_450, 123_450, 123_450),
    ("1234,50", "rsd", 123_450, 123_450, 123_450),
    ("1234,5", "rsd", 123_450, 123_450, 123_450),
    ("1,234.50", "rsd", 123_450, 123_450, 123_450),
    ("1.234,50", "rsd", 123_450, 123_450, 123_450),
    ("1 234,50", "rsd", 123_450, 123_450, 123_450),
    ("1\u00a0234,50", "rsd", 123_450, 123_450, 123_450),
    ("1\u202f234.50", "rsd", 123_450, 123_450, 123_450),
    ("  12,5 ", "rsd", 1_250, 1_250, 1_250),
    ("1 234,500", "rsd", 123_450, 123_450, 123_450),
    ("1.234.567", "rsd", 123_456_700, 123_456_700, 123_456_700),
    ("1,234,567", "rsd", 123_456_700, 123_456_700, 123_456_700),
    ("1.234.567,89", "rsd", 123_456_789, 123_456_789, 123_456_789),
    ("0,50", "rsd", 50, 50, 50),
    ("0,500", "rsd", 50, 50, 50),
    ("1234,500", "rsd", 123_450, 123_450, 123_450),
    ("1,234", "rsd", 123_400, None, None),
    ("2,000", "rsd", 200_000, None, None),
    ("1.234", "rsd", None, None, 123_400),
    ("2.000", "rsd", None, None, 200_000),
    ("1.234", "kwd", 1_234, None, None),
    ("1,234", "kwd", None, 1_234, 1_234),
    ("1234.567", "kwd", 1_234_567, 1_234_567, 1_234_567),
    ("1.234,567", "kwd", 1_234_567, 1_234_567, 1_234_567),
    ("1,234", "jpy", 1_234, None, None),
    ("1.234", "jpy", None, None, 1_234),
    ("1 234", "jpy", 1_234, 1_234, 1_234),
]


@pytest.mark.parametrize(("text", "currency", "en", "ru", "sr"), READ)
def test_a_sum_is_what_people_of_each_language_mean_by_it(text: str, currency: str, en: int | None, ru: int | None, sr: int | None) -> None:
    for locale, meant in {"en": en, "ru": ru, "sr": sr}.items():
        if meant is None:
            with pytest.raises(AmbiguousAmount):
                parse_amount(text, currency, locale)
        else:
            assert parse_amount(text, currency, locale) == Money(meant, currency), locale


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize(
    ("text", "error"),
    [
        *((text, MalformedAmount) for text in ("", " ", "x", "1e3", "1 rsd", "$1", ".5", ",5", "5.", "5,", "1..5", "1. 5", "٣", "1\n2")),
        *((text, MalformedAmount) for text in ("+1", "1 23", "12 34,5", "1,23,456", "01 234", "1,5 000", "1 2 3")),
        *((text, MalformedAmount) for text in ("1.234 567,00", "1,234.567,00", "1.2,3.4")),
        ("1" * 61, MalformedAmount),
        ("1,234.567", TooManyDecimals),
        ("12.345", AmbiguousAmount),
        ("1234.567", TooManyDecimals),
        ("1.2345", TooManyDecimals),
        ("0", AmountOutOfRange),
        ("0,00", AmountOutOfRange),
        ("-5", AmountOutOfRange),
        ("−5,00", AmountOutOfRange),
        ("10000000000000,01", AmountOutOfRange),
    ],
)  # fmt: skip
def test_what_names_no_sum_is_refused_by_name(locale: str, text: str, error: type[MoneyError]) -> None:
    if (text, locale) == ("12.345", "sr"):
        assert parse_amount(text, "rsd", locale) == Money(1_234_500, "rsd")
        return
    with pytest.raises(error):
        parse_amount(text, "rsd", locale)


def test_a_currency_that_is_none_is_refused() -> None:
    with pytest.raises(UnknownCurrency):
        parse_amount("1", "xyz", "en")


def test_the_signs_are_those_that_the_pages_write_with() -> None:
    for locale, (decimal, grouping) in _SIGNS.items():
        written = get_group_symbol(BABEL_LOCALES[locale])
        assert get_decimal_symbol(BABEL_LOCALES[locale]) == decimal
        assert written == grouping or (written.isspace() and not grouping)
    assert set(_SIGNS) == set(LOCALES)


money = st.builds(Money, st.integers(1, MAX_AMOUNT_MINOR), st.sampled_from(["rsd", "jpy", "kwd"]))


@given(money, st.sampled_from(LOCALES))
def test_whatever_a_page_writes_into_a_field_is_read_as_the_same_sum(sum_: Money, locale: str) -> None:
    assert parse_amount(Formats(locale).major(sum_.amount_minor, sum_.currency), sum_.currency, locale) == sum_


@given(money, st.sampled_from(LOCALES))
def test_a_sum_with_thousands_as_the_language_writes_them_is_the_same_or_refused(sum_: Money, locale: str) -> None:
    major = major_text(sum_.amount_minor, sum_.currency)
    digits = len(major.partition(".")[2])
    text = format_decimal(major, "#,##0" + ("." + "0" * digits if digits else ""), BABEL_LOCALES[locale])
    assert parse_amount(text, sum_.currency, locale) == sum_


@given(st.text("0123456789., -", max_size=16), st.sampled_from(["rsd", "jpy", "kwd"]), st.sampled_from(LOCALES))
def test_nothing_is_ever_rounded_and_no_digit_is_lost(text: str, currency: str, locale: str) -> None:
    try:
        read = parse_amount(text, currency, locale)
    except MoneyError:
        return
    assert read.major.replace(".", "").strip("0") == "".join(filter(str.isdigit, text)).strip("0")
