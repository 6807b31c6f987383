"""What the models' generated schemas leave unsaid and every request is held to; for the OpenAPI document. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

_LENGTH_MAX: Final = 1_000
"""RequestBody's own bound of a string (fields.py)."""
_NO_NUL: Final = "^[^\\u0000]*$"
_SAID: Final = {"pattern", "enum", "const", "format"}
"""A string with one of these says for itself what it may hold."""
_REF: Final = "#/components/schemas/"


def complete_bodies(bodies: Iterable[str], schemas: Mapping[str, Any]) -> None:
    """Every string of these models, and of those that they hold: no NUL, and an end. Changes `schemas`, by name as in the document."""
    left, seen = list(bodies), set()
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        for schema in _inner(schemas[name]):
            if "$ref" in schema:
                left.append(schema["$ref"].removeprefix(_REF))
            _bound(schema)


def without_null(parameter: dict[str, Any]) -> dict[str, Any]:
    """A parameter of a path, query or header: it can be left out, but there is no null to send."""
    schema = parameter["schema"]
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) != 1:
        return parameter
    rest = {key: value for key, value in schema.items() if key != "anyOf" and (key, value) != ("default", None)}
    return {**parameter, "schema": {**options[0], **rest}}


def _inner(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and all that it is made of."""
    if isinstance(schema, list):
        for one in schema:
            yield from _inner(one)
    elif isinstance(schema, dict):
        yield schema
        for key, value in schema.items():
            if key in ("properties", "$defs"):
                for one in value.values():
                    yield from _inner(one)
            elif key in ("items", "additionalProperties", "anyOf", "oneOf", "allOf", "prefixItems", "propertyNames"):
                yield from _inner(value)


def _bound(schema: dict[str, Any]) -> None:
    if "propertyNames" in schema:
        schema["propertyNames"].setdefault("type", "string")
    if schema.get("type") == "string" and not _SAID & set(schema):
        schema["pattern"] = _NO_NUL
        schema.setdefault("maxLength", _LENGTH_MAX)
