"""One stack with two notifiers for the flow tests that break nothing; people who are logged in to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitmqServer
from deploy.local.stack import Stack
from tests.flow.people import Person, logged_in
from tests.servers import shared_stack


@pytest.fixture(scope="module")
async def two_notifiers(postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer) -> AsyncIterator[Stack]:
    async with shared_stack(postgres_server, rabbitmq_server, notifiers=2) as running:
        yield running


@pytest.fixture
async def student(two_notifiers: Stack) -> AsyncIterator[Person]:
    async with logged_in(two_notifiers.gateway_url, two_notifiers.notifier_urls[0]) as person:
        yield person


@pytest.fixture
async def other(two_notifiers: Stack) -> AsyncIterator[Person]:
    async with logged_in(two_notifiers.gateway_url, two_notifiers.notifier_urls[0], "other") as person:
        yield person


@pytest.fixture
async def admin(two_notifiers: Stack) -> AsyncIterator[Person]:
    async with logged_in(two_notifiers.gateway_url, two_notifiers.notifier_urls[0], "admin") as person:
        yield person
