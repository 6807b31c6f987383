"""Composes a chakra reading of texts that were written beforehand: which of them, in which order, is decided by the values alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Final

from services.payments.fulfilment.chakra_texts import CHAKRAS, STEPS, Chakra, ChakraTexts, band_of
from services.payments.fulfilment.life_path import life_path

_LOWER: Final[frozenset[Chakra]] = frozenset({"muladhara", "svadhisthana", "manipura"})
_UPPER: Final[frozenset[Chakra]] = frozenset({"vishuddha", "ajna", "sahasrara"})
_HALF_MIN: Final = 2
"""So many points of a half say something of it; one alone does not."""
_TILT: Final = 2
"""From this difference of the halves' means on, one counts as the stronger."""

_LEVEL_MIDDLE: Final = 4
_LEVEL_HIGH: Final = 7
"""Means from here on are no longer low, and high."""

_QUIET_MAX: Final = 4
_CARE_MAX: Final = 6
"""At most quiet: nothing to lean on yet. At most this: worth a week's care. Above: strong."""

_FOCUSES_MAX: Final = 3
_DAYS_OF_STEPS: Final = 6
"""The seventh day looks back."""

_NEAREST: Final[Mapping[int, Chakra]] = {
    1: "manipura",
    2: "anahata",
    3: "vishuddha",
    4: "muladhara",
    5: "svadhisthana",
    6: "anahata",
    7: "ajna",
    8: "manipura",
    9: "sahasrara",
    11: "ajna",
    22: "muladhara",
    33: "anahata",
}
"""The chakra that a life-path number is nearest to; our own reading of both traditions."""

Values = Mapping[Chakra, int]
"""The points of an order in the traditional order, one to seven of them."""


def reading(texts: ChakraTexts, values: Values, birth_date: date | None) -> list[str]:
    """The reading's paragraphs: opening, points, summary, balance, date of birth (where one is given), plan, closing."""
    return [
        texts.title,
        *_opening(texts, values),
        *(paragraph for chakra, value in values.items() for paragraph in _point(texts, chakra, value)),
        *_summary(texts, values),
        *_balance(texts, values),
        *_life_path(texts, values, birth_date),
        *_plan(texts, values),
        texts.closing.text,
    ]


def _opening(texts: ChakraTexts, values: Values) -> list[str]:
    opening = texts.opening
    paragraphs = [opening.greeting]
    if len(values) > 1:
        paragraphs.append(_by_level(_mean(values.values()), opening.low, opening.middle, opening.high))
    if len(values) < len(CHAKRAS):
        paragraphs.append(opening.partial)
    return paragraphs


def _point(texts: ChakraTexts, chakra: Chakra, value: int) -> list[str]:
    words = texts.chakras[chakra]
    band = words.bands[band_of(value)]
    return [
        texts.value_line.format(name=words.name, centre=words.centre, value=value),
        f"{band.looks} {band.helps}",
        texts.practice_line.format(practice=band.practice),
    ]


def _summary(texts: ChakraTexts, values: Values) -> list[str]:
    summary, chakras = texts.summary, texts.chakras
    low, high = min(values.values()), max(values.values())
    if len(values) == 1:
        return [summary.heading, summary.single]
    if low == high:
        return [summary.heading, summary.equal.format(value=low)]
    weakest = [chakra for chakra, value in values.items() if value == low]
    strongest = [chakra for chakra, value in values.items() if value == high]
    weakest_line = summary.weakest_one if len(weakest) == 1 else summary.weakest_many
    strongest_line = summary.strongest_one if len(strongest) == 1 else summary.strongest_many
    # What helps the truly low would alarm the high, and praise of a strength rings false where nothing is strong.
    care = f" {summary.weakest_strong}" if low > _CARE_MAX else _each(texts, weakest, [chakras[chakra].weakest for chakra in weakest])
    lean = (
        f" {summary.strongest_quiet}"
        if high <= _QUIET_MAX
        else _each(texts, strongest, [chakras[chakra].strongest for chakra in strongest])
    )
    return [
        summary.heading,
        f"{weakest_line.format(names=_names(texts, weakest), value=low)}{care}",
        f"{strongest_line.format(names=_names(texts, strongest), value=high)}{lean}",
    ]


def _each(texts: ChakraTexts, chakras: Sequence[Chakra], lines: Sequence[str]) -> str:
    """What follows a sentence about the chakras: the one's line, or a line for each, led by its name."""
    if len(lines) == 1:
        return f" {lines[0]}"
    return "".join(f"\n{texts.chakras[chakra].name}. {line}" for chakra, line in zip(chakras, lines, strict=True))


def _names(texts: ChakraTexts, chakras: Sequence[Chakra]) -> str:
    *rest, last = (texts.chakras[chakra].name for chakra in chakras)
    return texts.listing.join([", ".join(rest), last]) if rest else last


def _balance(texts: ChakraTexts, values: Values) -> list[str]:
    lower = [value for chakra, value in values.items() if chakra in _LOWER]
    upper = [value for chakra, value in values.items() if chakra in _UPPER]
    if min(len(lower), len(upper)) < _HALF_MIN:
        return []
    balance = texts.balance
    tilt = _mean(lower) - _mean(upper)
    if abs(tilt) >= _TILT:
        text = balance.lower if tilt > 0 else balance.upper
    else:
        text = _by_level((_mean(lower) + _mean(upper)) / 2, balance.even_low, balance.even, balance.even_high)
    heart = values.get("anahata")
    if heart is not None and heart > _CARE_MAX:
        text = f"{text} {balance.heart_open}"
    elif heart is not None and heart <= _QUIET_MAX:
        text = f"{text} {balance.heart_quiet}"
    return [balance.heading, text]


def _life_path(texts: ChakraTexts, values: Values, birth_date: date | None) -> list[str]:
    if birth_date is None:
        return []
    number = life_path(birth_date)
    words = texts.life_path
    paragraphs = [words.heading.format(number=number), words.numbers[number]]
    nearest = _NEAREST[number]
    if nearest in values:
        template = words.near_strong if values[nearest] > _CARE_MAX else words.near_quiet
        paragraphs.append(template.format(name=texts.chakras[nearest].name, value=values[nearest]))
    return paragraphs


def _plan(texts: ChakraTexts, values: Values) -> list[str]:
    """Six days of steps for the weakest points, shared out evenly, and a seventh to look back."""
    plan = texts.plan
    by_need = sorted(values, key=lambda chakra: values[chakra])  # stable: equals stay in the traditional order
    focuses = [chakra for chakra in by_need if values[chakra] <= _CARE_MAX][:_FOCUSES_MAX]
    intro = plan.gentle if focuses else plan.upkeep
    focuses = focuses or by_need[:1]
    rounds = min(STEPS, _DAYS_OF_STEPS // len(focuses))
    days_each = _DAYS_OF_STEPS // (rounds * len(focuses))
    steps = [(texts.chakras[chakra], texts.chakras[chakra].steps[turn]) for turn in range(rounds) for chakra in focuses]
    lines = []
    for index, (words, step) in enumerate(steps):
        first = index * days_each + 1
        template = plan.day if days_each == 1 else plan.days
        lines.append(template.format(first=first, last=first + days_each - 1, name=words.name, step=step))
    return [plan.heading, intro, "\n".join([*lines, plan.last_day])]


def _mean(values: Collection[int]) -> Fraction:
    return Fraction(sum(values), len(values))


def _by_level(mean: Fraction, low: str, middle: str, high: str) -> str:
    if mean < _LEVEL_MIDDLE:
        return low
    return middle if mean < _LEVEL_HIGH else high
