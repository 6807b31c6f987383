"""Fixtures that every kind of test shares: the servers, started on first use, and a database and a vhost that are new for each test."""

import asyncio
from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import AsyncExitStack

import pytest
from aio_pika.connection import Connection

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitmqServer
from deploy.local.services import SERVICES
from deploy.local.stack import Stack
from tests.servers import (
    MakeStack,
    SessionServers,
    fresh_database,
    fresh_vhost,
    separate_stack,
    shared_stack,
)

_LOG_TAIL_BYTES = 6_000
_STARTED: list[Stack] = []
"""What the running test has started by `make_stack`."""


_finalize = Connection.__del__


def _finalize_in_a_loop(connection: Connection) -> None:
    """Outside of a running loop aio-pika's own finalizer makes a coroutine that nobody can await: the warning of it would fail whichever
    test the garbage is collected in."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    _finalize(connection)


Connection.__del__ = _finalize_in_a_loop  # type: ignore[method-assign]


@pytest.fixture(scope="session")
async def session_servers() -> AsyncIterator[SessionServers]:
    """The session's servers, none of them started yet."""
    async with AsyncExitStack() as exits:
        yield SessionServers(exits)


@pytest.fixture(scope="session")
async def postgres_server(session_servers: SessionServers) -> PostgresServer:
    """One throwaway PostgreSQL (fsync off) for the whole session."""
    return await session_servers.postgres()


@pytest.fixture(scope="session")
async def rabbitmq_server(session_servers: SessionServers) -> RabbitmqServer:
    """One private RabbitMQ node for the whole session."""
    return await session_servers.rabbitmq()


@pytest.fixture
async def fresh_database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The superuser's URL of a new, empty database, for one test."""
    async with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="module")
async def module_database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The superuser's URL of a new, empty database, for one module."""
    async with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture
async def amqp_url(rabbitmq_server: RabbitmqServer) -> AsyncIterator[str]:
    """The AMQP URL of a new, empty vhost, for one test."""
    async with fresh_vhost(rabbitmq_server) as url:
        yield url


@pytest.fixture(scope="module")
async def module_amqp_url(rabbitmq_server: RabbitmqServer) -> AsyncIterator[str]:
    """The AMQP URL of a new, empty vhost, for one module."""
    async with fresh_vhost(rabbitmq_server) as url:
        yield url


@pytest.fixture(scope="session")
async def stack(postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer) -> AsyncIterator[Stack]:
    """All four services, with default settings, for the whole session: for tests that break nothing and count only what is theirs."""
    async with shared_stack(postgres_server, rabbitmq_server) as running:
        yield running


@pytest.fixture
async def make_stack(session_servers: SessionServers) -> AsyncIterator[MakeStack]:
    """Starts stacks that this test alone uses: with settings, replicas or servers of their own."""
    async with AsyncExitStack() as exits:

        async def make(
            settings: Mapping[str, str] | None = None,
            *,
            own_servers: bool = False,
            notifiers: int = 1,
            services: tuple[str, ...] = SERVICES,
            supervised: bool = False,
        ) -> Stack:
            if own_servers:
                starting = separate_stack(settings, notifiers=notifiers, services=services, supervised=supervised)
            else:
                postgres, rabbitmq = await session_servers.postgres(), await session_servers.rabbitmq()
                starting = shared_stack(postgres, rabbitmq, settings, notifiers=notifiers, services=services, supervised=supervised)
            running = await exits.enter_async_context(starting)
            _STARTED.append(running)
            exits.callback(_STARTED.remove, running)
            return running

        yield make


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.CallInfo[None], None]:
    """A failed test shows what the services that it used have said, and its own error once more after it: long output is cut in front."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if not report.failed:
        return
    for running in _used_by(item):
        for file in sorted(running.logs.glob("*.log")):
            text = file.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")
            report.sections.append((f"end of {file.name}", text))
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        report.sections.append(("what failed", f"{item.nodeid}\n{crash.path}:{crash.lineno}: {crash.message}"))


def _used_by(item: pytest.Function) -> list[Stack]:
    """The stacks among the test's fixtures, or in their `stack`, and those that it has started itself."""
    values = [one for value in item.funcargs.values() for one in (value, getattr(value, "stack", None))]
    found = [one for one in values if isinstance(one, Stack)] + _STARTED
    return list(dict.fromkeys(found))
