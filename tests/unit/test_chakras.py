"""The chakra reading: what the form may hold, which texts a set of values calls up, and that the same order reads the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.payments.fulfilment.base import LOCALES, InvalidForm, Locale
from services.payments.fulfilment.chakra_texts import CHAKRAS, VALUE_MAX, Chakra, band_of, load_texts
from services.payments.fulfilment.chakras import Chakras
from tests.unit.chakra_orders import CHAKRA_READING, ORDERED_ON, after, all_at, order, paragraphs, points

TEXTS = load_texts()

values_of_points = st.dictionaries(st.sampled_from(CHAKRAS), st.integers(0, VALUE_MAX), min_size=1)


# ---- the form


def test_a_good_form_is_kept_as_it_was_sent() -> None:
    sent = [{"chakra": "ajna", "value": 0}, {"chakra": "muladhara", "value": 10}]

    assert CHAKRA_READING.validate(sent, ORDERED_ON, ORDERED_ON) == tuple(sent)
    assert CHAKRA_READING.validate(sent, None, ORDERED_ON) == tuple(sent)
    assert CHAKRA_READING.validate(sent, date(1900, 1, 1), ORDERED_ON) == tuple(sent)


NOT_LISTS: list[Any] = [None, [], {}, "muladhara", 7, [{"chakra": "ajna", "value": 1}] * 8]
NOT_POINTS: list[Any] = [None, 5, "ajna", ["ajna", 5]]
NOT_CHAKRAS: list[Any] = ["heart", "Ajna", "ajna ", "", 4, None, []]
NOT_VALUES: list[Any] = [-1, 11, 10**30, 5.0, "5", True, False, None, [5]]


@pytest.mark.parametrize(
    ("sent", "loc", "message"),
    [
        *((sent, ("points",), "list of 1 to 7") for sent in NOT_LISTS),
        *(([point], ("points", 0), "object") for point in NOT_POINTS),
        *(([{"chakra": chakra, "value": 5}], ("points", 0, "chakra"), "must be one of muladhara") for chakra in NOT_CHAKRAS),
        *(([{"chakra": "ajna", "value": value}], ("points", 0, "value"), "integer from 0 to 10") for value in NOT_VALUES),
        ([{"chakra": "ajna"}], ("points", 0, "value"), "integer"),
        ([{"value": 5}], ("points", 0, "chakra"), "one of"),
        ([{"chakra": "ajna", "value": 5, "colour": "blue"}], ("points", 0), "nothing but"),
        ([{"chakra": "ajna", "value": 5}, {"chakra": "ajna", "value": 5}], ("points", 1, "chakra"), "given twice"),
    ],
)
def test_a_bad_point_is_named(sent: Any, loc: tuple[str | int, ...], message: str) -> None:
    with pytest.raises(InvalidForm) as refused:
        CHAKRA_READING.validate(sent, None, ORDERED_ON)

    (problem,) = refused.value.problems
    assert problem.loc == ("body", *loc)
    assert message in problem.msg


@pytest.mark.parametrize("born", [date(1899, 12, 31), date(2026, 3, 2), date(1, 1, 1), date(9999, 12, 31)])
def test_an_implausible_date_of_birth_is_named(born: date) -> None:
    with pytest.raises(InvalidForm) as refused:
        CHAKRA_READING.validate(points({"ajna": 5}), born, ORDERED_ON)

    assert [problem.loc for problem in refused.value.problems] == [("body", "birth_date")]


def test_all_that_is_wrong_is_told_at_once() -> None:
    sent = [{"chakra": "heart", "value": 11}, {"chakra": "ajna", "value": 5}, {"chakra": "ajna", "value": "5"}]

    with pytest.raises(InvalidForm) as refused:
        CHAKRA_READING.validate(sent, date(1850, 1, 1), ORDERED_ON)

    assert [problem.loc[1:] for problem in refused.value.problems] == [
        ("points", 0, "chakra"),
        ("points", 0, "value"),
        ("points", 2, "chakra"),
        ("points", 2, "value"),
        ("birth_date",),
    ]


# ---- the reading


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("chakra", CHAKRAS)
@pytest.mark.parametrize("value", range(VALUE_MAX + 1))
def test_a_value_calls_up_the_text_of_its_band(locale: Locale, chakra: Chakra, value: int) -> None:
    words = TEXTS[locale].chakras[chakra]
    band = words.bands[band_of(value)]

    text = paragraphs({chakra: value}, locale)

    line = next(index for index, paragraph in enumerate(text) if paragraph.startswith(f"{words.name} ({words.centre}): {value} "))
    assert text[line + 1] == f"{band.looks} {band.helps}"
    assert text[line + 2].endswith(band.practice)


def test_the_points_stand_in_the_traditional_order_whatever_the_order_of_the_form() -> None:
    forwards = all_at(1, 2, 3, 4, 5, 6, 7)
    backwards = dict(reversed(forwards.items()))

    text = paragraphs(backwards)

    assert text == paragraphs(forwards)
    headings = [
        f"{words.name} ({words.centre}): {value} of 10" for words, value in zip(TEXTS["en"].chakras.values(), range(1, 8), strict=True)
    ]
    assert [paragraph for paragraph in text if paragraph in headings] == headings


@pytest.mark.parametrize("locale", LOCALES)
def test_a_full_reading_opens_weighs_plans_and_closes(locale: Locale) -> None:
    words = TEXTS[locale]

    text = paragraphs(all_at(3, 5, 3, 8, 6, 9, 9), locale, date(1989, 7, 14))

    assert text[:3] == [words.title, words.opening.greeting, words.opening.middle]
    assert len(text) == 3 + 7 * 3 + 3 + 2 + 3 + 3 + 1
    sections = [words.summary.heading, words.balance.heading, words.life_path.heading.format(number=3), words.plan.heading]
    assert [paragraph for paragraph in text if paragraph in sections] == sections
    assert text[-1] == words.closing.text


@settings(max_examples=60, deadline=None)
@given(values=values_of_points, born=st.none() | st.dates(date(1900, 1, 1), ORDERED_ON), locale=st.sampled_from(LOCALES))
def test_any_order_reads_whole_bounded_and_always_the_same(values: dict[str, int], born: date | None, locale: Locale) -> None:
    paid = order(values, locale, born)

    text = CHAKRA_READING.fulfil(paid)

    assert len(text.encode()) <= 20_000
    assert "{" not in text
    assert "}" not in text
    assert all(paragraph.strip() == paragraph != "" for paragraph in text.split("\n\n"))
    assert text == Chakras().fulfil(replace(paid, order_id="order-2", points=tuple(reversed(paid.points))))


@pytest.mark.parametrize(("values", "level"), [((0,) * 7, "low"), ((3, 4, 4, 4, 4, 4, 4), "low"), ((4,) * 7, "middle"), ((7,) * 7, "high")])
def test_the_opening_speaks_of_the_mean(values: tuple[int, ...], level: str) -> None:
    text = paragraphs(all_at(*values))

    assert text[2] == getattr(TEXTS["en"].opening, level)
    assert TEXTS["en"].opening.partial not in text


def test_some_points_only_are_read_without_a_word_about_the_others() -> None:
    text = paragraphs({"ajna": 8, "manipura": 3})

    assert TEXTS["en"].opening.partial in text
    assert TEXTS["en"].balance.heading not in text
    assert not any("Anahata" in paragraph for paragraph in text)


# ---- weakest and strongest


def test_the_weakest_and_the_strongest_are_named() -> None:
    text = paragraphs(all_at(5, 2, 5, 6, 5, 9, 5))

    place = text.index(TEXTS["en"].summary.heading)
    assert text[place + 1] == f"The quietest point now is Svadhisthana: 2 of 10. {TEXTS['en'].chakras['svadhisthana'].weakest}"
    assert text[place + 2] == f"The strongest point now is Ajna: 9 of 10. {TEXTS['en'].chakras['ajna'].strongest}"


@pytest.mark.parametrize(
    ("locale", "weakest", "strongest"),
    [
        ("en", "Muladhara, Manipura and Ajna, each at 2 of 10.", "Anahata and Sahasrara, each at 9 of 10."),
        ("ru", "Муладхара, Манипура и Аджна: у каждой 2 из 10.", "Анахата и Сахасрара: у каждой 9 из 10."),
        ("sr", "Muladara, Manipura i Ađna: svaka ima 2 od 10.", "Anahata i Sahasrara: svaka ima 9 od 10."),
    ],
)
def test_those_that_are_level_are_named_together_and_each_gets_its_line(locale: Locale, weakest: str, strongest: str) -> None:
    chakras = TEXTS[locale].chakras

    text = paragraphs(all_at(2, 5, 2, 9, 5, 2, 9), locale)

    place = text.index(TEXTS[locale].summary.heading)
    low, *low_lines = text[place + 1].split("\n")
    high, *high_lines = text[place + 2].split("\n")
    assert low.endswith(weakest)
    assert high.endswith(strongest)
    assert low_lines == [f"{chakras[name].name}. {chakras[name].weakest}" for name in ("muladhara", "manipura", "ajna")]
    assert high_lines == [f"{chakras[name].name}. {chakras[name].strongest}" for name in ("anahata", "sahasrara")]


def test_where_all_are_level_none_is_called_weak() -> None:
    text = paragraphs(all_at(*[5] * 7))

    assert after(TEXTS["en"].summary.heading, text) == TEXTS["en"].summary.equal.format(value=5)
    assert not any("quietest" in paragraph for paragraph in text)


def test_a_single_point_is_not_weighed() -> None:
    assert after(TEXTS["en"].summary.heading, paragraphs({"anahata": 1})) == TEXTS["en"].summary.single


def test_nothing_low_is_not_pitied_and_nothing_strong_is_not_praised() -> None:
    high, low = paragraphs({"ajna": 8, "anahata": 9}), paragraphs({"ajna": 3, "anahata": 4})

    assert after(TEXTS["en"].summary.heading, high).endswith(TEXTS["en"].summary.weakest_strong)
    assert any(paragraph.endswith(TEXTS["en"].summary.strongest_quiet) for paragraph in low)
    assert not any(TEXTS["en"].chakras["anahata"].strongest in paragraph for paragraph in low)
