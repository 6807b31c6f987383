"""The top-up form's content: what may be chosen, what was entered, and what is wrong with it, in the visitor's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from services.gateway.amounts import LENGTH_MAX, parse_amount
from services.gateway.depositing import NotTaken, deposit_methods, limits_of, not_taken
from services.gateway.hypertext.catalogues import marked
from services.gateway.pages.amount_words import wrong_amount
from services.gateway.pages.visits import Visit
from services.gateway.problems import Problem
from shared.contracts.checkout import AmountLimits, MethodView
from shared.money import EXPONENTS, Money, MoneyError, UnknownCurrency, parse_major

_OFTEN: Final = ("rsd", "eur", "usd", "rub", "gbp", "chf", "bam", "huf", "jpy")
_TEXT_MAX: Final = LENGTH_MAX + 1
_WORTH_TELLING: Final = 10**10
"""A larger limit (minor units) is nobody's."""

_WORDS: Final = {
    "currency": marked("%(method)s does not take %(currency)s. Please choose another way to pay, or another currency."),
    "minimum": marked("The smallest amount here is %(amount)s."),
    "maximum": marked("The largest amount here is %(amount)s."),
    "step": marked("The amount must be a multiple of %(amount)s."),
}
_LIMITS: Final = {
    "between": marked("from %(least)s to %(most)s"),
    "from": marked("from %(least)s"),
    "to": marked("up to %(most)s"),
}
_NO_CURRENCY: Final = marked("Please choose one of these currencies.")
_NO_METHOD: Final = marked("Please choose one of these ways to pay.")


@dataclass(frozen=True, slots=True)
class Choices:
    """What is on here. `currencies`: those of any method, the usual ones first."""

    methods: tuple[MethodView, ...]
    often: tuple[str, ...]
    others: tuple[str, ...]

    def method(self, name: str) -> MethodView | None:
        return next((method for method in self.methods if method.method == name), None)

    def method_for(self, currency: str) -> str:
        """The first that takes it."""
        return next((method.method for method in self.methods if limits_of(method, currency)), self.methods[0].method)

    @property
    def currencies(self) -> tuple[str, ...]:
        return (*self.often, *self.others)


@dataclass(frozen=True, slots=True)
class Entered:
    """The form's fields as they are shown; `amount` as it was typed."""

    amount: str
    currency: str
    method: str


@dataclass(frozen=True, slots=True)
class Checked:
    """`money` when nothing is wrong; else `errors`, by field."""

    money: Money | None
    errors: Mapping[str, str]


def choices(methods: Iterable[MethodView], default_currency: str) -> Choices:
    """Problem: method_not_available, where no balance can be topped up."""
    able = deposit_methods(methods)
    if not able:
        raise Problem("method_not_available", "there is no way here to top a balance up")
    taken = {limits.currency for method in able for limits in method.limits} & EXPONENTS.keys()
    often = tuple(currency for currency in dict.fromkeys((default_currency, *_OFTEN)) if currency in taken)
    return Choices(able, often, tuple(sorted(taken.difference(often))))


def entered(fields: Mapping[str, str], on: Choices, default_currency: str) -> Entered:
    """What a form or an address says, within bounds, and what is usual for the rest."""
    currency = fields.get("currency", "").lower()
    if currency not in on.currencies:
        currency = default_currency if default_currency in on.currencies else on.currencies[0]
    method = fields.get("method", "")
    return Entered(fields.get("amount", "")[:_TEXT_MAX], currency, method if on.method(method) else on.method_for(currency))


def prefilled(visit: Visit, given: Entered) -> Entered:
    """With the amount of an address (plain major units) as people write it."""
    try:
        money = parse_major(given.amount, given.currency)
    except MoneyError:
        return given
    return Entered(in_field(visit, money), given.currency, given.method)


def in_field(visit: Visit, money: Money) -> str:
    """A whole sum without its decimals."""
    digits = EXPONENTS[money.currency]
    whole, rest = divmod(money.amount_minor, 10**digits)
    return visit.formats.major(money.amount_minor, money.currency) if rest else str(whole)


def checked(visit: Visit, on: Choices, fields: Mapping[str, str]) -> Checked:
    """What static/deposit.js says of the same fields, it has from here."""
    currency, name = fields.get("currency", ""), fields.get("method", "")
    method = on.method(name)
    errors: dict[str, str] = {}
    money = None
    try:
        money = parse_amount(fields.get("amount", ""), currency, visit.locale)
    except UnknownCurrency:
        errors["currency"] = visit.gettext(_NO_CURRENCY)
    except MoneyError as error:
        errors["amount"] = wrong_amount(visit, error)
    if method is None:
        errors["method"] = visit.gettext(_NO_METHOD)
    elif money is not None and (why := not_taken(method, money)):
        errors["method" if why.why == "currency" else "amount"] = _said(visit, why, method, money.currency)
    return Checked(None if errors else money, errors)


def limit_words(visit: Visit) -> dict[str, str]:
    """The form's data attributes: its messages about limits with their placeholders, as static/deposit.js says them."""
    return {f"data-{name}": visit.gettext(words) for name, words in (_WORDS | _LIMITS).items()}


def limits_told(visit: Visit, limits: AmountLimits | None) -> str:
    """ "" where nothing worth telling is limited."""
    if limits is None:
        return ""
    least = limits.minimum_minor > limits.step_minor
    most = limits.maximum_minor < _WORTH_TELLING
    name = "between" if least and most else "from" if least else "to" if most else None
    money = visit.formats.money
    sums = {"least": money(limits.minimum_minor, limits.currency), "most": money(limits.maximum_minor, limits.currency)}
    return visit.gettext(_LIMITS[name]) % sums if name else ""


def _said(visit: Visit, why: NotTaken, method: MethodView, currency: str) -> str:
    words = visit.gettext(_WORDS[why.why])
    if why.why == "currency":
        return words % {"method": visit.parts.hypertext.names[visit.locale].method_name(method.method), "currency": currency.upper()}
    return words % {"amount": visit.formats.money(why.limit_minor, currency)}
