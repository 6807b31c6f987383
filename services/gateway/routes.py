"""What the application serves: each path with its methods. A path that is written out is nobody's id, whatever template it would fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from fastapi import FastAPI
from starlette.routing import BaseRoute

Served = Mapping[str, frozenset[str]]
"""Path template → methods, upper case; a mounted application's is its prefix, with none."""

_ORDER: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def served(app: FastAPI) -> Served:
    """All of it, pages and what the document leaves out too."""
    found: dict[str, set[str]] = {}
    for route in _flat(app.routes):
        found.setdefault(getattr(route, "path", ""), set()).update(getattr(route, "methods", None) or ())
    return {path: frozenset(methods) for path, methods in found.items()}


def written_out(app: FastAPI) -> Served:
    """The paths without a parameter."""
    return {path: methods for path, methods in served(app).items() if "{" not in path and methods}


def as_allow(methods: Iterable[str]) -> str:
    """For the header Allow (RFC 9110, 10.2.1)."""
    given = set(methods)
    return ", ".join(method for method in _ORDER if method in given)


def _flat(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    for route in routes:
        # An included router is one route of the framework's; its own routes stand inside, their prefixes written.
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route
        else:
            yield from _flat(inner.routes)
