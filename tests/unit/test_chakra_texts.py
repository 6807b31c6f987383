"""The words of the reading: every value of every chakra has its own in every language, in that language's letters and no others."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from pydantic import ValidationError

from services.payments.fulfilment.base import LOCALES, Locale
from services.payments.fulfilment.chakra_texts import BANDS, CHAKRAS, DATA, VALUE_MAX, ChakraTexts, band_of, load_texts
from services.payments.fulfilment.life_path import LIFE_PATHS, life_path

TEXTS = load_texts()

RUSSIAN = set("абвгдеёжзийклмнопрстуфхцчшщъыьэюя")
SERBIAN_LATIN = set("abcčćdđefghijklmnoprsštuvzž")
ENGLISH = set("abcdefghijklmnopqrstuvwxyz")
ALPHABETS: dict[Locale, set[str]] = {"ru": RUSSIAN, "sr": SERBIAN_LATIN, "en": ENGLISH}


def strings(value: Any) -> Iterator[str]:
    """Every text in a file's tree."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings(inner)


def words_of(locale: Locale) -> list[str]:
    """Every text of a language without its placeholders."""
    whole = strings(TEXTS[locale].model_dump())
    return ["".join(literal for literal, *_ in Formatter().parse(text)) for text in whole]


def test_every_value_lies_in_its_band() -> None:
    assert [band_of(value) for value in range(VALUE_MAX + 1)] == [
        *("0-2", "0-2", "0-2", "3-4", "3-4", "5-6", "5-6", "7-8", "7-8", "9-10", "9-10"),
    ]


@pytest.mark.parametrize("locale", LOCALES)
def test_every_chakra_says_several_sentences_in_every_band(locale: Locale) -> None:
    chakras = TEXTS[locale].chakras

    assert tuple(chakras) == CHAKRAS
    for name, chakra in chakras.items():
        assert set(chakra.bands) == set(BANDS)
        for band in chakra.bands.values():
            sentences = sum(band.looks.count(mark) + band.helps.count(mark) for mark in ".!?")
            assert sentences >= 3, (name, band)
            assert len(band.looks) > 150, (name, band)
            assert len(band.practice) > 60, (name, band)


@pytest.mark.parametrize("locale", LOCALES)
def test_no_two_texts_of_a_language_read_the_same(locale: Locale) -> None:
    texts = [text for text in words_of(locale) if len(text) > 20]

    assert len(texts) > 150
    assert len(texts) == len(set(texts))


@pytest.mark.parametrize("locale", LOCALES)
def test_a_language_is_written_in_its_own_letters(locale: Locale) -> None:
    for text in words_of(locale):
        foreign = {letter for letter in text.lower() if letter.isalpha()} - ALPHABETS[locale]
        assert not foreign, (foreign, text)


def test_nothing_was_left_untranslated() -> None:
    english, serbian = set(words_of("en")), set(words_of("sr"))

    # Names of chakras may be the same; sentences may not.
    assert {text for text in english & serbian if " " in text.strip()} == set()


@pytest.mark.parametrize("locale", LOCALES)
def test_sentences_end_and_are_set_without_slips(locale: Locale) -> None:
    texts = TEXTS[locale]
    sentences = [text for chakra in texts.chakras.values() for band in chakra.bands.values() for text in strings(band.model_dump())]
    sentences += [text for chakra in texts.chakras.values() for text in (chakra.weakest, chakra.strongest, *chakra.steps)]
    sentences += [*texts.life_path.numbers.values(), texts.closing.text]

    for text in sentences:
        assert text[0].isupper() or text[0] in "«„", text
        assert text[-1] in ".?!", text
        assert not any(slip in text for slip in ("  ", " ,", " .", ",,", "..", " ;", " :", "{")), text


@pytest.mark.parametrize("locale", LOCALES)
def test_the_same_placeholders_are_filled_in_every_language(locale: Locale) -> None:
    def placeholders(texts: ChakraTexts) -> list[set[str]]:
        return [{field for _, field, *_ in Formatter().parse(text) if field} for text in strings(texts.model_dump())]

    assert placeholders(TEXTS[locale]) == placeholders(TEXTS["en"])
    assert {"names", "value"} in placeholders(TEXTS["en"])


@pytest.mark.parametrize(
    ("line", "named"),
    [("weakest = ", "weakest"), ('33 = "', "numbers"), ("practice = ", "practice"), ("gentle = ", "gentle")],
)
def test_a_file_with_a_gap_is_refused_at_the_start(tmp_path: Path, line: str, named: str) -> None:
    shutil.copytree(DATA, tmp_path / "data")
    file = tmp_path / "data" / "chakras.sr.toml"
    lines = file.read_text(encoding="utf-8").splitlines()
    lines.remove(next(text for text in lines if text.startswith(line)))
    file.write_text("\n".join(lines), encoding="utf-8")

    with pytest.raises(ValidationError, match=named):
        load_texts(tmp_path / "data")


def test_a_language_without_its_file_is_refused_at_the_start(tmp_path: Path) -> None:
    shutil.copy(DATA / "chakras.en.toml", tmp_path)

    with pytest.raises(FileNotFoundError, match=r"chakras\.ru\.toml"):
        load_texts(tmp_path)


@pytest.mark.parametrize(
    ("born", "number"),
    [
        (date(1989, 7, 14), 3),  # 5 + 7 + 9 = 21
        (date(1990, 11, 29), 5),  # 11 + 11 + 1 = 23
        (date(2007, 1, 1), 11),  # 1 + 1 + 9
        (date(2007, 11, 2), 22),  # 2 + 11 + 9
        (date(2007, 2, 22), 33),  # 22 + 2 + 9
        (date(1993, 11, 29), 8),  # 11 + 11 + 22 = 44
        (date(2000, 1, 1), 4),  # 1 + 1 + 2
    ],
)
def test_a_life_path_adds_up_day_month_and_year_and_keeps_master_numbers(born: date, number: int) -> None:
    assert life_path(born) == number


def test_every_date_has_a_number_and_every_number_a_date() -> None:
    first, last = date(1900, 1, 1).toordinal(), date(2030, 12, 31).toordinal()

    assert {life_path(date.fromordinal(day)) for day in range(first, last + 1)} == set(LIFE_PATHS)
