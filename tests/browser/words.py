"""What the pages say in each language, taken from their catalogues: a story is told once, in English."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from babel.messages.pofile import read_po

from tests.servers import PROJECT

LANGUAGES: Final = ("en", "ru", "sr")

_LOCALES: Final = PROJECT / "services" / "gateway" / "pages" / "locales"


class Words:
    """`say("Top up")` is what the pages of that language call it; KeyError when they have no such words."""

    def __init__(self, locale: str) -> None:
        self.locale = locale

    def __call__(self, english: str, **values: object) -> str:
        known = _known(self.locale)
        text = english if self.locale == "en" else known[english]
        return text % values if values else text


@cache
def _known(locale: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for path in sorted((_LOCALES / locale).glob("*.po")):
        with path.open("rb") as file:
            catalogue = read_po(file, locale=None)
        for message in catalogue:
            if message.id and isinstance(message.string, str):
                assert isinstance(message.id, str)
                found[message.id] = message.string
    return found
