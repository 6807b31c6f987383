"""Fulfilment as a deployer would add it, and some that are none."""

from __future__ import annotations

from datetime import date
from typing import Final

from services.payments.fulfilment.base import FulfilmentOrder, Points


class Greeting:
    """Wants nothing of the form and greets by the order's id."""

    name: Final = "greeting"

    def validate(self, points: object, birth_date: date | None, ordered_on: date) -> Points:
        return ()

    def fulfil(self, order: FulfilmentOrder) -> str:
        return f"Hello, {order.order_id}"


class NoText:
    """Has no fulfil."""

    name: Final = "no-text"

    def validate(self, points: object, birth_date: date | None, ordered_on: date) -> Points:
        return ()


class Broken:
    """Cannot be made."""

    def __init__(self) -> None:
        raise RuntimeError("no templates\nhere")
