"""Form-encoded parameters with brackets, read into the types that an operation declares; what it does not know is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from tests.emulators.stripe.errors import Invalid

Reader = Callable[[str, Any], Any]
"""(full name, what was sent: text, list or dict) -> the value. Invalid."""
Spec = Mapping[str, Reader]

_PARTS_MAX: Final = 500
_DEPTH_MAX: Final = 8
_TEXT_MAX: Final = 5_000
_NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_METADATA_KEYS_MAX: Final = 50
_METADATA_KEY_MAX: Final = 40
_METADATA_VALUE_MAX: Final = 500


def parse_form(encoded: str) -> dict[str, Any]:
    """`a=1&b[c]=2&d[]=3&e[0]=4` → {"a": "1", "b": {"c": "2"}, "d": ["3"], "e": {"0": "4"}}. Invalid."""
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, strict_parsing=bool(encoded), errors="strict", max_num_fields=_PARTS_MAX)
    except ValueError as error:
        raise Invalid("Invalid request: the parameters cannot be read.") from error
    tree: dict[str, Any] = {}
    for name, value in pairs:
        matched = _NAME.fullmatch(name)
        if matched is None:
            raise Invalid(f"Invalid parameter name: {name}", param=name)
        path = [matched[1], *re.findall(r"\[([^\[\]]*)\]", matched[2])]
        if len(path) > _DEPTH_MAX:
            raise Invalid(f"Invalid parameter name: {name}", param=name)
        _place(tree, path, value, name)
    return tree


def _place(tree: dict[str, Any], path: list[str], value: str, name: str) -> None:
    first, rest = path[0], path[1:]
    if not rest:
        tree[first] = value
    elif rest == [""]:
        items = tree.setdefault(first, [])
        if not isinstance(items, list):
            raise Invalid(f"Invalid array: {name}", param=name)
        items.append(value)
    else:
        below = tree.setdefault(first, {})
        if not isinstance(below, dict):
            raise Invalid(f"Invalid hash: {name}", param=name)
        _place(below, rest, value, name)


def read(sent: Mapping[str, Any], spec: Spec, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """What was sent, by the operation's spec. Invalid: parameter_unknown, parameter_missing, or a reader's."""
    values = _read_hash("", sent, spec)
    for name in required:
        if name not in values:
            raise Invalid(f"Missing required param: {name}.", code="parameter_missing", param=name)
    return values


def _read_hash(prefix: str, sent: Mapping[str, Any], spec: Spec) -> dict[str, Any]:
    values = {}
    for name, value in sent.items():
        full = f"{prefix}[{name}]" if prefix else name
        if name not in spec:
            raise Invalid(f"Received unknown parameter: {full}", code="parameter_unknown", param=full)
        values[name] = spec[name](full, value)
    return values


def text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Invalid(f"Invalid string: {name}", param=name)
    if value == "":
        message = f"You passed an empty string for '{name}'. An empty value would unset it, and it cannot be unset."
        raise Invalid(message, code="parameter_invalid_empty", param=name)
    if len(value) > _TEXT_MAX:
        raise Invalid(f"Invalid string: {name} must be at most {_TEXT_MAX} characters", param=name)
    return value


def unsettable(name: str, value: Any) -> str | None:
    """A text that an empty value takes away."""
    return None if value == "" else text(name, value)


def integer(name: str, value: Any) -> int:
    if not isinstance(value, str) or re.fullmatch(r"-?[0-9]{1,18}", value) is None:
        raise Invalid(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
    return int(value)


def boolean(name: str, value: Any) -> bool:
    if value not in ("true", "false"):
        raise Invalid(f"Invalid boolean: {value}", param=name)
    return bool(value == "true")


def one_of(*values: str) -> Reader:
    def reader(name: str, value: Any) -> str:
        if value not in values:
            raise Invalid(f"Invalid {name}: must be one of {', '.join(values)}", param=name)
        return str(value)

    return reader


def texts(name: str, value: Any) -> list[str]:
    """A list, sent as name[]=… or name[0]=…"""
    if isinstance(value, dict) and all(key.isdecimal() for key in value):
        value = [value[key] for key in sorted(value, key=int)]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Invalid("Invalid array", param=name)
    return value


def group(spec: Spec) -> Reader:
    """A hash of parameters that are known."""

    def reader(name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Invalid(f"Invalid hash: {name}", param=name)
        return _read_hash(name, value, spec)

    return reader


def groups(spec: Spec) -> Reader:
    """A list of such hashes, sent as name[0][…]=…; by their places."""

    def reader(name: str, value: Any) -> dict[str, dict[str, Any]]:
        if not isinstance(value, dict) or not all(key.isdecimal() and isinstance(one, dict) for key, one in value.items()):
            raise Invalid("Invalid array", param=name)
        return {place: _read_hash(f"{name}[{place}]", one, spec) for place, one in value.items()}

    return reader


def anything(_: str, value: Any) -> Any:
    """Echoed, not looked into."""
    return value


def moment(name: str, value: Any) -> dict[str, int]:
    """`created=…` or `created[gte]=…`: {"gt" | "gte" | "lt" | "lte" | "eq": unix seconds}."""
    if isinstance(value, dict):
        return _read_hash(name, value, dict.fromkeys(("gt", "gte", "lt", "lte"), integer))
    return {"eq": integer(name, value)}


def metadata(name: str, value: Any) -> dict[str, str]:
    """Texts to set; an empty one takes its key away, and an empty whole takes all away ({"": ""})."""
    if value == "":
        return {"": ""}
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise Invalid("Invalid metadata: metadata is a flat hash of strings", param=name)
    for key, one in value.items():
        if len(key) > _METADATA_KEY_MAX:
            raise Invalid(f"Metadata keys can have up to {_METADATA_KEY_MAX} characters: {key}", param=name)
        if len(one) > _METADATA_VALUE_MAX:
            raise Invalid(f"Metadata values can have up to {_METADATA_VALUE_MAX} characters: {key}", param=f"{name}[{key}]")
    return value


def merge_metadata(before: Mapping[str, str], change: Mapping[str, str]) -> dict[str, str]:
    """Invalid: more than 50 keys."""
    merged = {} if "" in change else dict(before)
    merged = {key: value for key, value in (merged | dict(change)).items() if value != ""}
    if len(merged) > _METADATA_KEYS_MAX:
        raise Invalid(f"Metadata can have up to {_METADATA_KEYS_MAX} keys", param="metadata")
    return merged


def not_here(name: str, _: Any) -> Any:
    """Stripe knows it; this stand-in would have to guess what it does."""
    raise Invalid(f"{name} is a parameter of Stripe's that this stand-in does not do", code="not_emulated", param=name)
