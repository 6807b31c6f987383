"""The documents' tables of traps are true: every row names tests, and every test that is named is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLES = {"stripe": 30, "allsecure": 20, "prodamus": 20, "providers": 5}
"""Documents under docs/, and how many rows each has at least."""

NAMED = re.compile(r"`(?:([a-z_/]+/test_\w+\.py))?::(test_\w+)`")


@cache
def names_in(file: str) -> set[str]:
    path = ROOT / "tests" / file
    if not path.is_file():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def rows(document: str) -> list[tuple[str, str]]:
    """(trap, the tests' cell) of each row of a document's tables of traps."""
    lines = (ROOT / "docs" / f"{document}.md").read_text(encoding="utf-8").splitlines()
    found: list[tuple[str, str]] = []
    inside = False
    for line in lines:
        inside = line == "| trap | shown by |" or (inside and line.startswith("|"))
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if inside and len(cells) == 2 and cells[0] not in ("trap", "---") and not line.startswith("|---"):
            found.append((cells[0], cells[1]))
    return found


def named(cell: str) -> list[tuple[str, str]]:
    """(file, test); one without a file is of the file before it."""
    found: list[tuple[str, str]] = []
    for file, name in NAMED.findall(cell):
        found.append((file or found[-1][0], name))
    return found


@pytest.mark.parametrize("document", TABLES)
def test_every_trap_has_tests_and_each_of_them_is_there(document: str) -> None:
    table = rows(document)
    assert len(table) >= TABLES[document]
    assert [trap for trap, cell in table if not named(cell)] == []
    gone = [f"{file}::{name}" for _, cell in table for file, name in named(cell) if name not in names_in(file)]
    assert gone == []


@pytest.mark.parametrize("document", TABLES)
def test_the_tables_name_nothing_that_is_not_read_here(document: str) -> None:
    """Whatever looks like a test's name is one: a slip of the pen would hide it from the test above."""
    for trap, cell in rows(document):
        assert NAMED.sub("", cell).replace(",", "").strip() == "", trap
