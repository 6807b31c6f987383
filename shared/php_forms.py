"""Forms as PHP reads and writes them: nested field names to a tree and back, and the JSON text over which a tree is signed.

A tree's lists are PHP's arrays with the keys 0…n-1 in order; every other array is a dict whose keys are texts (PHP's integer key 2 is "2":
PHP has no text key that looks like an integer, so nothing is lost). Leaves are texts.

What PHP does: `php_register_variable_ex` in main/php_variables.c of its source, `json_encode`, and `ksort` as of PHP 8.2.
"""

from __future__ import annotations

import functools
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, TypeAlias
from urllib.parse import quote_plus

from shared.form_bodies import URLENCODED, FormError, read_fields

__all__ = ["DEPTH_MAX", "FormError", "PhpForm", "PhpValue", "canonical_json", "decode", "decode_query", "encode", "signature"]

PhpValue: TypeAlias = "str | list[PhpValue] | dict[str, PhpValue]"
PhpForm: TypeAlias = dict[str, PhpValue]

DEPTH_MAX: Final = 8

_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
_NUMBER: Final = re.compile(r"[ \t\n\r\v\f]*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t\n\r\v\f]*", re.ASCII)
_INTEGER_MIN: Final = -(2**63)
_INTEGER_MAX: Final = 2**63 - 1
_UNDERSCORED: Final = str.maketrans(" .", "__")
_UNDERSCORED_TAIL: Final = str.maketrans(" .[", "___")
_SPACES: Final = frozenset(" \t\n\r\v\f")


def decode(content_type: str, body: bytes) -> PhpForm:
    """The tree that PHP would have in `$_POST`. `content_type`: the header's value, urlencoded or multipart with its boundary.

    FormError: another type, a file, not UTF-8, or past the bounds here and in form_bodies, where PHP reads on but no honest sender goes.
    """
    root = _Array()
    for name, value in read_fields(content_type, body):
        path = _path(name)
        if len(path) > DEPTH_MAX:
            raise FormError("nested_too_deep")
        if path:
            root.put(path, value)
    return root.tree()


def decode_query(query: str) -> PhpForm:
    """The tree in a URL's query string; FormError as `decode`."""
    return decode(URLENCODED, query.encode())


def encode(form: Mapping[str, PhpValue]) -> str:
    """`form` as a query string that is read back as the same tree; ValueError for what a form cannot carry, TypeError for a leaf that is no
    text."""
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in _flat(form))


def canonical_json(form: Mapping[str, PhpValue]) -> bytes:
    """PHP's `json_encode` of the tree with all keys sorted: compact, `/` escaped, text beyond ASCII as it is; TypeError as `encode`."""
    text = json.dumps(_sorted(form), ensure_ascii=False, separators=(",", ":"))
    return text.replace("/", "\\/").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").encode()


def signature(form: Mapping[str, PhpValue], key: str) -> str:
    """HMAC-SHA256 of the canonical JSON of the whole tree, in lower-case hex."""
    return hmac.digest(key.encode(), canonical_json(form), sha256).hex()


@dataclass(slots=True)
class _Array:
    """A PHP array while it grows: `a[]` takes the key after the largest integer so far."""

    entries: dict[str, str | _Array] = field(default_factory=dict)
    next_index: int = 0

    def put(self, path: list[str | None], value: str) -> None:
        array = self
        for key in path[:-1]:
            array = array._inner(array._key(key))
        array.entries[array._key(path[-1])] = value

    def _inner(self, key: str) -> _Array:
        entry = self.entries.get(key)
        if not isinstance(entry, _Array):
            entry = self.entries[key] = _Array()
        return entry

    def _key(self, key: str | None) -> str:
        number = self.next_index if key is None else _integer(key)
        if number is None:
            assert key is not None
            return key
        if number > _INTEGER_MAX:
            raise FormError("garbled_form")
        self.next_index = max(self.next_index, number + 1)
        return str(number)

    def tree(self) -> PhpForm:
        return {key: entry if isinstance(entry, str) else _listed(entry.tree()) for key, entry in self.entries.items()}


def _path(name: str) -> list[str | None]:
    """`a[b][]` → a, b, None (append). Empty: PHP drops a field without a name."""
    head, bracket, rest = name.lstrip(" ").partition("[")
    head = head.translate(_UNDERSCORED)
    if not head:
        return []
    keys: list[str | None] = [head]
    while bracket:
        inner, closed, after = rest.partition("]")
        if not closed:
            # The first bracket that nobody closes is part of the name; a later one is dropped.
            return keys if len(keys) > 1 else [f"{head}_{rest.translate(_UNDERSCORED_TAIL)}"]
        keys.append(None if not inner or inner in _SPACES else inner)
        bracket, rest = after[:1], after[1:]
        if bracket != "[":
            break
    return keys


def _integer(key: str) -> int | None:
    """The integer that PHP makes of a key, or None when it stays a text."""
    if not _INTEGER.fullmatch(key):
        return None
    number = int(key)
    return number if _INTEGER_MIN <= number <= _INTEGER_MAX else None


def _listed(entries: dict[str, PhpValue]) -> list[PhpValue] | dict[str, PhpValue]:
    in_order = all(key == str(index) for index, key in enumerate(entries))
    return list(entries.values()) if in_order else entries


def _sorted(value: PhpValue | Mapping[str, PhpValue]) -> PhpValue:
    match value:
        case str():
            return value
        case list():
            return [_sorted(entry) for entry in value]
        case Mapping():
            return _listed({key: _sorted(value[key]) for key in sorted(value, key=functools.cmp_to_key(_compare_keys))})
    raise TypeError(f"a form's leaf is a text, not {type(value).__name__}")


def _compare_keys(one: str, other: str) -> int:
    """As `ksort` does by default: numbers by value, texts by their bytes, in whose order code points are too."""
    first, second = _number(one), _number(other)
    if first is not None and second is not None:
        return (first > second) - (first < second)
    return (one > other) - (one < other)


def _number(key: str) -> float | int | None:
    integer = _integer(key)
    if integer is not None:
        return integer
    return float(key) if _NUMBER.fullmatch(key) else None


def _flat(form: Mapping[str, PhpValue]) -> Iterator[tuple[str, str]]:
    for name, value in form.items():
        if not _carried(name) or name != name.translate(_UNDERSCORED):
            raise ValueError(f"{name[:40]!r} is no name that PHP would keep")
        yield from _flat_value(name, value)


def _flat_value(name: str, value: PhpValue) -> Iterator[tuple[str, str]]:
    match value:
        case str():
            if "\0" in value:
                raise ValueError(f"{name[:40]!r} holds a NUL")
            yield name, value
        case list() | dict():
            if not value:
                raise ValueError(f"{name[:40]!r} is empty: a form cannot carry that, leave it out")
            for key, entry in value.items() if isinstance(value, dict) else ((str(index), entry) for index, entry in enumerate(value)):
                if not _carried(key) or key in _SPACES:
                    raise ValueError(f"{key[:40]!r} is no key that PHP would keep")
                yield from _flat_value(f"{name}[{key}]", entry)
        case _:
            raise TypeError(f"a form's leaf is a text, not {type(value).__name__}")


def _carried(key: str) -> bool:
    return bool(key) and not {"[", "]", "\0"} & set(key)
