"""What the pages say in other languages than English: gettext catalogues, one .po an area of the site, read when the gateway starts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from babel.support import NullTranslations, Translations

BABEL_LOCALES: Final = {"en": Locale("en"), "ru": Locale("ru"), "sr": Locale("sr", script="Latn")}
"""The pages' languages as the Unicode CLDR names them."""

SOURCE: Final = "en"
"""The language that the messages themselves are written in."""


class CatalogueError(ValueError):
    """A catalogue cannot be read."""


def marked(message: str) -> str:
    """A message that is translated later, where the language is known; written so, it is found for the catalogues."""
    return message


def read_catalogues(folder: Path) -> Iterator[tuple[Path, Catalog]]:
    """One language's areas, in the order of their names."""
    for path in sorted(folder.glob("*.po")):
        with path.open("rb") as file:
            try:
                yield path, read_po(file, abort_invalid=True)
            except (PoFileError, UnicodeDecodeError) as error:
                raise CatalogueError(f"{path.name}: {error}") from error


def messages_of(catalogue: Catalog) -> Iterator[Message]:
    """Without the header."""
    return (message for message in catalogue if message.id)


def load_translations(folder: Path, locale: str) -> NullTranslations:
    """All areas of `locale` below `folder` as one. What is missing is said in English;
    deploy/local/catalogues.py finds that, and what two areas say, before."""
    if locale == SOURCE:
        return NullTranslations()
    whole = Catalog(BABEL_LOCALES[locale])
    for _, catalogue in read_catalogues(folder / locale):
        for message in messages_of(catalogue):
            whole.add(message.id, message.string, flags=message.flags, context=message.context)
    compiled = io.BytesIO()
    write_mo(compiled, whole)
    compiled.seek(0)
    return Translations(compiled)
