"""AllSecure's sums: exact both ways, within their pattern, never a float."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.providers.allsecure.amounts import CURRENCIES, Unwritable, amount_text, read_amount
from shared.money import EXPONENTS, Money, MoneyError

PATTERN = re.compile(r"^(([0-9]{1,10})|([0-9]{1,10}\.[0-9]{1,3}))$")
"""As the platform's OpenAPI description has it."""


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(999, "eur"), "9.99"),
        (Money(1, "eur"), "0.01"),
        (Money(50_000, "rsd"), "500.00"),
        (Money(500, "jpy"), "500"),
        (Money(1_234, "kwd"), "1.234"),
        (Money(5, "kwd"), "0.005"),
        (Money(999_999_999_999, "usd"), "9999999999.99"),
        (Money(9_999_999_999, "jpy"), "9999999999"),
        (Money(9_999_999_999_999, "bhd"), "9999999999.999"),
    ],
)
def test_sums_as_they_are_written(money: Money, text: str) -> None:
    assert amount_text(money) == text
    assert read_amount(text, money.currency.upper()) == money


@given(st.sampled_from(sorted(CURRENCIES)).flatmap(lambda code: st.tuples(st.just(code), st.integers(1, CURRENCIES[code].maximum_minor))))
def test_every_sum_within_the_bounds_fits_the_pattern_and_comes_back(sum_: tuple[str, int]) -> None:
    currency, amount_minor = sum_
    money = Money(amount_minor, currency)
    assert PATTERN.fullmatch(amount_text(money))
    assert read_amount(amount_text(money), currency) == money


@pytest.mark.parametrize("currency", ["eur", "jpy", "kwd"])
def test_more_than_ten_digits_and_nothing_at_all_have_no_form(currency: str) -> None:
    most = CURRENCIES[currency].maximum_minor
    assert most == 10 ** (10 + EXPONENTS[currency]) - 1
    for amount_minor in (0, -1, most + 1):
        with pytest.raises(Unwritable):
            amount_text(Money(amount_minor, currency))


@pytest.mark.parametrize(("text", "currency", "amount_minor"), [("500.00", "JPY", 500), ("9.990", "EUR", 999), ("9", "EUR", 900)])
def test_zeros_that_say_nothing_are_read(text: str, currency: str, amount_minor: int) -> None:
    assert read_amount(text, currency) == Money(amount_minor, currency.lower())


@pytest.mark.parametrize(
    ("text", "currency"),
    [("500.50", "JPY"), ("9.999", "EUR"), ("9.9900000000000002", "EUR"), ("-1.00", "EUR"), ("0.00", "EUR"), ("1e3", "EUR"), ("", "EUR"),
     ("9,99", "EUR"), ("NaN", "EUR"), ("9.99", "XXX"), ("9.99", "")],
)  # fmt: skip
def test_what_is_no_whole_number_of_minor_units_is_never_rounded(text: str, currency: str) -> None:
    with pytest.raises(MoneyError):
        read_amount(text, currency)
