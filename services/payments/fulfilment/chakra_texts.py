"""The words of the chakra reading, one file a language, read once and refused when anything is missing."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from services.payments.fulfilment.base import LOCALES, Locale
from services.payments.fulfilment.life_path import LIFE_PATHS

Chakra = Literal["muladhara", "svadhisthana", "manipura", "anahata", "vishuddha", "ajna", "sahasrara"]
CHAKRAS: Final[tuple[Chakra, ...]] = get_args(Chakra)
"""In the traditional order, from the root to the crown."""

BandName = Literal["0-2", "3-4", "5-6", "7-8", "9-10"]
BANDS: Final[tuple[BandName, ...]] = get_args(BandName)

VALUE_MAX: Final = 10
STEPS: Final = 3

DATA: Final = Path(__file__).parent / "data"

Text = Annotated[str, StringConstraints(min_length=1, max_length=2_000, pattern=r"^\S(.*\S)?$")]


def band_of(value: int) -> BandName:
    """The band that a value of 0 to 10 lies in."""
    return next(band for band in BANDS if value <= int(band.partition("-")[2]))


class _Words(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Band(_Words):
    looks: Text
    helps: Text
    practice: Text


class ChakraText(_Words):
    name: Text
    centre: Text
    weakest: Text
    strongest: Text
    steps: Annotated[tuple[Text, ...], Field(min_length=STEPS, max_length=STEPS)]
    bands: Annotated[dict[BandName, Band], Field(min_length=len(BANDS))]


class Opening(_Words):
    greeting: Text
    low: Text
    middle: Text
    high: Text
    partial: Text


class Summary(_Words):
    heading: Text
    weakest_one: Text
    weakest_many: Text
    weakest_strong: Text
    strongest_one: Text
    strongest_many: Text
    strongest_quiet: Text
    equal: Text
    single: Text


class Balance(_Words):
    heading: Text
    lower: Text
    upper: Text
    even_low: Text
    even: Text
    even_high: Text
    heart_open: Text
    heart_quiet: Text


def _every_number(numbers: dict[int, str]) -> dict[int, str]:
    if set(numbers) != set(LIFE_PATHS):
        raise ValueError(f"must hold {', '.join(map(str, LIFE_PATHS))}")
    return numbers


class LifePath(_Words):
    heading: Text
    near_strong: Text
    near_quiet: Text
    numbers: Annotated[dict[int, Text], AfterValidator(_every_number)]


class Plan(_Words):
    heading: Text
    gentle: Text
    upkeep: Text
    day: Text
    days: Text
    last_day: Text


class Closing(_Words):
    text: Text


class ChakraTexts(_Words):
    """All that a reading says in one language. Texts with {names} are templates; chakra_reading.py fills them."""

    title: Text
    value_line: Text
    practice_line: Text
    listing: str
    opening: Opening
    summary: Summary
    balance: Balance
    life_path: LifePath
    plan: Plan
    closing: Closing
    chakras: Annotated[dict[Chakra, ChakraText], Field(min_length=len(CHAKRAS))]


def load_texts(folder: Path = DATA) -> Mapping[Locale, ChakraTexts]:
    """Every language's texts, from `chakras.{locale}.toml` in `folder`. ValidationError names what is missing there."""
    return {
        locale: ChakraTexts.model_validate(tomllib.loads((folder / f"chakras.{locale}.toml").read_text(encoding="utf-8")))
        for locale in LOCALES
    }
