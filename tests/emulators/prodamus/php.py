"""Forms as PHP reads and writes them: bracketed names to nested arrays and back, and the JSON that the vendor signs.

Written from PHP's own rules (`php_register_variable_ex`, `ksort`, `json_encode` of PHP 8.2); it is the emulator's alone, so that a mistake
of the product's reader cannot hide behind the same mistake here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cmp_to_key
from typing import Final, TypeAlias
from urllib.parse import unquote_plus, urlencode

Key: TypeAlias = int | str
# A PHP array: ordered, its keys whole numbers or texts; what a form sent has only texts as leaves.
Tree: TypeAlias = "dict[Key, str | Tree]"
Plain: TypeAlias = "str | Sequence[Plain] | Mapping[str, Plain]"

MAX_FIELDS: Final = 1_000  # PHP's max_input_vars
MAX_NESTING: Final = 64  # PHP's max_input_nesting_level
_INT64: Final = range(-(2**63), 2**63)
_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
_NUMERIC: Final = re.compile(r"[ \t\n\r\v\f]*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t\n\r\v\f]*", re.ASCII)
_MANGLED: Final = str.maketrans(" .[", "___")
_ESCAPED: Final = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TO_ESCAPE: Final = re.compile(r'["\\/\x00-\x1f\u2028\u2029]')


class FormError(ValueError):
    """A form that this page does not read: not UTF-8, or more fields than PHP takes."""


def read_query(text: str | bytes) -> Tree:
    """The tree of a query string or of an urlencoded body."""
    try:
        plain = text.decode() if isinstance(text, bytes) else text
        pairs = []
        for part in plain.split("&"):
            if part:
                name, _, value = part.partition("=")
                pairs.append((unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict")))
    except UnicodeDecodeError:
        raise FormError("not UTF-8") from None
    return read_pairs(pairs)


def read_pairs(pairs: Iterable[tuple[str, str]]) -> Tree:
    """The tree of fields in the order in which they were sent; of a name that comes twice the last value stays."""
    tree: Tree = {}
    for count, (name, value) in enumerate(pairs, start=1):
        if count > MAX_FIELDS:
            raise FormError("too many fields")
        path = _path(name)
        if path:
            _register(tree, path, value)
    return tree


def write_pairs(tree: Tree) -> list[tuple[str, str]]:
    """The fields of a tree under bracketed names; an empty array has none, as in PHP."""
    pairs: list[tuple[str, str]] = []

    def walk(node: Tree, prefix: str) -> None:
        for key, value in node.items():
            name = f"{prefix}[{key}]" if prefix else str(key)
            if isinstance(value, str):
                pairs.append((name, value))
            else:
                walk(value, name)

    walk(tree, "")
    return pairs


def write_query(tree: Tree) -> str:
    return urlencode(write_pairs(tree))


def tree_of(plain: Mapping[str, Plain]) -> Tree:
    """The PHP array of Python's mappings, sequences and texts: keys that look like whole numbers become numbers, as PHP makes them."""

    def node(value: Plain) -> str | Tree:
        if isinstance(value, str):
            return value
        if isinstance(value, Mapping):
            return {_key(key): node(item) for key, item in value.items()}
        return {position: node(item) for position, item in enumerate(value)}

    return {_key(key): node(value) for key, value in plain.items()}


def signed_json(tree: Tree) -> str:
    """`json_encode(…, JSON_UNESCAPED_UNICODE)` of the tree after `ksort` at every level: what the vendor's signature is made over."""
    keys = sorted(tree, key=cmp_to_key(_compare))
    values = [_json(tree[key]) for key in keys]
    if keys == list(range(len(keys))):
        return f"[{','.join(values)}]"
    return "{" + ",".join(f"{_quoted(str(key))}:{value}" for key, value in zip(keys, values, strict=True)) + "}"


def _json(value: str | Tree) -> str:
    return _quoted(value) if isinstance(value, str) else signed_json(value)


def _quoted(text: str) -> str:
    return f'"{_TO_ESCAPE.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    return _ESCAPED.get(character) or f"\\u{ord(character):04x}"


def _register(tree: Tree, path: list[Key | None], value: str) -> None:
    node = tree
    for step in path[:-1]:
        key = _next_index(node) if step is None else step
        child = node.get(key)
        if not isinstance(child, dict):
            # An array takes the place of a text that stood there.
            child = {}
            node[key] = child
        node = child
    last = path[-1]
    node[_next_index(node) if last is None else last] = value


def _path(name: str) -> list[Key | None]:
    """Where a field goes, None for "append"; empty: PHP drops such a field."""
    name = name.partition("\0")[0].lstrip(" ")
    head, bracket, rest = name.partition("[")
    head = head.translate(_MANGLED)
    if not head:
        return []
    path: list[Key | None] = [_key(head)]
    while bracket:
        if len(path) > MAX_NESTING:
            return []
        inner, closed, rest = rest.partition("]")
        if not closed:
            # No index after all: at the top the bracket is one more character that a name cannot have, deeper it is cut off.
            return path if len(path) > 1 else [_key(f"{head}_{inner.translate(_MANGLED)}")]
        path.append(None if inner == "" or (len(inner) == 1 and inner.isspace()) else _key(inner))
        # Whatever stands behind a closing bracket and opens no other one is lost.
        bracket, rest = rest[:1] if rest.startswith("[") else "", rest[1:]
    return path


def _key(text: str) -> Key:
    if _WHOLE.fullmatch(text) and int(text) in _INT64:
        return int(text)
    return text


def _next_index(node: Tree) -> int:
    return max((key for key in node if isinstance(key, int) and key >= 0), default=-1) + 1


def _compare(a: Key, b: Key) -> int:
    """PHP 8's comparison of two keys: as numbers if both look like one, else as texts, byte by byte (which code points keep in order)."""
    if isinstance(a, int) and isinstance(b, int):
        return (a > b) - (a < b)
    x, y = _number(a), _number(b)
    if x is not None and y is not None:
        return (x > y) - (x < y)
    return (str(a) > str(b)) - (str(a) < str(b))


def _number(key: Key) -> float | None:
    if isinstance(key, int):
        return float(key)
    return float(key) if _NUMERIC.fullmatch(key) else None
