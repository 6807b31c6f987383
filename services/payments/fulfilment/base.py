"""What fulfilment asks of a product's deliverer: check the order form before anybody pays, make the text once it is paid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, Protocol, get_args, runtime_checkable

from shared.contracts.payment_commands import FieldProblem

Locale = Literal["en", "ru", "sr"]
LOCALES: Final[tuple[Locale, ...]] = get_args(Locale)

Points = tuple[Mapping[str, object], ...]
"""What the order form sent for its product, checked: JSON objects, stored with the order and handed back as they were."""


class InvalidForm(ValueError):
    """The order form does not hold what its product needs; `problems` names each bad field as the request did."""

    def __init__(self, *problems: FieldProblem) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, problem.loc))} {problem.msg}" for problem in problems))
        self.problems = problems


class CannotFulfil(Exception):
    """The order cannot be delivered. Permanent: never, however often it is tried; else: not now."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class FulfilmentOrder:
    """A paid order as its deliverer sees it: nothing of the payment, nothing of the customer beyond what the text is made from.

    `ordered_on` is the day of the order in UTC: a deliverer has no other clock, so that a later attempt makes the same text.
    """

    order_id: str
    product: str
    locale: Locale
    points: Points
    birth_date: date | None
    ordered_on: date


@runtime_checkable
class Fulfiller(Protocol):
    """Delivers one kind of product. Made once at the start, without arguments, and shared by all orders.

    Both methods are pure and quick: no network, no clock, no randomness. The text is stored, yet a crash may ask for it twice.
    """

    @property
    def name(self) -> str: ...

    def validate(self, points: object, birth_date: date | None, ordered_on: date) -> Points:
        """The form's points as they are to be stored. `points` is whatever JSON was sent. InvalidForm names every bad field."""
        ...

    def fulfil(self, order: FulfilmentOrder) -> str:
        """What the customer gets, in the order's locale: plain text, an empty line between paragraphs. CannotFulfil when there is none."""
        ...
