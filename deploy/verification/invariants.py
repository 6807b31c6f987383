"""What an invariant is, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Letter = Literal["A", "B", "C", "D", "E", "F", "G"]
"""As in the architecture's table of invariants."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """`claim` holds while `sql` returns no row. One that `settles` may be broken for a moment by work in progress: its statement takes $1,
    and looks only at what is older than so many seconds."""

    letter: Letter
    claim: str
    sql: str
    settles: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """`rows` break the claim (the first of them; `more` says that there are others). `not_asked`: why nobody could look."""

    letter: Letter
    claim: str
    rows: tuple[Mapping[str, Any], ...] = field(default=())
    more: bool = False
    not_asked: str | None = None

    @property
    def holds(self) -> bool:
        return not self.rows
