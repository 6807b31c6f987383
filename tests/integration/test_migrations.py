"""Migrations over a real PostgreSQL: each once, in order, and no start against a schema that is not the code's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from deploy.prepare import SERVICES
from shared import migrations as migrations_module
from shared.migrations import MigrationError, migrate, read, require_current
from shared.postgres import Connection, Pool, close_pool, create_pool

SCHEMA = "book"


@pytest.fixture
async def admin(fresh_database_url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(fresh_database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def pool(fresh_database_url: str) -> AsyncIterator[Pool]:
    pool = await create_pool(fresh_database_url, size=2, application_name="test migrations")
    yield pool
    await close_pool(pool)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two migrations that can only be applied once and only in their order."""
    write(tmp_path, "0001_accounts.sql", "create table book.accounts (id int); create table book.log (at timestamptz);")
    write(tmp_path, "0002_names.sql", "alter table book.accounts add column name text; insert into book.log values (now());")
    return tmp_path


def write(folder: Path, name: str, sql: str) -> None:
    (folder / name).write_text(sql, encoding="utf-8")


async def test_each_is_applied_once_and_in_order(admin: Connection, pool: Pool, folder: Path) -> None:
    assert await migrate(admin, SCHEMA, folder) == [1, 2]
    assert await migrate(admin, SCHEMA, folder) == []
    write(folder, "0003_more.sql", "insert into book.log values (now())")
    assert await migrate(admin, SCHEMA, folder) == [3]

    assert await admin.fetchval("select count(*) from book.log") == 2
    rows = await admin.fetch("select number, name from book.schema_migrations order by number")
    assert [(row["number"], row["name"]) for row in rows] == [(1, "accounts"), (2, "names"), (3, "more")]
    await require_current(pool, SCHEMA, folder)


async def test_two_deploys_at_once_take_turns(fresh_database_url: str, folder: Path) -> None:
    write(folder, "0003_slow.sql", "select pg_sleep(0.2); insert into book.log values (now())")
    connections = [await asyncpg.connect(fresh_database_url) for _ in range(4)]
    try:
        applied = await asyncio.gather(*(migrate(connection, SCHEMA, folder) for connection in connections))
        assert sorted(applied, key=len) == [[], [], [], [1, 2, 3]]
        assert await connections[0].fetchval("select count(*) from book.log") == 2
    finally:
        for connection in connections:
            await connection.close()


async def test_whoever_waits_for_the_lock_waits_bounded_and_says_so(
    admin: Connection, fresh_database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations_module, "_LOCK_TIMEOUT_SECONDS", 0.2)
    await admin.execute("select pg_advisory_lock($1)", migrations_module._LOCK)
    other = await asyncpg.connect(fresh_database_url)
    try:
        with pytest.raises(MigrationError, match="another deploy"):
            await migrate(other, SCHEMA, folder)
    finally:
        await other.close()
    await admin.execute("select pg_advisory_unlock($1)", migrations_module._LOCK)
    assert await migrate(admin, SCHEMA, folder) == [1, 2]


async def test_a_migration_that_fails_leaves_nothing_of_itself_and_can_be_mended(admin: Connection, folder: Path) -> None:
    write(folder, "0003_broken.sql", "create table book.half (id int); select 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(admin, SCHEMA, folder)
    assert await admin.fetchval("select to_regclass('book.half')") is None
    assert await admin.fetchval("select count(*) from book.schema_migrations") == 2

    write(folder, "0003_broken.sql", "create table book.half (id int)")
    assert await migrate(admin, SCHEMA, folder) == [3]


async def test_a_file_changed_after_it_was_applied_is_refused(admin: Connection, pool: Pool, folder: Path) -> None:
    await migrate(admin, SCHEMA, folder)
    write(folder, "0001_accounts.sql", "create table book.accounts (id bigint)")

    for attempt in (migrate(admin, SCHEMA, folder), require_current(pool, SCHEMA, folder)):
        with pytest.raises(MigrationError, match="migration 1 of schema book was changed after it was applied"):
            await attempt


async def test_a_schema_ahead_of_the_code_is_refused(admin: Connection, pool: Pool, folder: Path) -> None:
    write(folder, "0003_tomorrow.sql", "select 1")
    await migrate(admin, SCHEMA, folder)
    (folder / "0003_tomorrow.sql").unlink()

    for attempt in (migrate(admin, SCHEMA, folder), require_current(pool, SCHEMA, folder)):
        with pytest.raises(MigrationError, match="ahead of this version: it has migration 3, the code ends at 2"):
            await attempt


async def test_a_schema_behind_the_code_is_refused_naming_the_command(admin: Connection, pool: Pool, folder: Path) -> None:
    with pytest.raises(MigrationError, match=r"not prepared: run python -m deploy\.prepare"):
        await require_current(pool, SCHEMA, folder)
    await migrate(admin, SCHEMA, folder)
    write(folder, "0003_more.sql", "select 1")
    with pytest.raises(MigrationError, match=r"behind \(2 of 3 migrations\): run python -m deploy\.prepare"):
        await require_current(pool, SCHEMA, folder)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["0001_a.sql", "0003_c.sql"], "not numbered 1, 2, 3"),
        (["0002_b.sql"], "not numbered 1, 2, 3"),
        (["0001_a.sql", "0001_b.sql"], "not numbered 1, 2, 3"),
        (["1_a.sql"], "is not named like 0001_what_it_does.sql"),
        (["0001-a.sql"], "is not named like 0001_what_it_does.sql"),
        (["0001_A.sql"], "is not named like 0001_what_it_does.sql"),
        ([], "no migrations in"),
    ],
)
def test_names_and_numbers_are_checked(names: list[str], said: str, tmp_path: Path) -> None:
    for name in names:
        write(tmp_path, name, "select 1")
    with pytest.raises(MigrationError, match=said):
        read(tmp_path)


@pytest.mark.parametrize("service", ["payments", "wallet"])
def test_the_services_own_files_are_in_order(service: str) -> None:
    assert read(SERVICES / service / "migrations")
