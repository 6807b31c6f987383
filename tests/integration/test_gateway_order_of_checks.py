"""What is checked first: who asks, then whether they may at all, then what they ask; so nobody learns the form of what is not theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.contracts.base import new_id
from tests.integration.gateway_world import World, bearer, gateway_world, one_story


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url) as started:
        yield started


@pytest.fixture
async def world(running: World) -> AsyncIterator[World]:
    async with one_story(running) as story:
        yield story


ID = new_id()
ADMINS = [
    ("GET", "/api/v1/audit?limit=0"),
    ("GET", "/api/v1/withdrawals?limit=0"),
    ("GET", "/api/v1/suspense?limit=0"),
    ("POST", f"/api/v1/orders/{ID}/mark-paid"),
    ("POST", f"/api/v1/suspense/{ID}/write-off"),
    ("POST", "/api/v1/transfers"),
    ("POST", "/api/v1/mock/disputes"),
]


@pytest.mark.parametrize(("method", "path"), ADMINS, ids=[path.replace(str(ID), "id") for _, path in ADMINS])
async def test_what_is_malformed_is_told_only_to_those_who_may_ask_at_all(world: World, method: str, path: str) -> None:
    content = b"{" if method == "POST" else b""

    async def asked(headers: dict[str, str]) -> int:
        told = {"Content-Type": "application/json", **headers}
        return (await world.http.request(method, path, content=content, headers=told)).status_code

    assert [await asked({}), await asked(bearer("1")), await asked(bearer("9", roles=["admin"]))] == [401, 403, 422]
    assert world.stand_ins.asked == []
