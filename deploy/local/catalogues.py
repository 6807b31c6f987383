"""Are the pages' words whole in every language? Every message of templates and code against the catalogues, for `make check`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from babel.messages.catalog import Message
from babel.messages.extract import extract_from_dir

from services.gateway.config import LOCALES
from services.gateway.hypertext import FOLDER
from services.gateway.hypertext.catalogues import SOURCE, CatalogueError, messages_of, read_catalogues

_METHODS: Final = [("pages/templates/**.html", "jinja2"), ("**.py", "python")]
_OPTIONS: Final = {"pages/templates/**.html": {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}}
_KEYWORDS: Final = {"_": None, "gettext": None, "ngettext": (1, 2), "marked": None}
_PLACEHOLDER: Final = re.compile(r"%\([a-z_]+\)[sd]|\{[a-z_]+\}")
_TAG: Final = re.compile(r"</?[a-z]+")
_CYRILLIC: Final = re.compile("[а-яёђјљњћџА-ЯЁЂЈЉЊЋЏ]")

Key = str | tuple[str, ...]
"""A message, or its singular and plural."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message in one language, and the area whose catalogue says it."""

    area: str
    message: Message


def used(gateway: Path = FOLDER.parent) -> Mapping[Key, str]:
    """Every message that pages can show, and the first place that does."""
    found: dict[Key, str] = {}
    for file, line, message, _, _ in extract_from_dir(gateway, _METHODS, _OPTIONS, _KEYWORDS, comment_tags=()):
        found.setdefault(message if isinstance(message, str) else tuple(message), f"services/gateway/{file}:{line}")
    return found


def wrong(folder: Path, shown: Mapping[Key, str]) -> Iterator[str]:
    """What is wrong with the catalogues below `folder`, a line each."""
    for locale in LOCALES:
        if locale == SOURCE:
            continue
        said: dict[Key, list[Said]] = {}
        for path, catalogue in read_catalogues(folder / locale):
            for message in messages_of(catalogue):
                key = message.id if isinstance(message.id, str) else tuple(message.id)
                said.setdefault(key, []).append(Said(path.stem, message))
        for key, place in shown.items():
            if key not in said:
                yield f"{locale}: {place}: {key!r} is not translated"
        for key, all_of_it in said.items():
            where = f"{locale}/{', '.join(one.area for one in all_of_it)}: {key!r}"
            if key not in shown:
                yield f"{where} is shown nowhere"
            if len(all_of_it) > 1:
                yield f"{where} is said more than once"
            for one in all_of_it:
                yield from (f"{where} {fault}" for fault in _faults(locale, one.message))


def _faults(locale: str, message: Message) -> Iterator[str]:
    texts, originals = _texts(message.string), _texts(message.id)
    if message.fuzzy:
        yield "is fuzzy"
    if not texts or not all(text.strip() for text in texts):
        yield "is not translated"
    wanted = _parts_of(originals[-1])
    for text in (one for one in texts if one.strip()):
        # A singular may say "one" in words.
        if _parts_of(text) != wanted and not (len(texts) > 1 and text == texts[0] and _parts_of(text) == _parts_of(originals[0])):
            yield f"has other placeholders or tags: {text!r}"
        if locale == "sr" and _CYRILLIC.search(text):
            yield "is not in Latin letters"


def _texts(text: str | Sequence[str] | None) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text or ())


def _parts_of(text: str) -> tuple[list[str], list[str]]:
    return sorted(set(_PLACEHOLDER.findall(text))), sorted(_TAG.findall(text))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.catalogues", description="Checks the pages' words in every language.")
    parser.parse_args()
    try:
        faults = list(wrong(FOLDER / "locales", used()))
    except CatalogueError as error:
        faults = [str(error)]
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
