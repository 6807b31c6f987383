"""Preparing the servers: three logins that may do what they are for and nothing else, schemas, topology; and again, harmlessly."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aio_pika
import asyncpg
import pytest

from deploy import prepare as prepare_module
from deploy.local.rabbitmq import RabbitmqServer
from deploy.prepare import SCHEMAS, SERVICES, DatabaseUrls, prepare
from shared.contracts.topology import PAYMENTS_COMMANDS, durable_queues
from shared.migrations import read, require_current
from shared.postgres import Connection, close_pool, create_pool
from tests.integration.delivery_world import delivery_world
from tests.management import management
from tests.servers import SECRET_KEY

PROJECT = Path(prepare_module.__file__).resolve().parent.parent


@pytest.fixture
async def urls(fresh_database_url: str, amqp_url: str) -> DatabaseUrls:
    return await prepare(fresh_database_url, amqp_url, SECRET_KEY)


@pytest.fixture
async def payments(urls: DatabaseUrls) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(urls.payments)
    yield connection
    await connection.close()


@pytest.fixture
async def wallet(urls: DatabaseUrls) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(urls.wallet)
    yield connection
    await connection.close()


@pytest.fixture
async def verifier(urls: DatabaseUrls) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(urls.verifier)
    yield connection
    await connection.close()


async def tables(connection: Connection, schema: str) -> list[str]:
    rows = await connection.fetch("select relname from pg_class where relnamespace = $1::regnamespace and relkind = 'r'", schema)
    return [f"{schema}.{row['relname']}" for row in rows]


async def test_everything_is_there_for_the_services_to_start(urls: DatabaseUrls, amqp_url: str, rabbitmq_server: RabbitmqServer) -> None:
    for schema, url in (("payments", urls.payments), ("wallet", urls.wallet)):
        pool = await create_pool(url, size=2, application_name="test prepare")
        await require_current(pool, schema, SERVICES / schema / "migrations")
        await close_pool(pool)
    async with management(rabbitmq_server, amqp_url) as broker:
        assert {queue["name"] for queue in await broker.queues()} == {queue.name for queue in durable_queues()}


async def test_twice_and_four_at_once_are_fine_and_keep_what_is_there(urls: DatabaseUrls, fresh_database_url: str, amqp_url: str) -> None:
    async with delivery_world(amqp_url) as world:
        await world.channel.default_exchange.publish(aio_pika.Message(b"kept"), PAYMENTS_COMMANDS.name)
        again = await asyncio.gather(*(prepare(fresh_database_url, amqp_url, SECRET_KEY) for _ in range(4)))
        assert again == [urls] * 4
        assert await world.ready(PAYMENTS_COMMANDS) == 1


@pytest.mark.parametrize(("owner", "other"), [("payments", "wallet"), ("wallet", "payments")])
async def test_a_service_sees_nothing_of_the_others_schema(owner: str, other: str, urls: DatabaseUrls, verifier: Connection) -> None:
    connection = await asyncpg.connect(getattr(urls, owner))
    try:
        found = await tables(verifier, other)
        assert found
        for table in found:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"select 1 from {table}")  # noqa: S608
        assert not await connection.fetchval("select has_schema_privilege($1, 'usage')", other)
    finally:
        await connection.close()


async def test_a_service_reads_its_own_and_cannot_change_the_shape_of_it(payments: Connection, wallet: Connection) -> None:
    for connection, schema in ((payments, "payments"), (wallet, "wallet")):
        await connection.fetchval(f"select count(*) from {schema}.outbox")  # noqa: S608
        for statement in (
            f"create table {schema}.mine (id int)",
            "create table public.mine (id int)",
            f"drop table {schema}.outbox",
            f"alter table {schema}.outbox add column mine int",
            f"truncate {schema}.outbox",
            f"insert into {schema}.schema_migrations (number, name, checksum) values (99, 'mine', '')",  # noqa: S608
            "create role mine",
            "alter role purser_verifier superuser",
            "set role purser_verifier",
        ):
            with pytest.raises(asyncpg.PostgresError):
                await connection.execute(statement)


async def test_the_journal_cannot_be_changed_by_the_wallets_own_role(wallet: Connection) -> None:
    for table in ("wallet.transfers", "wallet.entries"):
        for statement in (f"delete from {table}", f"truncate {table}"):  # noqa: S608
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await wallet.execute(statement)
        assert not await wallet.fetchval("select has_table_privilege($1, 'update')", table)


async def test_the_verifier_reads_both_schemas_and_writes_neither(verifier: Connection) -> None:
    for schema in SCHEMAS:
        for table in await tables(verifier, schema):
            if table == "wallet.stream_tickets":
                continue  # who may open a socket is nobody's business but the wallet's
            await verifier.fetchval(f"select count(*) from {table}")  # noqa: S608
    await verifier.execute("set default_transaction_read_only = off")
    for schema in SCHEMAS:
        for table in await tables(verifier, schema):
            for privilege in ("insert", "update", "delete", "truncate", "trigger"):
                assert not await verifier.fetchval("select has_table_privilege($1, $2)", table, privilege), (table, privilege)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await verifier.execute(f"delete from {schema}.outbox")  # noqa: S608


async def test_the_verifiers_transactions_are_read_only_by_themselves(verifier: Connection) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await verifier.execute("create temporary table mine (id int)")


async def test_a_password_is_needed_and_derives_from_the_secret_key(urls: DatabaseUrls, fresh_database_url: str) -> None:
    others = prepare_module.database_urls(fresh_database_url, "another-secret-key-that-is-long-enough")
    assert len({urls.payments, urls.wallet, urls.verifier, others.payments}) == 4
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(others.wallet)
    assert prepare_module.database_urls(fresh_database_url, f"{SECRET_KEY},an-older-secret-key-that-is-long-enough") == urls


def command_line(**variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "SECRET_KEY": SECRET_KEY, **variables}
    return subprocess.run(
        [sys.executable, "-m", "deploy.prepare"], cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


async def test_the_command_says_what_it_did(fresh_database_url: str, amqp_url: str) -> None:
    done = await asyncio.to_thread(command_line, DATABASE_URL=fresh_database_url, AMQP_URL=amqp_url)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "prepared: roles, schemas payments and wallet, topology\n"


async def test_the_command_fails_in_one_line(fresh_database_url: str, amqp_url: str) -> None:
    admin = await asyncpg.connect(fresh_database_url)
    await prepare(fresh_database_url, amqp_url, SECRET_KEY)
    ahead = len(read(SERVICES / "wallet" / "migrations")) + 1
    await admin.execute("insert into wallet.schema_migrations (number, name, checksum) values ($1, 'tomorrow', '')", ahead)
    await admin.close()
    failed = await asyncio.to_thread(command_line, DATABASE_URL=fresh_database_url, AMQP_URL=amqp_url)

    assert failed.returncode == 1
    assert failed.stderr.startswith("cannot prepare: schema wallet is ahead of this version")
    assert failed.stderr.count("\n") == 1


async def test_a_queue_with_other_limits_fails_in_one_line(fresh_database_url: str, amqp_url: str) -> None:
    async with delivery_world(amqp_url) as world:
        await world.channel.queue_delete(PAYMENTS_COMMANDS.name)
        await world.channel.declare_queue(PAYMENTS_COMMANDS.name, durable=True)
        failed = await asyncio.to_thread(command_line, DATABASE_URL=fresh_database_url, AMQP_URL=amqp_url)

    assert failed.returncode == 1
    last = failed.stderr.splitlines()[-1]
    assert last.startswith("cannot prepare: PRECONDITION_FAILED")
    assert PAYMENTS_COMMANDS.name in last
    assert "prepare.py" not in failed.stderr, "no traceback of ours"


def test_a_missing_setting_is_named() -> None:
    failed = command_line()

    assert failed.returncode == 2
    assert failed.stderr == "cannot start: DATABASE_URL is not set; AMQP_URL is not set\n"
