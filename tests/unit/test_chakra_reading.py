"""The later parts of the chakra reading: lower against upper centres, what a date of birth adds, and the week's plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pytest

from services.payments.fulfilment.base import LOCALES, CannotFulfil, Locale
from services.payments.fulfilment.chakra_texts import Chakra, load_texts
from services.payments.fulfilment.life_path import LIFE_PATHS
from tests.unit.chakra_orders import CHAKRA_READING, ORDERED_ON, after, all_at, order, paragraphs

TEXTS = load_texts()
BALANCE = TEXTS["en"].balance


# ---- lower and upper centres


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((8, 7, 9, 6, 4, 3, 5), BALANCE.lower),
        ((3, 4, 2, 6, 8, 9, 7), BALANCE.upper),
        ((6, 6, 6, 6, 4, 4, 4), BALANCE.lower),
        ((6, 6, 5, 6, 4, 4, 4), BALANCE.even),
        ((4, 4, 4, 6, 6, 6, 6), BALANCE.upper),
        ((4, 4, 4, 6, 6, 6, 5), BALANCE.even),
        ((2, 3, 2, 6, 3, 2, 2), BALANCE.even_low),
        ((8, 9, 8, 6, 9, 8, 9), BALANCE.even_high),
    ],
)
def test_the_halves_are_weighed_by_their_means(values: tuple[int, ...], text: str) -> None:
    assert after(BALANCE.heading, paragraphs(all_at(*values))) == text


@pytest.mark.parametrize(("heart", "added"), [(4, f" {BALANCE.heart_quiet}"), (5, ""), (6, ""), (7, f" {BALANCE.heart_open}")])
def test_the_heart_between_them_is_heard_when_it_is_open_or_quiet(heart: int, added: str) -> None:
    assert after(BALANCE.heading, paragraphs(all_at(5, 5, 5, heart, 5, 5, 5))) == BALANCE.even + added


def test_two_points_of_each_half_are_enough_and_fewer_are_not() -> None:
    assert after(BALANCE.heading, paragraphs({"muladhara": 9, "manipura": 9, "ajna": 2, "sahasrara": 2})) == BALANCE.lower
    assert BALANCE.heading not in paragraphs({"muladhara": 9, "svadhisthana": 9, "manipura": 9, "anahata": 9, "ajna": 2})


# ---- the date of birth


def test_a_date_of_birth_adds_its_number_and_nothing_else_changes() -> None:
    without = paragraphs({"muladhara": 8, "ajna": 3})

    text = paragraphs({"muladhara": 8, "ajna": 3}, birth_date=date(1989, 7, 14))

    added = ["What the date of birth adds: life path 3", TEXTS["en"].life_path.numbers[3]]
    place = text.index(added[0])
    assert text[place : place + 2] == added
    assert text[:place] + text[place + 2 :] == without
    assert not any("life path" in paragraph for paragraph in without)


@pytest.mark.parametrize("locale", LOCALES)
def test_every_number_has_its_own_paragraph(locale: Locale) -> None:
    # The day of a December 2007, which adds 3 and 9.
    days = {1: 7, 2: 8, 3: 9, 4: 1, 5: 2, 6: 3, 7: 4, 8: 5, 9: 6}
    dates = {number: date(2007, 12, day) for number, day in days.items()}
    dates |= {11: date(2007, 1, 1), 22: date(2007, 11, 2), 33: date(2007, 2, 22)}
    assert set(dates) == set(LIFE_PATHS)

    for number, birth_date in dates.items():
        text = paragraphs({"vishuddha": 5}, locale, birth_date)
        assert after(TEXTS[locale].life_path.heading.format(number=number), text) == TEXTS[locale].life_path.numbers[number]


@pytest.mark.parametrize(("value", "closing"), [(7, "this gift is already at work."), (6, "you also clear your own road.")])
def test_the_point_that_is_nearest_to_the_number_is_told_by_its_value(value: int, closing: str) -> None:
    text = paragraphs({"vishuddha": value}, birth_date=date(1989, 7, 14))

    near = text[text.index("What the date of birth adds: life path 3") + 2]
    assert f"Vishuddha is the nearest to this number, at {value} of 10." in near
    assert near.endswith(closing)


# ---- the week


def steps_of(chakra: Chakra) -> tuple[str, ...]:
    return TEXTS["en"].chakras[chakra].steps


def plan(values: Mapping[str, int]) -> list[str]:
    return paragraphs(values)[-2].split("\n")


def test_the_week_goes_round_the_three_weakest_points() -> None:
    root, will, mind = steps_of("muladhara"), steps_of("manipura"), steps_of("ajna")

    assert plan(all_at(4, 9, 2, 9, 9, 3, 6)) == [
        f"Day 1 (Manipura). {will[0]}",
        f"Day 2 (Ajna). {mind[0]}",
        f"Day 3 (Muladhara). {root[0]}",
        f"Day 4 (Manipura). {will[1]}",
        f"Day 5 (Ajna). {mind[1]}",
        f"Day 6 (Muladhara). {root[1]}",
        TEXTS["en"].plan.last_day,
    ]


def test_two_weak_points_take_turns_and_one_has_two_days_a_step() -> None:
    voice, heart = steps_of("vishuddha"), steps_of("anahata")

    assert [line.partition(". ")[2] for line in plan({"vishuddha": 1, "anahata": 2, "ajna": 7})[:6]] == [
        *(voice[0], heart[0], voice[1], heart[1], voice[2], heart[2]),
    ]
    assert plan({"vishuddha": 1, "ajna": 7}) == [
        f"Days 1 and 2 (Vishuddha). {voice[0]}",
        f"Days 3 and 4 (Vishuddha). {voice[1]}",
        f"Days 5 and 6 (Vishuddha). {voice[2]}",
        TEXTS["en"].plan.last_day,
    ]


def test_where_nothing_is_weak_the_week_only_keeps_up_the_lowest() -> None:
    text = paragraphs({"sahasrara": 9, "anahata": 7, "ajna": 8})

    assert after(TEXTS["en"].plan.heading, text) == TEXTS["en"].plan.upkeep
    assert all("(Anahata)" in line for line in text[-2].split("\n")[:-1])
    assert after(TEXTS["en"].plan.heading, paragraphs({"sahasrara": 9, "anahata": 6})) == TEXTS["en"].plan.gentle


# ---- what cannot be delivered


def test_an_order_that_was_stored_wrong_fails_for_good() -> None:
    stored = replace(order({"ajna": 5}), points=({"chakra": "ajna", "value": 50},))

    with pytest.raises(CannotFulfil, match=r"points\.0\.value") as failed:
        CHAKRA_READING.fulfil(stored)
    assert failed.value.permanent


def test_an_order_in_a_language_without_texts_fails_for_good() -> None:
    with pytest.raises(CannotFulfil, match="'de'") as failed:
        CHAKRA_READING.fulfil(replace(order({"ajna": 5}), locale="de"))  # type: ignore[arg-type]
    assert failed.value.permanent


def test_a_birth_date_after_the_order_was_never_accepted() -> None:
    with pytest.raises(CannotFulfil, match="birth_date"):
        CHAKRA_READING.fulfil(order({"ajna": 5}, birth_date=ORDERED_ON.replace(year=2027)))
