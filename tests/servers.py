"""Throwaway servers for tests, and a new database and a new vhost inside them."""

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitmqServer

PROJECT = Path(__file__).resolve().parent.parent
# The programs that `make run` may have unpacked already.
CACHE = PROJECT / ".local" / "cache"


@asynccontextmanager
async def throwaway_folder(purpose: str) -> AsyncIterator[Path]:
    """A new folder that the servers' own user can pass through; deleted at the end."""
    folder = Path(tempfile.mkdtemp(prefix=f"purser-{purpose}-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def throwaway_postgres(*, durable: bool = False) -> AsyncIterator[PostgresServer]:
    """A running PostgreSQL of its own; fsync is off unless `durable`."""
    async with throwaway_folder("postgres") as folder:
        server = PostgresServer(folder / "postgres", durable=durable)
        folder.joinpath("postgres").mkdir(mode=0o711)
        try:
            await server.start()
            yield server
        finally:
            await server.remove()


@asynccontextmanager
async def throwaway_rabbitmq() -> AsyncIterator[RabbitmqServer]:
    """A running RabbitMQ node of its own."""
    async with throwaway_folder("rabbitmq") as folder:
        server = RabbitmqServer(folder / "rabbitmq", CACHE)
        try:
            await server.start()
            yield server
        finally:
            await server.remove()


@asynccontextmanager
async def fresh_database(server: PostgresServer) -> AsyncIterator[str]:
    """The superuser's URL of a new, empty database; dropped at the end, whoever is still connected."""
    name = f"test_{secrets.token_hex(6)}"
    await _execute(server, f"create database {name}")
    try:
        yield server.url(name)
    finally:
        await _execute(server, f"drop database if exists {name} with (force)")


@asynccontextmanager
async def fresh_vhost(server: RabbitmqServer) -> AsyncIterator[str]:
    """The AMQP URL of a new, empty vhost; deleted at the end with its queues and connections."""
    name = f"test-{secrets.token_hex(6)}"
    url = await server.add_vhost(name)
    try:
        yield url
    finally:
        await server.remove_vhost(name)


async def _execute(server: PostgresServer, statement: str) -> None:
    connection = await asyncpg.connect(server.admin_url, ssl=False, timeout=10.0, command_timeout=30.0)
    try:
        await connection.execute(statement)
    finally:
        await connection.close(timeout=5.0)
