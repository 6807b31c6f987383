"""A text that was made for an order, set in type: which paragraphs are headings or lists, or begin with a word that names them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

_HEADING_LENGTH_MAX: Final = 90
_ENDS_A_SENTENCE: Final = (".", "!", "?", "…", ":", ";", ",")
_ONE_WORD: Final = re.compile(r"([^\W\d_]{2,20}\.) +(.+)")
_SHORT_SENTENCE: Final = re.compile(r"([^.!?:;,]{2,48}\.) +(.+)")

Kind = Literal["title", "heading", "paragraph", "lines"]


@dataclass(frozen=True, slots=True)
class Line:
    """`name`: the word or two, with their full stop, that say what the line is about; "" when it only tells."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    kind: Kind
    lines: tuple[Line, ...]


def typeset(text: str) -> Iterator[Block]:
    """Plain text with an empty line between paragraphs, as fulfilment makes it (any class of a deployer's too)."""
    paragraphs = [lines for part in text.split("\n\n") if (lines := [line.strip() for line in part.splitlines() if line.strip()])]
    for number, lines in enumerate(paragraphs):
        if len(lines) > 1:
            yield Block("lines", tuple(_line(line, _SHORT_SENTENCE) for line in lines))
        elif _is_heading(lines[0]):
            yield Block("heading" if number else "title", (Line("", lines[0]),))
        else:
            yield Block("paragraph", (_line(lines[0], _ONE_WORD),))


def _is_heading(line: str) -> bool:
    return len(line) <= _HEADING_LENGTH_MAX and not line.endswith(_ENDS_A_SENTENCE)


def _line(line: str, name: re.Pattern[str]) -> Line:
    found = name.fullmatch(line)
    return Line("", line) if found is None else Line(found[1], found[2])
