"""Fixtures that every kind of test shares: the servers, started on first use, and a database and a vhost that are new for each test."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitmqServer
from tests.servers import fresh_database, fresh_vhost, throwaway_postgres, throwaway_rabbitmq


@pytest.fixture(scope="session")
async def postgres_server() -> AsyncIterator[PostgresServer]:
    """One throwaway PostgreSQL (fsync off) for the whole session."""
    async with throwaway_postgres() as server:
        yield server


@pytest.fixture(scope="session")
async def rabbitmq_server() -> AsyncIterator[RabbitmqServer]:
    """One private RabbitMQ node for the whole session."""
    async with throwaway_rabbitmq() as server:
        yield server


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
