"""Throwaway servers for tests, and a new database and a new vhost inside them."""

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

import asyncpg

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitmqServer
from deploy.local.services import SERVICES
from deploy.local.stack import Stack

PROJECT = Path(__file__).resolve().parent.parent
# The programs that `make run` may have unpacked already.
CACHE = PROJECT / ".local" / "cache"

# Roles belong to a whole server and their passwords derive from this key: all that share the session's server must share it.
SECRET_KEY = "a-secret-for-tests-that-is-long-enough"


class MakeStack(Protocol):
    """What the fixture `make_stack` gives: a call that starts a stack, which is stopped after the test."""

    async def __call__(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        own_servers: bool = False,
        notifiers: int = 1,
        services: tuple[str, ...] = SERVICES,
        supervised: bool = False,
    ) -> Stack:
        """settings: of the services. own_servers: a durable PostgreSQL and a RabbitMQ that the test may kill (about 8 s);
        else the session's, with a new database and a new vhost."""


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


class SessionServers:
    """The session's servers, each started when it is first asked for."""

    def __init__(self, exits: AsyncExitStack) -> None:
        self._exits = exits
        self._postgres: PostgresServer | None = None
        self._rabbitmq: RabbitmqServer | None = None

    async def postgres(self) -> PostgresServer:
        """The throwaway PostgreSQL."""
        if self._postgres is None:
            self._postgres = await self._exits.enter_async_context(throwaway_postgres())
        return self._postgres

    async def rabbitmq(self) -> RabbitmqServer:
        """The private RabbitMQ node."""
        if self._rabbitmq is None:
            self._rabbitmq = await self._exits.enter_async_context(throwaway_rabbitmq())
        return self._rabbitmq


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


@asynccontextmanager
async def shared_stack(
    postgres: PostgresServer,
    rabbitmq: RabbitmqServer,
    settings: Mapping[str, str] | None = None,
    *,
    notifiers: int = 1,
    services: tuple[str, ...] = SERVICES,
    stand_ins: tuple[str, ...] = (),
    supervised: bool = False,
) -> AsyncIterator[Stack]:
    """A running stack on servers that it shares with others, with a database and a vhost of its own."""
    async with AsyncExitStack() as exits:
        folder = await exits.enter_async_context(throwaway_folder("stack"))
        own = {
            "SECRET_KEY": SECRET_KEY,
            **(settings or {}),
            "DATABASE_URL": await exits.enter_async_context(fresh_database(postgres)),
            "AMQP_URL": await exits.enter_async_context(fresh_vhost(rabbitmq)),
        }
        stack = Stack(folder, own, notifiers=notifiers, services=services, stand_ins=stand_ins, supervised=supervised)
        yield await exits.enter_async_context(stack)


@asynccontextmanager
async def separate_stack(
    settings: Mapping[str, str] | None = None,
    *,
    notifiers: int = 1,
    services: tuple[str, ...] = SERVICES,
    supervised: bool = False,
) -> AsyncIterator[Stack]:
    """A running stack with durable servers of its own, which a test may kill."""
    async with throwaway_folder("stack") as folder:
        stack = Stack(folder, settings, cache=CACHE, notifiers=notifiers, services=services, supervised=supervised)
        try:
            await stack.start()
            yield stack
        finally:
            await stack.remove()


async def _execute(server: PostgresServer, statement: str) -> None:
    connection = await asyncpg.connect(server.admin_url, ssl=False, timeout=10.0, command_timeout=30.0)
    try:
        await connection.execute(statement)
    finally:
        await connection.close(timeout=5.0)
