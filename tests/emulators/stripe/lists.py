"""Pages of objects, newest first, as every list of the API has them (https://docs.stripe.com/api/pagination)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from tests.emulators.stripe.errors import Invalid, missing
from tests.emulators.stripe.objects import Json
from tests.emulators.stripe.parameters import integer, moment, text

PAGING: Final = {"limit": integer, "starting_after": text, "ending_before": text, "created": moment}
_DEFAULT: Final = 10
_MOST: Final = 100
_COMPARE: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "gt": lambda one, other: one > other,
    "gte": lambda one, other: one >= other,
    "lt": lambda one, other: one < other,
    "lte": lambda one, other: one <= other,
    "eq": lambda one, other: one == other,
}


class Listed(Protocol):
    id: str
    created: int

    def view(self) -> Json: ...


def page(url: str, oldest_first: Sequence[Listed], params: Mapping[str, Any]) -> Json:
    """Invalid: a limit outside 1-100, or two cursors. Refusal: a cursor that is none."""
    limit = params.get("limit", _DEFAULT)
    if not 1 <= limit <= _MOST:
        raise Invalid(f"This value must be between 1 and {_MOST}.", code="parameter_invalid_integer", param="limit")
    if "starting_after" in params and "ending_before" in params:
        raise Invalid("You can only pass one of starting_after and ending_before.", param="ending_before")
    found = [one for one in reversed(oldest_first) if all(_COMPARE[how](one.created, at) for how, at in params.get("created", {}).items())]
    if "starting_after" in params:
        found = found[_position(found, params["starting_after"], "starting_after") + 1 :]
    elif "ending_before" in params:
        before = found[: _position(found, params["ending_before"], "ending_before")]
        shown = before[-limit:]
        return {"object": "list", "data": [one.view() for one in shown], "has_more": len(before) > limit, "url": url}
    return {"object": "list", "data": [one.view() for one in found[:limit]], "has_more": len(found) > limit, "url": url}


def _position(found: Sequence[Listed], key: str, param: str) -> int:
    for position, one in enumerate(found):
        if one.id == key:
            return position
    raise missing("object", key, param)
