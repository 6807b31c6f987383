"""JSON bodies read exactly: numbers stay the text that was sent, a name given twice or a bottomless nesting is refused. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

DEPTH_MAX: Final = 20
_PART_MAX: Final = 64


class MalformedJson(ValueError):
    """The bytes are not one JSON value in UTF-8."""


class RepeatedName(MalformedJson):
    """An object names a member twice, so that readers may disagree about its value."""

    def __init__(self, name: str) -> None:
        super().__init__("is given twice")
        self.name = name


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number (or NaN, Infinity, which no field accepts, so that the answer can name the field) as its literal text."""

    text: str


def parse(body: bytes) -> Any:
    """The value in `body`, its numbers as Number; MalformedJson otherwise."""
    try:
        text = body.decode("utf-8")
        value = json.loads(text, parse_float=Number, parse_int=Number, parse_constant=Number, object_pairs_hook=_object)
    except MalformedJson:
        raise
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise MalformedJson("is not JSON") from error
    _check(value, DEPTH_MAX)
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


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise RepeatedName(name[:_PART_MAX].encode("utf-8", "replace").decode())
        members[name] = value
    return members


def _check(value: Any, depth: int) -> None:
    if depth == 0 and isinstance(value, (list, dict)):
        raise MalformedJson("is nested too deeply")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth - 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_text(name)
            _check(item, depth - 1)


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise MalformedJson("holds half of a surrogate pair") from error
    if "\x00" in text:
        raise MalformedJson("holds a NUL character")
