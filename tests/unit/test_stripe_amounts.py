"""Stripe's minor units are not always ISO's: every sum goes there and comes back exactly, and what cannot is refused, never rounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.domain.capabilities import not_taken
from services.payments.providers.stripe.amounts import CURRENCIES, NotExact, from_stripe, to_stripe
from shared.money import EXPONENTS, MAX_AMOUNT_MINOR, Money, parse_major

DIGITS = {"inr": 9, "cop": 10, "huf": 10, "jpy": 10, "lbp": 11, "idr": 12}


@st.composite
def sums(draw: st.DrawFn) -> Money:
    """Sums that our capabilities let through."""
    currency = draw(st.sampled_from(sorted(CURRENCIES)))
    within = CURRENCIES[currency]
    steps = st.integers(-(-within.minimum_minor // within.step_minor), within.maximum_minor // within.step_minor)
    return Money(draw(steps) * within.step_minor, currency)


@given(sums())
def test_every_sum_that_is_let_through_goes_to_stripe_and_comes_back(money: Money) -> None:
    assert not_taken("stripe", CURRENCIES, money, "request") is None
    assert from_stripe(to_stripe(money), money.currency) == money


@given(sums())
def test_nothing_is_longer_than_stripe_takes(money: Money) -> None:
    assert 0 < to_stripe(money) < 10 ** DIGITS.get(money.currency, 8)


@given(st.sampled_from(sorted(CURRENCIES)), st.integers(1, 10**13))
def test_what_is_not_let_through_for_its_fraction_cannot_be_sent(currency: str, amount_minor: int) -> None:
    money = Money(amount_minor, currency)
    if amount_minor % CURRENCIES[currency].step_minor:
        with pytest.raises(NotExact):
            to_stripe(money)
    else:
        assert from_stripe(to_stripe(money), currency) == money


@pytest.mark.parametrize(
    ("major", "currency", "sent"),
    [
        ("10.50", "usd", 1_050),
        ("500", "jpy", 500),
        ("5", "isk", 500),
        ("5", "ugx", 500),
        ("5.12", "kwd", 5_120),
        ("7.00", "mga", 7),
        ("175.00", "huf", 17_500),
        ("12.34", "twd", 1_234),
        ("2500.00", "rsd", 250_000),
    ],
)
def test_sums_of_the_currencies_page(major: str, currency: str, sent: int) -> None:
    assert to_stripe(parse_major(major, currency)) == sent


@pytest.mark.parametrize(("major", "currency"), [("5.124", "kwd"), ("7.50", "mga"), ("1.001", "tnd")])
def test_fractions_that_stripe_does_not_count_in(major: str, currency: str) -> None:
    money = parse_major(major, currency)
    with pytest.raises(NotExact):
        to_stripe(money)
    refused = not_taken("stripe", CURRENCIES, money, "request")
    assert refused is not None
    assert refused.code == "amount_not_available"


@pytest.mark.parametrize(("amount", "currency"), [(550, "isk"), (1, "ugx"), (100, "iqd"), (100, "usx"), (100, "USD")])
def test_what_comes_in_is_never_rounded(amount: int, currency: str) -> None:
    with pytest.raises(NotExact):
        from_stripe(amount, currency)


@pytest.mark.parametrize(
    ("currency", "minimum_minor", "maximum_minor", "step_minor"),
    [
        ("usd", 50, 99_999_999, 1),
        ("gbp", 30, 99_999_999, 1),
        ("jpy", 50, 9_999_999_999, 1),
        ("huf", 17_500, 9_999_999_999, 1),
        ("isk", 1, 999_999, 1),
        ("mga", 100, 9_999_999_900, 100),
        ("kwd", 10, 99_999_990, 10),
        ("idr", 1, 999_999_999_999, 1),
        ("lbp", 1, 99_999_999_999, 1),
    ],
)
def test_ranges_in_our_units(currency: str, minimum_minor: int, maximum_minor: int, step_minor: int) -> None:
    within = CURRENCIES[currency]
    assert (within.minimum_minor, within.maximum_minor, within.step_minor) == (minimum_minor, maximum_minor, step_minor)


def test_what_stripe_takes_we_know_and_can_book() -> None:
    assert set(CURRENCIES) <= set(EXPONENTS)
    assert all(within.maximum_minor <= MAX_AMOUNT_MINOR for within in CURRENCIES.values())


def test_both_ends_of_every_currency_go_there_and_come_back() -> None:
    for currency, within in CURRENCIES.items():
        for amount_minor in (within.minimum_minor, within.minimum_minor + within.step_minor, within.maximum_minor):
            money = Money(amount_minor, currency)
            assert from_stripe(to_stripe(money), currency) == money
