"""What is printed of the methods is what the document promises: currencies grouped by their sums, each once, and small."""

from __future__ import annotations

from typing import Any

import orjson

from services.gateway.answers.intents import ConfigAnswer
from services.gateway.rendering import methods as rendering
from shared.contracts.checkout import AmountLimits, MethodView
from shared.money import EXPONENTS, MAX_AMOUNT_MINOR


def limit(currency: str, minimum_minor: int = 1, maximum_minor: int = MAX_AMOUNT_MINOR, step_minor: int = 1) -> AmountLimits:
    return AmountLimits(currency=currency, minimum_minor=minimum_minor, maximum_minor=maximum_minor, step_minor=step_minor)


def method(name: str, *limits: AmountLimits) -> MethodView:
    return MethodView(method=name, pays_for=("session",), limits=limits, capabilities=())


EVERY = tuple(limit(currency) for currency in EXPONENTS)


def printed(*methods: MethodView) -> bytes:
    return rendering.configuration(
        methods,
        fee_bps=0,
        stripe_publishable_key="pk_test_1",
        locales=("en", "ru", "sr"),
        default_locale="en",
        default_currency="rsd",
    )


def told(*methods: MethodView) -> dict[str, Any]:
    body = printed(*methods)
    ConfigAnswer.model_validate_json(body)
    value: dict[str, Any] = orjson.loads(body)
    assert list(value) == list(ConfigAnswer.model_fields)
    return value


def test_each_currency_of_each_method_once_and_all_of_it_small() -> None:
    config = told(method("mock", *EVERY), method("balance", *EVERY))

    assert config["exponents"] == EXPONENTS
    for one in config["methods"]:
        assert sorted(currency for limits in one["limits"] for currency in limits["currencies"]) == sorted(EXPONENTS)
        for limits in one["limits"]:
            (exponent,) = {EXPONENTS[currency] for currency in limits["currencies"]}
            assert limits["minimum_minor"] == limits["minimum"] * 10**exponent == 1
            assert limits["maximum_minor"] == limits["maximum"] * 10**exponent == 10**15
    assert len(printed(method("mock", *EVERY), method("balance", *EVERY))) < 8_000


def test_currencies_are_together_when_their_sums_and_decimals_are_the_same_and_a_step_is_told_where_there_is_one() -> None:
    stripe = method("stripe", limit("usd", 50), limit("jpy", 50), limit("kwd", 1_000, 9_990, 10), limit("eur", 50), limit("gbp", 30, 99))
    (one,) = told(stripe)["methods"]
    assert one["limits"] == [
        {"currencies": ["jpy"], "minimum": 50, "minimum_minor": 50, "maximum": 10**15, "maximum_minor": 10**15},
        {"currencies": ["gbp"], "minimum": 0.3, "minimum_minor": 30, "maximum": 0.99, "maximum_minor": 99},
        {"currencies": ["eur", "usd"], "minimum": 0.5, "minimum_minor": 50, "maximum": 10**13, "maximum_minor": 10**15},
        {"currencies": ["kwd"], "minimum": 1.0, "minimum_minor": 1_000, "maximum": 9.99, "maximum_minor": 9_990, "step_minor": 10},
    ]


def test_the_same_is_printed_the_same_however_payments_sorted_it_and_the_order_of_methods_is_kept() -> None:
    assert printed(method("mock", *EVERY)) == printed(method("mock", *reversed(EVERY)))
    assert [one["method"] for one in told(method("prodamus", limit("rub")), method("mock", limit("rsd")))["methods"]] == [
        "prodamus",
        "mock",
    ]


def test_a_currency_of_tomorrow_is_left_out() -> None:
    (one,) = told(method("stripe", limit("qqq"), limit("eur")))["methods"]
    assert [limits["currencies"] for limits in one["limits"]] == [["eur"]]
