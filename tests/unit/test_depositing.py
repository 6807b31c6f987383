"""What a top-up page offers and refuses is what payments takes: the same limits, and amounts to begin with that can be paid."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.depositing import deposit_methods, limits_of, not_taken
from services.gateway.pages.deposit_data import digits_data, limits_data, presets_data, presets_of
from services.gateway.pages.deposit_form import choices
from services.gateway.pages.deposit_keys import sameness
from services.gateway.pages.presets import presets, presets_within
from services.payments.domain.capabilities import AmountRange
from services.payments.domain.capabilities import not_taken as refused_by_payments
from shared.contracts.checkout import AmountLimits, MethodView
from shared.money import EXPONENTS, MAX_AMOUNT_MINOR, Money

FIELDS = {"currency": "currency", "minimum": "amount", "maximum": "amount", "step": "amount"}


def method(*limits: AmountLimits, name: str = "mock") -> MethodView:
    return MethodView(method=name, pays_for=("deposit",), limits=limits, capabilities=())


def euros(minimum: int, maximum: int = MAX_AMOUNT_MINOR, step: int = 1, currency: str = "eur") -> AmountLimits:
    return AmountLimits(currency=currency, minimum_minor=minimum, maximum_minor=maximum, step_minor=step)


amounts = st.integers(1, 500)


@given(amounts, amounts, amounts, st.integers(1, 7), st.sampled_from(["eur", "rsd"]))
def test_the_page_refuses_what_payments_refuses_and_nothing_else(amount: int, least: int, more: int, step: int, currency: str) -> None:
    money = Money(amount, currency)
    told = method(euros(least, least + more, step))
    behind = refused_by_payments("mock", {"eur": AmountRange(least, least + more, step)}, money, "a-request")
    here = not_taken(told, money)

    assert (here is None) == (behind is None)
    if here and behind:
        assert behind.errors[0].loc == ("body", FIELDS[here.why])


def test_paying_from_the_balance_tops_nothing_up() -> None:
    card, balance = method(euros(1)), MethodView(method="balance", pays_for=("session",), limits=(euros(1),), capabilities=())
    unknown_money = method(euros(1, currency="xts"), name="other")
    assert deposit_methods((balance, unknown_money, card)) == (card,)
    assert limits_of(card, "rsd") is None


def test_amounts_to_begin_with_are_round_and_of_a_size_that_people_use() -> None:
    assert presets("rsd") == (1_000, 2_000, 5_000, 10_000)
    assert presets("eur") == (10, 20, 50, 100)
    assert presets("jpy") == (1_000, 2_000, 5_000, 10_000)
    assert presets("kwd") == (5, 10, 25, 50)


def test_only_amounts_that_can_be_paid_are_offered() -> None:
    assert presets_within(euros(1_500, 6_000)) == (20, 50)
    assert presets_within(euros(1, step=2_000)) == (20, 100)
    assert presets_within(euros(1, 9, currency="jpy")) == ()
    on = choices([method(euros(1_500, 2_500)), method(euros(4_000), name="stripe")], "rsd")
    assert presets_of(on, "eur") == (20, 50, 100)


@given(st.sampled_from(sorted(EXPONENTS)))
def test_every_currency_has_amounts_that_the_largest_sum_allows(currency: str) -> None:
    every = AmountLimits(currency=currency, minimum_minor=1, maximum_minor=MAX_AMOUNT_MINOR, step_minor=1)
    assert presets_within(every) == presets(currency)


def test_the_scripts_data_is_short_and_whole() -> None:
    on = choices([method(euros(1, 2), euros(1, 2, currency="jpy"), euros(5, 9, 5, currency="rsd"))], "rsd")
    assert on.currencies == ("rsd", "eur", "jpy")
    assert limits_data(on.methods[0]) == "1:2:1=eur jpy;5:9:5=rsd"
    assert digits_data(on.currencies) == "0=jpy"
    assert presets_data(on) == "=eur jpy rsd"
    everything = choices([method(*(euros(1, currency=code) for code in EXPONENTS))], "rsd")
    assert len(limits_data(everything.methods[0])) + len(presets_data(everything)) < 2_000


def test_the_same_sum_by_the_same_way_under_the_same_key_is_the_same() -> None:
    same = sameness("k", Money(1, "eur"), "mock")
    assert same == sameness("k", Money(1, "eur"), "mock")
    others = [sameness("j", Money(1, "eur"), "mock"), sameness("k", Money(2, "eur"), "mock"), sameness("k", Money(1, "eur"), "stripe")]
    assert same not in others
