"""Numbered SQL files, each applied once, in order, under a lock, with its checksum; a schema that is ahead of the code stops the start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import asyncpg

from shared.postgres import Connection, Pool, connection

_NAME: Final = re.compile(r"(?P<number>[0-9]{4})_(?P<name>[a-z0-9_]+)\.sql")
_LOCK: Final = 0x5075727365720001
"""Advisory lock of all migrations ("Purser"): two deploys at once take turns."""

_LOCK_TIMEOUT_SECONDS: Final = 60.0


class MigrationError(Exception):
    """The schema and the migration files do not belong together."""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return sha256(self.sql.encode()).hexdigest()


def read(folder: Path) -> list[Migration]:
    """The folder's migrations in order: 0001_name.sql and on, without a gap. MigrationError otherwise."""
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name} is not named like 0001_what_it_does.sql")
        migrations.append(Migration(int(match["number"]), match["name"], path.read_text(encoding="utf-8")))
    if not migrations:
        raise MigrationError(f"no migrations in {folder}: the installation is not whole")
    if [m.number for m in migrations] != list(range(1, len(migrations) + 1)):
        raise MigrationError(f"the migrations in {folder.name} are not numbered 1, 2, 3 …")
    return migrations


async def migrate(admin: Connection, schema: str, folder: Path) -> list[int]:
    """Brings `schema` up to date as the database's administrator; the numbers that were applied now.

    Each file runs in one transaction with its record. MigrationError when the schema is ahead, or an applied file was changed since.
    """
    migrations = read(folder)
    try:
        await admin.execute("select pg_advisory_lock($1)", _LOCK, timeout=_LOCK_TIMEOUT_SECONDS)
    except TimeoutError as error:
        raise MigrationError("another deploy is migrating this database and does not end") from error
    try:
        await admin.execute(f"create schema if not exists {schema}")
        await admin.execute(
            f"""
            create table if not exists {schema}.schema_migrations (
                number int primary key, name text not null, checksum text not null, applied_at timestamptz not null default now()
            )
            """
        )
        applied = await _applied(admin, schema)
        _compare(schema, migrations, applied)
        pending = [migration for migration in migrations if migration.number not in applied]
        for migration in pending:
            async with admin.transaction():
                await admin.execute(migration.sql, timeout=600)
                await admin.execute(
                    f"insert into {schema}.schema_migrations (number, name, checksum) values ($1, $2, $3)",  # noqa: S608
                    migration.number,
                    migration.name,
                    migration.checksum,
                )
        return [migration.number for migration in pending]
    finally:
        await admin.execute("select pg_advisory_unlock($1)", _LOCK)


async def require_current(pool: Pool, schema: str, folder: Path) -> None:
    """For a service's start: MigrationError unless the schema has exactly the code's migrations (neither behind nor ahead)."""
    migrations = read(folder)
    try:
        async with connection(pool) as db:
            applied = await _applied(db, schema)
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.InsufficientPrivilegeError) as error:
        raise MigrationError(f"schema {schema} is not prepared: run python -m deploy.prepare") from error
    _compare(schema, migrations, applied)
    if len(applied) < len(migrations):
        raise MigrationError(f"schema {schema} is behind ({len(applied)} of {len(migrations)} migrations): run python -m deploy.prepare")


async def _applied(db: Connection, schema: str) -> dict[int, str]:
    rows = await db.fetch(f"select number, checksum from {schema}.schema_migrations order by number")  # noqa: S608
    return {row["number"]: row["checksum"] for row in rows}


def _compare(schema: str, migrations: list[Migration], applied: dict[int, str]) -> None:
    known = {migration.number: migration for migration in migrations}
    for number, checksum in applied.items():
        if number not in known:
            raise MigrationError(f"schema {schema} is ahead of this version: it has migration {number}, the code ends at {len(known)}")
        if known[number].checksum != checksum:
            raise MigrationError(f"migration {number} of schema {schema} was changed after it was applied")
