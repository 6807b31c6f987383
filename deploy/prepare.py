"""Prepares the servers before the services start: database roles, migrations, the broker's topology. Safe to run again."""

from __future__ import annotations

import argparse
import asyncio
import base64
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
from aio_pika.exceptions import AMQPError
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.delivery.broker import BrokerLink
from shared.delivery.declare import declare_topology
from shared.delivery.errors import BrokerUnavailable
from shared.keys import Keys
from shared.migrations import MigrationError, migrate
from shared.postgres import Connection
from shared.settings import load

SERVICES: Final = Path(__file__).resolve().parent.parent / "services"
SCHEMAS: Final = ("payments", "wallet")
_LOCK: Final = 0x5075727365720002
"""Advisory lock ("Purser", 2) of whoever prepares this database."""

_ROLE_ATTEMPTS: Final = 20
ROLES: Final = ("purser_payments", "purser_wallet", "purser_verifier")


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """Each role's own login to the same database."""

    payments: str
    wallet: str
    verifier: str


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", extra="ignore", hide_input_in_errors=True)
    database_url: str = Field(description="the administrator's, who may create roles and schemas")
    amqp_url: str
    secret_key: str = Field(min_length=32)


async def prepare(admin_database_url: str, amqp_url: str, secret_key: str) -> DatabaseUrls:
    """Roles (their passwords derive from SECRET_KEY), schemas up to date, topology declared; the services' database URLs.

    Errors: MigrationError (a schema that is ahead or was tampered with), BrokerUnavailable, asyncpg's own.
    """
    urls = database_urls(admin_database_url, secret_key)
    admin = await asyncpg.connect(admin_database_url, timeout=10, command_timeout=60)
    try:
        # Two preparations of one database take turns, else their grants would collide; the lock ends with the connection.
        await admin.execute("select pg_advisory_lock($1)", _LOCK)
        await make_roles(admin, secret_key)
        for schema in SCHEMAS:
            await migrate(admin, schema, SERVICES / schema / "migrations")
            await _grant_migrations(admin, schema)
    finally:
        await admin.close(timeout=5)
    link = BrokerLink(amqp_url, name="purser prepare")
    await link.start(timeout_seconds=60)
    try:
        await declare_topology(link)
    finally:
        await link.close()
    return urls


def database_urls(admin_database_url: str, secret_key: str) -> DatabaseUrls:
    """The URLs that prepare() makes valid."""

    def url(role: str) -> str:
        parts = urlsplit(admin_database_url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{role}:{quote(_password(secret_key, role))}@{host}"))

    return DatabaseUrls(*(url(role) for role in ROLES))


def _password(secret_key: str, role: str) -> str:
    newest = secret_key.split(",")[0].strip()
    return base64.urlsafe_b64encode(Keys((newest,)).signing(f"database/{role}")).decode().rstrip("=")


async def make_roles(admin: Connection, secret_key: str) -> None:
    """The services' and the verifier's logins; their passwords derive from SECRET_KEY's first value."""
    database = await admin.fetchval("select quote_ident(current_database())")
    for role in ROLES:
        for attempt in range(_ROLE_ATTEMPTS):
            try:
                await _make_role(admin, role, _password(secret_key, role))
                break
            except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError, asyncpg.InternalServerError):
                # Roles belong to the whole server, locks to a database: another database's preparation may do the same right now.
                if attempt == _ROLE_ATTEMPTS - 1:
                    raise
        await admin.execute(f"grant connect on database {database} to {role}")


async def _make_role(admin: Connection, role: str, password: str) -> None:
    if not await admin.fetchval("select true from pg_roles where rolname = $1", role):
        await admin.execute(f"create role {role}")
    literal = await admin.fetchval("select quote_literal($1::text)", password)
    await admin.execute(f"alter role {role} with login nosuperuser nocreatedb nocreaterole password {literal}")
    if role == "purser_verifier":
        await admin.execute(f"alter role {role} set default_transaction_read_only = on")


async def _grant_migrations(admin: Connection, schema: str) -> None:
    for role in (f"purser_{schema}", "purser_verifier"):
        await admin.execute(f"grant usage on schema {schema} to {role}")
        await admin.execute(f"grant select on {schema}.schema_migrations to {role}")


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m deploy.prepare", description=__doc__, epilog="Reads DATABASE_URL (an administrator), AMQP_URL and SECRET_KEY."
    ).parse_args()
    settings = load(_Settings)
    try:
        asyncio.run(prepare(settings.database_url, settings.amqp_url, settings.secret_key))
    except (MigrationError, BrokerUnavailable, AMQPError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        print(f"cannot prepare: {str(error) or type(error).__name__}", file=sys.stderr)
        raise SystemExit(1) from error
    print("prepared: roles, schemas payments and wallet, topology")


if __name__ == "__main__":
    main()
