"""The order form: what of it is wrong, in words that its script knows too, and what is wanted when nothing is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Final, TypeVar

import orjson
from pydantic import JsonValue, TypeAdapter, ValidationError

from services.gateway.hypertext.catalogues import marked
from services.gateway.order_fields import BORN_FROM, CHAKRAS, POINT_MAX, BirthDateField, EmailField, PhoneField
from services.gateway.ordering import Wanted
from services.gateway.pages.forms import Form
from shared.contracts.checkout import MethodsView
from shared.contracts.orders import ProductView
from shared.contracts.payment_commands import FieldProblem

OF_CHAKRAS: Final = "chakras"
"""Who makes a product of a date of birth and points; all others are ordered with nothing but whom to reach."""

POINT_AT_FIRST: Final = 5

COOKIE: Final = "purser_order_form"
"""The key of this browser's next order. A form that is asked for anew (by the back button, in a second tab) has the same one, until the
order is paid."""

WRONG: Final[Mapping[str, str]] = {
    "contact": marked("Give an e-mail address or a phone number."),
    "email": marked("Write an e-mail address such as ana@example.org."),
    "phone": marked("Write a phone number of 5 to 15 digits, for instance +381 60 123 4567."),
    "birth_date": marked("Give a date between the year 1900 and today."),
    "points": marked("Include at least one point, each from 0 to 10."),
    "method": marked("Choose how to pay."),
}
"""What can be wrong; all are said by the script too, but for the method."""

_NAMES: Final[Mapping[str, tuple[str, str]]] = {
    "muladhara": (marked("Muladhara"), marked("support and safety")),
    "svadhisthana": (marked("Svadhisthana"), marked("feeling and pleasure")),
    "manipura": (marked("Manipura"), marked("will and strength")),
    "anahata": (marked("Anahata"), marked("warmth and closeness")),
    "vishuddha": (marked("Vishuddha"), marked("voice and truth")),
    "ajna": (marked("Ajna"), marked("clarity and intuition")),
    "sahasrara": (marked("Sahasrara"), marked("meaning and trust")),
}
_VALUE: Final = re.compile(r"[0-9]{1,2}", re.ASCII)

_EMAIL: Final[TypeAdapter[str | None]] = TypeAdapter(EmailField)
_PHONE: Final[TypeAdapter[str | None]] = TypeAdapter(PhoneField)
_BIRTH_DATE: Final[TypeAdapter[date | None]] = TypeAdapter(BirthDateField)

Read = TypeVar("Read")
Errors = dict[str, str]
"""By field, what is wrong with it: messages to be translated. "" is the whole form."""


@dataclass(frozen=True, slots=True)
class Point:
    """`name` and `about` in English: to be translated. `value` as it was sent."""

    chakra: str
    name: str
    about: str
    value: str
    included: bool


@dataclass(frozen=True, slots=True)
class Entered:
    """The form's fields as they were sent, to be shown again."""

    email: str = ""
    phone: str = ""
    birth_date: str = ""
    method: str = ""
    points: tuple[Point, ...] = field(default_factory=lambda: _points({}, at_first=True))


def name_of(chakra: str) -> str | None:
    """In English, to be translated; None for what is none of the seven."""
    return _NAMES[chakra][0] if chakra in _NAMES else None


def offered(methods: MethodsView, product: ProductView) -> tuple[str, ...]:
    """The methods by which its price can be paid, in their order."""
    return payable(methods, product.amount_minor, product.currency)


def payable(methods: MethodsView, amount_minor: int, currency: str) -> tuple[str, ...]:
    """The methods that take this sum for an order."""
    return tuple(
        method.method
        for method in methods.methods
        if "order" in method.pays_for
        and any(
            limit.currency == currency
            and limit.minimum_minor <= amount_minor <= limit.maximum_minor
            and not amount_minor % limit.step_minor
            for limit in method.limits
        )
    )


def entered(form: Form) -> Entered:
    return Entered(
        form.get("email", ""), form.get("phone", ""), form.get("birth_date", ""), form.get("method", ""), _points(form, at_first=False)
    )


def read(sent: Entered, product: ProductView, methods: Sequence[str], locale: str, today: date) -> Wanted | Errors:
    """What is wanted, or what is wrong with it. `today`: the day of the order in UTC, as payments judges dates of birth by it."""
    errors: Errors = {}
    of_chakras = product.made_by == OF_CHAKRAS
    points = _read_points(sent.points, errors) if of_chakras else None
    birth_date = _read_birth_date(sent.birth_date, today, errors) if of_chakras else None
    email = _checked(_EMAIL, sent.email, "email", errors)
    phone = _checked(_PHONE, sent.phone, "phone", errors)
    if email is None and phone is None and not errors.keys() & {"email", "phone"}:
        errors["email"] = WRONG["contact"]
    if sent.method not in methods:
        errors["method"] = WRONG["method"]
    if errors:
        return errors
    return Wanted(product.product, email, phone, birth_date, points, sent.method, locale)


def errors_of(problems: Sequence[FieldProblem]) -> Errors:
    """What payments found wrong, said as the form says it; empty when it cannot be said at a field."""
    fields = [str(problem.loc[1]) for problem in problems if len(problem.loc) > 1]
    return {name: WRONG[name] for name in fields if name in WRONG} if len(fields) == len(problems) else {}


def fingerprint(wanted: Wanted) -> str:
    """The same for the same wish: sent again it is the same order, changed it is another one."""
    told = [wanted.product, wanted.locale, wanted.email, wanted.phone, wanted.birth_date, wanted.points, wanted.method]
    return sha256(orjson.dumps(told)).hexdigest()


def _points(form: Form, *, at_first: bool) -> tuple[Point, ...]:
    return tuple(
        Point(
            chakra,
            *_NAMES[chakra],
            value=form.get(chakra, str(POINT_AT_FIRST)),
            included=at_first or f"with_{chakra}" in form,
        )
        for chakra in CHAKRAS
    )


def _read_points(points: Sequence[Point], errors: Errors) -> list[JsonValue]:
    included = [point for point in points if point.included]
    if not included or not all(_VALUE.fullmatch(point.value) and int(point.value) <= POINT_MAX for point in included):
        errors["points"] = WRONG["points"]
        return []
    return [{"chakra": point.chakra, "value": int(point.value)} for point in included]


def _read_birth_date(text: str, today: date, errors: Errors) -> date | None:
    birth_date = _checked(_BIRTH_DATE, text, "birth_date", errors) if text else None
    if birth_date is not None and not BORN_FROM <= birth_date <= today:
        errors["birth_date"] = WRONG["birth_date"]
    return birth_date


def _checked(kind: TypeAdapter[Read | None], text: str, name: str, errors: Errors) -> Read | None:
    try:
        return kind.validate_python(text)
    except ValidationError:
        errors[name] = WRONG[name]
        return None
