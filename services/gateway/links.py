"""Links of the OpenAPI document: from the answer that made something to what can be done with it, and from a page to the next. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_REF: Final = "#/components/schemas/"
_AMBIGUOUS: Final = frozenset({"session_id"})
"""A payment's session in one place, a coaching session in another."""


def link(document: dict[str, Any]) -> None:
    """Writes `links` into the answers of `document`: from each 201 to every operation whose path, or whole body, takes ids of that answer;
    from each page to the next, and to what can be done with its first item."""
    schemas = document.get("components", {}).get("schemas", {})
    takers = [_Taker(path, told["operationId"], _taken(told, "path"), _needed(told, schemas)) for path, told in _operations(document)]
    for path, told in _operations(document):
        for status, answer in told["responses"].items():
            members = _members(answer.get("content", {}).get("application/json", {}).get("schema", {}), schemas)
            if status == "201":
                links = _from_made(frozenset(members), takers)
            elif status == "200" and "items" in members:
                links = _from_page(path, members["items"], takers, schemas)
                if "cursor" in _taken(told, "query"):
                    links["next_page"] = _link(told["operationId"], {"cursor": "next_cursor"}) | {"description": "Unless it is null."}
            else:
                continue
            if links:
                answer["links"] = links


@dataclass(frozen=True, slots=True)
class _Taker:
    """An operation: the ids that its path takes, and those that its body needs when it needs nothing else."""

    path: str
    operation: str
    taken: frozenset[str]
    needed: frozenset[str]


def _from_made(ids: frozenset[str], takers: Sequence[_Taker]) -> dict[str, Any]:
    links = {}
    for taker in takers:
        if taker.taken and taker.taken <= ids - _AMBIGUOUS:
            links[taker.operation] = _link(taker.operation, {name: name for name in taker.taken})
        elif taker.needed and taker.needed <= ids and not taker.taken:
            body = {name: f"$response.body#/{name}" for name in sorted(taker.needed)}
            links[taker.operation] = {"operationId": taker.operation, "requestBody": body}
    return links


def _from_page(path: str, items: Mapping[str, Any], takers: Sequence[_Taker], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """To the operations below the list's own path; an item has the id under the parameter's name, or as `id`."""
    members = _members(items.get("items", {}), schemas)
    links = {}
    for taker in takers:
        place = next((name for name in (*taker.taken, "id") if name in members), None)
        if place and len(taker.taken) == 1 and taker.path.startswith(f"{path}/"):
            links[taker.operation] = _link(taker.operation, dict.fromkeys(taker.taken, f"items/0/{place}"))
    return links


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for told in methods.values():
            yield path, told


def _members(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """The members of an object that has a name."""
    found: Mapping[str, Any] = schemas.get(schema.get("$ref", "").removeprefix(_REF), {}).get("properties", {})
    return found


def _taken(told: Mapping[str, Any], where: str) -> frozenset[str]:
    return frozenset(parameter["name"] for parameter in told.get("parameters", ()) if parameter["in"] == where)


def _needed(told: Mapping[str, Any], schemas: Mapping[str, Any]) -> frozenset[str]:
    """What a body needs, when ids are all that it needs."""
    schema = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    needed = frozenset(schemas.get(schema.get("$ref", "").removeprefix(_REF), {}).get("required", ()))
    return needed if all(name.endswith("_id") for name in needed) else frozenset()


def _link(operation: str, places: Mapping[str, str]) -> dict[str, Any]:
    return {"operationId": operation, "parameters": {name: f"$response.body#/{places[name]}" for name in sorted(places)}}
