"""Fulfils the product `chakras`: checks the points that the form sent, and makes the reading of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

from services.payments.fulfilment.base import CannotFulfil, FulfilmentOrder, InvalidForm, Points
from services.payments.fulfilment.chakra_reading import reading
from services.payments.fulfilment.chakra_texts import CHAKRAS, DATA, VALUE_MAX, Chakra, load_texts
from shared.contracts.payment_commands import FieldProblem

BORN_FROM: Final = date(1900, 1, 1)


class Chakras:
    """Points are `{"chakra", "value"}`: one to seven, each chakra once, values integers of 0 to 10. The date of birth may be left out."""

    name: Final = "chakras"

    def __init__(self, folder: Path = DATA) -> None:
        self._texts = load_texts(folder)

    def validate(self, points: object, birth_date: date | None, ordered_on: date) -> Points:
        """See Fulfiller.validate; the points stay in the order in which they were sent."""
        checked, problems = _checked_points(points)
        if birth_date is not None and not BORN_FROM <= birth_date <= ordered_on:
            problems.append(_problem("birth_date", msg=f"must be a date from {BORN_FROM} to the day of the order"))
        if problems:
            raise InvalidForm(*problems)
        return tuple(checked)

    def fulfil(self, order: FulfilmentOrder) -> str:
        """The reading, at most 20 000 bytes of UTF-8. CannotFulfil, permanent, when the order was stored with what validate refuses."""
        texts = self._texts.get(order.locale)
        if texts is None:
            raise CannotFulfil(f"there are no texts in {order.locale!r}", permanent=True)
        try:
            points = self.validate(list(order.points), order.birth_date, order.ordered_on)
        except InvalidForm as error:
            raise CannotFulfil(str(error), permanent=True) from error
        sent = {point["chakra"]: point["value"] for point in points}
        values: dict[Chakra, int] = {chakra: value for chakra in CHAKRAS if isinstance(value := sent.get(chakra), int)}
        return "\n\n".join(reading(texts, values, order.birth_date))


def _checked_points(points: object) -> tuple[list[dict[str, object]], list[FieldProblem]]:
    if not isinstance(points, list | tuple) or not 1 <= len(points) <= len(CHAKRAS):
        return [], [_problem("points", msg=f"must be a list of 1 to {len(CHAKRAS)} points")]
    checked: list[dict[str, object]] = []
    problems: list[FieldProblem] = []
    for index, point in enumerate(points):
        found = _point_problems(index, point, {seen["chakra"] for seen in checked})
        problems += found
        if not found:
            checked.append({"chakra": point["chakra"], "value": point["value"]})
    return checked, problems


def _point_problems(index: int, point: object, seen: set[object]) -> list[FieldProblem]:
    if not isinstance(point, Mapping):
        return [_problem("points", index, msg="must be an object with chakra and value")]
    problems = []
    chakra, value = point.get("chakra"), point.get("value")
    if not isinstance(chakra, str) or chakra not in CHAKRAS:
        problems.append(_problem("points", index, "chakra", msg=f"must be one of {', '.join(CHAKRAS)}"))
    elif chakra in seen:
        problems.append(_problem("points", index, "chakra", msg="is given twice"))
    # JSON's true is Python's 1, and 5.0 would pass for 5: both are somebody's mistake.
    if type(value) is not int or not 0 <= value <= VALUE_MAX:
        problems.append(_problem("points", index, "value", msg=f"must be an integer from 0 to {VALUE_MAX}"))
    if set(point) - {"chakra", "value"}:
        problems.append(_problem("points", index, msg="must hold nothing but chakra and value"))
    return problems


def _problem(*loc: str | int, msg: str) -> FieldProblem:
    return FieldProblem(loc=("body", *loc), msg=msg)
