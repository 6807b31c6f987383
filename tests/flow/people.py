"""A user of the running system: a browser tab's worth of HTTP and sockets, told in the words of the story."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import jwt
from websockets.asyncio.client import ClientConnection, connect

from deploy.local.stack import Stack
from shared.contracts.base import utc_now

WAIT_SECONDS = 20.0


class Socket:
    """An open socket and the frames that came."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.frames: list[dict[str, Any]] = []

    async def next(self, kind: str | None = None) -> dict[str, Any]:
        """The next frame (of that kind; others are kept in `frames` and passed over)."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                frame: dict[str, Any] = json.loads(await self.connection.recv())
                self.frames.append(frame)
                if kind is None or frame["type"] == kind:
                    return frame

    async def closed(self) -> int | None:
        """Waits until the server closes; the close code."""
        async with asyncio.timeout(WAIT_SECONDS):
            await self.connection.wait_closed()
        return self.connection.close_code


class Person:
    """Somebody who is logged in; `http` speaks for them."""

    def __init__(self, http: httpx.AsyncClient, notifier_url: str, user_id: str) -> None:
        self.http = http
        self.notifier_url = notifier_url
        self.id = user_id

    async def post(self, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> httpx.Response:
        all_headers = {**headers, **({"Idempotency-Key": key} if key else {})}
        return await self.http.post(path, json=body, headers=all_headers)

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        return await self.http.get(path, params=parameters)

    async def deposit(self, amount: Any = 2000, currency: str = "rsd", *, key: str | None = None) -> dict[str, Any]:
        response = await self.post("/balance/deposit", {"amount": amount, "currency": currency, "method": "mock"}, key=key)
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made

    async def complete(self, session_id: str, **body: Any) -> httpx.Response:
        return await self.post("/balance/mock/complete", {"session_id": session_id, **body})

    async def top_up(self, amount: Any = 2000, currency: str = "rsd") -> dict[str, Any]:
        made = await self.deposit(amount, currency)
        response = await self.complete(made["session_id"], amount=amount)
        assert (response.status_code, response.json().get("status")) == (200, "completed"), response.text
        return made

    async def balance(self, currency: str = "rsd") -> dict[str, Any]:
        response = await self.get("/balance", currency=currency)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def ticket(self) -> str:
        response = await self.post("/stream/ticket")
        assert response.status_code == 200, response.text
        return str(response.json()["ticket"])

    @asynccontextmanager
    async def socket(self, notifier_url: str | None = None, ticket: str | None = None) -> AsyncIterator[Socket]:
        ticket = ticket or await self.ticket()
        async with connect(f"{notifier_url or self.notifier_url}?ticket={ticket}", proxy=None, open_timeout=WAIT_SECONDS) as connection:
            yield Socket(connection)


def _http(gateway_url: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=60)
    return httpx.AsyncClient(base_url=f"{gateway_url}/api/v1", timeout=WAIT_SECONDS, trust_env=False, limits=limits)


@asynccontextmanager
async def logged_in(gateway_url: str, notifier_url: str, login: str = "testuser") -> AsyncIterator[Person]:
    """`login` of the demo directory (the password is the name), with a Bearer token and no cookie."""
    async with _http(gateway_url) as http:
        response = await http.post("/auth/login", json={"login": login, "password": login})
        assert response.status_code == 200, response.text
        http.cookies.clear()
        http.headers["Authorization"] = f"Bearer {response.json()['access_token']}"
        user_id = (await http.get("/me")).json()["user_id"]
        yield Person(http, notifier_url, str(user_id))


@asynccontextmanager
async def newcomer(stack: Stack, role: str = "student") -> AsyncIterator[Person]:
    """Somebody nobody has seen, with nothing in any currency: what other stories left in the shared stack is not theirs."""
    user_id = f"{role}-{secrets.token_hex(6)}"
    claims = {"sub": user_id, "roles": [role], "locale": "en", "iss": "purser", "aud": "purser", "exp": utc_now() + timedelta(hours=1)}
    async with _http(stack.gateway_url) as http:
        http.headers["Authorization"] = f"Bearer {jwt.encode(claims, stack.jwt_secret, algorithm='HS256')}"
        yield Person(http, stack.notifier_urls[0], user_id)
