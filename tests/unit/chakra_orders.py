"""Orders of a chakra reading, and their readings in paragraphs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from services.payments.fulfilment.base import FulfilmentOrder, Locale
from services.payments.fulfilment.chakra_texts import CHAKRAS
from services.payments.fulfilment.chakras import Chakras

CHAKRA_READING = Chakras()
ORDERED_ON = date(2026, 3, 1)


def points(values: Mapping[str, int]) -> tuple[dict[str, object], ...]:
    return tuple({"chakra": chakra, "value": value} for chakra, value in values.items())


def all_at(*values: int) -> dict[str, int]:
    """The seven chakras in their traditional order at these values."""
    return dict(zip(CHAKRAS, values, strict=True))


def order(values: Mapping[str, int], locale: Locale = "en", birth_date: date | None = None) -> FulfilmentOrder:
    return FulfilmentOrder("order-1", "chakras", locale, points(values), birth_date, ORDERED_ON)


def paragraphs(values: Mapping[str, int], locale: Locale = "en", birth_date: date | None = None) -> list[str]:
    return CHAKRA_READING.fulfil(order(values, locale, birth_date)).split("\n\n")


def after(heading: str, text: list[str]) -> str:
    """The paragraph that follows a heading."""
    return text[text.index(heading) + 1]
