"""Links of the OpenAPI document: from the answer that made something to what can be done with it, and from a page to the next. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_REF: Final = "#/components/schemas/"
_AMBIGUOUS: Final = frozenset({"session_id"})
"""A payment's session in one place, a coaching session in another."""


def link(document: dict[str, Any]) -> None:
    """Writes `links` into the answers of `document`: into each 201, one for each operation whose path takes ids of that answer."""
    schemas = document.get("components", {}).get("schemas", {})
    takers = [(told["operationId"], taken) for told in _operations(document) if (taken := _taken(told, "path"))]
    for told in _operations(document):
        for status, answer in told["responses"].items():
            names = _names(answer, schemas)
            if status == "201":
                links = {operation: _link(operation, taken) for operation, taken in takers if taken <= names - _AMBIGUOUS}
            elif status == "200" and "next_cursor" in names and "cursor" in _taken(told, "query"):
                links = {"next_page": _next_page(told["operationId"])}
            else:
                continue
            answer.update({"links": links} if links else {})


def _operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()


def _names(answer: Mapping[str, Any], schemas: Mapping[str, Any]) -> frozenset[str]:
    """The members of the answer's object."""
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return frozenset(schemas.get(schema.get("$ref", "").removeprefix(_REF), {}).get("properties", ()))


def _link(operation: str, names: frozenset[str]) -> dict[str, Any]:
    return {"operationId": operation, "parameters": {name: f"$response.body#/{name}" for name in sorted(names)}}


def _next_page(operation: str) -> dict[str, Any]:
    parameters = {"cursor": "$response.body#/next_cursor"}
    return {"operationId": operation, "parameters": parameters, "description": "Unless next_cursor is null."}


def _taken(told: Mapping[str, Any], place: str) -> frozenset[str]:
    return frozenset(parameter["name"] for parameter in told.get("parameters", ()) if parameter["in"] == place)
