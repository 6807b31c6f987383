"""Which ways to pay a session's payer is offered, in which order; and when two forms are one attempt."""

from __future__ import annotations

import pytest

from services.gateway.pages.ways_to_pay import Way, attempt_key, ways_to_pay
from shared.contracts.base import new_id
from shared.contracts.checkout import AmountLimits, MethodsView, MethodView, Purpose
from shared.money import Money

PRICE = Money(5_000, "usd")


def method(name: str, least: int = 1, most: int = 10**9, step: int = 1, *, pays_for: tuple[Purpose, ...] = ("session",)) -> MethodView:
    dollars = AmountLimits(currency="usd", minimum_minor=least, maximum_minor=most, step_minor=step)
    return MethodView(method=name, pays_for=pays_for, limits=(dollars,), capabilities=())


def offered(*methods: MethodView, price: Money = PRICE, available_minor: int = 0) -> list[str]:
    return [way.method for way in ways_to_pay(MethodsView(methods=methods), price, available_minor)]


def test_stripe_comes_first_then_the_balance_then_the_others_and_the_stand_in_only_without_stripe() -> None:
    on = [method(name) for name in ("mock", "prodamus", "allsecure", "balance")]
    assert offered(*on, method("stripe")) == ["stripe", "balance", "prodamus", "allsecure"]
    assert offered(*on) == ["balance", "prodamus", "allsecure", "mock"]


@pytest.mark.parametrize("stripe", [method("stripe", least=5_001), method("stripe", most=4_999), method("stripe", step=300)])
def test_a_way_that_does_not_take_the_price_is_none_and_the_stand_in_comes_back(stripe: MethodView) -> None:
    assert offered(stripe, method("mock")) == ["mock"]


def test_a_way_that_takes_another_currency_or_does_not_pay_for_sessions_is_none() -> None:
    assert offered(method("mock"), price=Money(5_000, "eur")) == []
    assert offered(method("mock", pays_for=("deposit", "order"))) == []


def test_the_balance_must_cover_the_price_to_the_last_cent() -> None:
    on = MethodsView(methods=(method("balance"),))
    assert ways_to_pay(on, PRICE, 5_000) == (Way("balance"),)
    assert ways_to_pay(on, PRICE, 4_999) == (Way("balance", enough=False),)


def test_forms_are_one_attempt_until_a_payment_has_ended() -> None:
    ended = new_id()
    first = attempt_key("1", "7", None)
    others = {attempt_key("1", "7", ended), attempt_key("2", "7", None), attempt_key("1", "8", None)}
    assert attempt_key("1", "7", None) == first
    assert len(others | {first}) == 4
