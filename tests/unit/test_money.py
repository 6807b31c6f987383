"""Money is exact both ways: what is printed parses to the same minor units, and what is not a plain sum is refused."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.money import (
    EXPONENTS,
    MAX_AMOUNT_MINOR,
    AmountOutOfRange,
    MalformedAmount,
    Money,
    MoneyError,
    TooManyDecimals,
    UnknownCurrency,
    currency_code,
    major_text,
    parse_major,
)

currencies = st.sampled_from(sorted(EXPONENTS))


@given(amount_minor=st.integers(1, MAX_AMOUNT_MINOR), currency=currencies)
@example(amount_minor=1, currency="kwd")
@example(amount_minor=MAX_AMOUNT_MINOR, currency="jpy")
def test_what_is_printed_parses_to_the_same_sum(amount_minor: int, currency: str) -> None:
    printed = Money(amount_minor, currency).major

    assert parse_major(printed, currency) == Money(amount_minor, currency)
    assert Decimal(printed) == Decimal(amount_minor).scaleb(-EXPONENTS[currency])
    assert json.dumps(json.loads(printed, parse_float=Decimal, parse_int=Decimal), default=str) == f'"{printed}"'


@pytest.mark.parametrize("currency", sorted(EXPONENTS))
def test_every_currency_prints_all_of_its_decimals(currency: str) -> None:
    digits = EXPONENTS[currency]
    expected = "1" if digits == 0 else f"0.{'0' * (digits - 1)}1"

    assert Money(1, currency).major == expected
    assert parse_major(expected, currency).amount_minor == 1


@given(amount_minor=st.integers(-MAX_AMOUNT_MINOR, -1), currency=currencies)
def test_a_change_for_the_worse_prints_as_the_better_one_with_a_sign(amount_minor: int, currency: str) -> None:
    assert major_text(amount_minor, currency) == "-" + major_text(-amount_minor, currency)


@pytest.mark.parametrize(
    ("text", "currency", "amount_minor", "printed"),
    [
        ("5000", "rsd", 500_000, "5000.00"),
        ("0.01", "rsd", 1, "0.01"),
        ("2000.50", "RSD", 200_050, "2000.50"),
        ("0002000.5", "rsd", 200_050, "2000.50"),
        ("10.100000", "rsd", 1010, "10.10"),
        ("100", "jpy", 100, "100"),
        ("100.000", "jpy", 100, "100"),
        ("1.234", "kwd", 1234, "1.234"),
        ("1", "kwd", 1000, "1.000"),
    ],
)
def test_plain_sums_are_read_exactly(text: str, currency: str, amount_minor: int, printed: str) -> None:
    money = parse_major(text, currency)

    assert money.amount_minor == amount_minor
    assert money.major == printed
    assert money.currency == currency.lower()


@pytest.mark.parametrize(
    "text",
    [
        *("1e3", "1E3", "NaN", "nan", "Infinity", "inf", "true", "null", "", " ", "+1", "1.", ".5", "1,5", "1 000", "1_000", "0x10", "--1"),
        *("1.2.3", "1\n", " 1", "1 ", "$1", "1-", "−1", "1" * 32),
        # Digits that int() would take: Arabic-Indic, full-width, superscript, Devanagari.
        *("١٠٠", "１００", "1²", "१००", "1.५"),
    ],
)
def test_what_is_not_a_plain_decimal_number_is_refused(text: str) -> None:
    with pytest.raises(MalformedAmount):
        parse_major(text, "rsd")


@pytest.mark.parametrize(("text", "currency"), [("0.001", "rsd"), ("1.234", "usd"), ("0.5", "jpy"), ("1.2345", "kwd")])
def test_a_part_of_a_minor_unit_is_refused_never_rounded(text: str, currency: str) -> None:
    with pytest.raises(TooManyDecimals):
        parse_major(text, currency)


@pytest.mark.parametrize("text", ["0", "0.00", "-0", "-0.01", "-5", "1" + "0" * 30, "10000000000000.01"])
def test_nothing_less_than_nothing_and_too_much_are_refused(text: str) -> None:
    with pytest.raises(AmountOutOfRange):
        parse_major(text, "rsd")


def test_the_largest_sum_stays_exact_in_every_json_reader() -> None:
    assert MAX_AMOUNT_MINOR < 2**53
    assert parse_major("10000000000000.00", "rsd").amount_minor == MAX_AMOUNT_MINOR


# The Kelvin sign's lower case is an ASCII k: KWD would be met by what is not an ISO code.
@pytest.mark.parametrize("code", ["xyz", "", "rs", "rsdd", "XAU", "btc", "rsd ", "\u212aWD", "ＲＳＤ"])
def test_a_currency_that_nobody_pays_in_is_refused(code: str) -> None:
    with pytest.raises(UnknownCurrency):
        parse_major("1", code)
    with pytest.raises(UnknownCurrency):
        currency_code(code)
    with pytest.raises(UnknownCurrency):
        Money(1, code)


@pytest.mark.parametrize("amount_minor", [1.0, True, "1", None, Decimal(1)])
def test_minor_units_are_an_integer_and_nothing_else(amount_minor: Any) -> None:
    with pytest.raises(MalformedAmount):
        Money(amount_minor, "rsd")


@given(text=st.text(max_size=40), currency=currencies)
def test_any_text_is_a_sum_or_a_money_error(text: str, currency: str) -> None:
    try:
        money = parse_major(text, currency)
    except MoneyError:
        return
    assert Decimal(text) == Decimal(money.major)
