"""Links of the OpenAPI document: from the answer that made something to what can be done with it, and from a page to the next. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_REF: Final = "#/components/schemas/"
_AMBIGUOUS: Final = frozenset({"session_id"})
"""A payment's session in one place, a coaching session in another."""


def link(document: dict[str, Any]) -> None:
    """Writes `links` into the answers of `document`: from each 201 to every operation whose path takes ids of that answer; from each page
    to the next, and to what can be done with its first item."""
    schemas = document.get("components", {}).get("schemas", {})
    takers = [(path, told["operationId"], taken) for path, told in _operations(document) if (taken := _taken(told, "path"))]
    for path, told in _operations(document):
        for status, answer in told["responses"].items():
            members = _members(answer.get("content", {}).get("application/json", {}).get("schema", {}), schemas)
            links: dict[str, Any] = {}
            if status == "201":
                ids = frozenset(members) - _AMBIGUOUS
                links = {
                    operation: _link(operation, {name: f"/{name}" for name in taken}) for _, operation, taken in takers if taken <= ids
                }
            elif status == "200" and "items" in members:
                links = {
                    operation: _link(operation, dict.fromkeys(taken, f"/items/0/{place}"))
                    for taker, operation, taken in takers
                    if len(taken) == 1 and taker.startswith(f"{path}/") and (place := _place(taken, members["items"], schemas))
                }
                if "cursor" in _taken(told, "query"):
                    links["next_page"] = _link(told["operationId"], {"cursor": "/next_cursor"}) | {"description": "Unless it is null."}
            if links:
                answer["links"] = links


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for told in methods.values():
            yield path, told


def _members(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """The members of an object that has a name."""
    found: Mapping[str, Any] = schemas.get(schema.get("$ref", "").removeprefix(_REF), {}).get("properties", {})
    return found


def _place(taken: frozenset[str], items: Mapping[str, Any], schemas: Mapping[str, Any]) -> str | None:
    """Where an item has the one id that is taken: under its name, or as `id`."""
    members = _members(items.get("items", {}), schemas)
    return next((name for name in (*taken, "id") if name in members), None)


def _taken(told: Mapping[str, Any], where: str) -> frozenset[str]:
    return frozenset(parameter["name"] for parameter in told.get("parameters", ()) if parameter["in"] == where)


def _link(operation: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    return {"operationId": operation, "parameters": {name: f"$response.body#{parameters[name]}" for name in sorted(parameters)}}
