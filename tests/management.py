"""What a RabbitMQ node has, asked of its management API: the view from outside, for comparing with what we mean to have."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpx

from deploy.local.rabbitmq import USER, RabbitmqServer


class Management:
    """The API, for one vhost."""

    def __init__(self, client: httpx.AsyncClient, vhost: str) -> None:
        self._client = client
        self._vhost = quote(vhost, safe="")

    async def exchanges(self) -> list[dict[str, Any]]:
        """All but those that every vhost has."""
        return [found for found in await self._get("exchanges") if found["name"] and not found["name"].startswith("amq.")]

    async def queues(self) -> list[dict[str, Any]]:
        return await self._get("queues")

    async def bindings(self) -> list[dict[str, Any]]:
        """All but the default exchange's, which every queue has."""
        return [found for found in await self._get("bindings") if found["source"]]

    async def delete_queue(self, name: str) -> None:
        (await self._client.delete(f"/api/queues/{self._vhost}/{quote(name, safe='')}")).raise_for_status()

    async def _get(self, what: str) -> list[dict[str, Any]]:
        answer = await self._client.get(f"/api/{what}/{self._vhost}")
        answer.raise_for_status()
        found = answer.json()
        assert isinstance(found, list)
        return found


@asynccontextmanager
async def management(server: RabbitmqServer, amqp_url: str) -> AsyncIterator[Management]:
    """The API for `amqp_url`'s vhost. Loopback only: no proxy of the caller's environment."""
    async with httpx.AsyncClient(base_url=server.management_url, auth=(USER, server.password), timeout=15, trust_env=False) as client:
        yield Management(client, unquote(urlsplit(amqp_url).path[1:]))
