"""JSON bodies read exactly: numbers stay the text that was sent; a name given twice, and what has no end, is refused. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Final

DEPTH_MAX: Final = 20
VALUES_MAX: Final = 1_000
"""Members and items, at every depth: a body of the largest size, made of nothing else, would take a third of a second of CPU."""
TEXT_LENGTH_MAX: Final = 4_000
"""Of a string, a name or a number; most fields take less."""
_PART_MAX: Final = 64
_WHOLE: Final = re.compile(r"(?P<digits>[0-9]{1,31})(?:\.0{1,31})?", re.ASCII)


class MalformedJson(ValueError):
    """The bytes are not one JSON value in UTF-8, or one that is out of bounds; `loc` leads to the member that is to blame, if one is."""

    def __init__(self, reason: str, loc: tuple[str | int, ...] = ()) -> None:
        super().__init__(reason)
        self.loc = loc


class RepeatedName(MalformedJson):
    """An object names a member twice, so that readers may disagree about its value."""

    def __init__(self, name: str) -> None:
        super().__init__("is given twice", (name,))
        self.name = name


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number (or NaN, Infinity, which no field accepts, so that the answer can name the field) as its literal text."""

    text: str

    @property
    def whole(self) -> str | None:
        """Its digits when it is a whole number, 0 or above: 5.0 is the same as 5 (JSON Schema 2020-12, validation, 6.1.1), and some
        languages write no other; None for -1, 5.5, 5e0 and what is longer than any sum or id."""
        found = _WHOLE.fullmatch(self.text)
        return None if found is None else found["digits"]


def parse(body: bytes) -> Any:
    """The value in `body`, its numbers as Number; MalformedJson otherwise."""
    reading = _Reading()
    number = reading.number
    try:
        text = body.decode("utf-8")
        value = json.loads(text, parse_float=number, parse_int=number, parse_constant=number, object_pairs_hook=reading.object)
    except MalformedJson:
        raise
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise MalformedJson("is not JSON") from error
    _Reading().check(value, DEPTH_MAX)
    return value


def fingerprint(path: str, query: bytes, value: Any) -> str:
    """SHA-256, hex, of what makes two requests the same: path, query and body, whatever its spacing and order."""
    digest = hashlib.sha256()
    for part in (path.encode(), query, _canonical(value)):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_number).encode()


def _number(value: object) -> dict[str, str]:
    assert isinstance(value, Number)
    # Not the bare text: the number 5 and the string "5" are two requests.
    return {"\x00number": value.text}


class _Reading:
    """Counts the values of one body: while it is parsed those that are dear to make, then, in what was made, all of them."""

    def __init__(self) -> None:
        self._left = VALUES_MAX + 1  # the outermost is not a member of anything

    def number(self, text: str) -> Number:
        self._count()
        return Number(text)

    def object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        self._count()
        if len(pairs) > VALUES_MAX:
            raise _too_many()
        members: dict[str, Any] = {}
        for name, value in pairs:
            if name in members:
                raise RepeatedName(name[:_PART_MAX].encode("utf-8", "replace").decode())
            members[name] = value
        return members

    def check(self, value: Any, depth: int, loc: tuple[str | int, ...] = ()) -> None:
        self._count()
        if depth == 0 and isinstance(value, (list, dict)):
            raise MalformedJson("is nested too deeply")
        if isinstance(value, str):
            _check_text(value, loc)
        elif isinstance(value, Number):
            _check_length(value.text, loc)
        elif isinstance(value, list):
            for place, item in enumerate(value):
                self.check(item, depth - 1, (*loc, place))
        elif isinstance(value, dict):
            for name, item in value.items():
                _check_text(name, loc)
                self.check(item, depth - 1, (*loc, name[:_PART_MAX]))

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise _too_many()


def _too_many() -> MalformedJson:
    return MalformedJson(f"has more than {VALUES_MAX} members and items")


def _check_length(text: str, loc: tuple[str | int, ...]) -> None:
    if len(text) > TEXT_LENGTH_MAX:
        raise MalformedJson(f"holds a text of more than {TEXT_LENGTH_MAX} characters", loc)


def _check_text(text: str, loc: tuple[str | int, ...]) -> None:
    _check_length(text, loc)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise MalformedJson("holds half of a surrogate pair", loc) from error
    if "\x00" in text:
        raise MalformedJson("holds a NUL character", loc)
