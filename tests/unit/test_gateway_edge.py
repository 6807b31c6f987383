"""The edge around every request: bounded, and calm when something inside is not."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from services.gateway import errors
from services.gateway.edge import Edge


async def no_webhooks(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("webhook")(scope, receive, send)


def edge(app: FastAPI, requests_max: int = 10) -> Edge:
    errors.install(app)
    return Edge(app, no_webhooks, origins=frozenset({"http://localhost:8000"}), secure=False, requests_max=requests_max)


def client(app: Edge) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://gateway")


async def test_more_requests_than_can_be_worked_on_are_503_but_probes_are_answered() -> None:
    app = FastAPI()
    came, go_on = asyncio.Event(), asyncio.Event()

    @app.get("/slow")
    async def slow() -> str:
        came.set()
        await go_on.wait()
        return "done"

    @app.get("/health/live")
    async def live() -> str:
        return "alive"

    async with client(edge(app, requests_max=1)) as http:
        first = asyncio.create_task(http.get("/slow"))
        await came.wait()
        second, probe, system = await http.get("/slow"), await http.get("/health/live"), await http.get("/health/system")
        go_on.set()
        done = await first
        after = await http.get("/slow")

    assert (second.status_code, second.json()["code"], second.headers["Retry-After"]) == (503, "busy", "2")
    assert system.status_code == 503, "it asks every service behind, so it is no probe"
    assert (probe.status_code, done.status_code, after.status_code) == (200, 200, 200)


async def test_an_error_is_a_500_problem_without_its_text() -> None:
    app = FastAPI()

    @app.get("/fails")
    async def fails() -> str:
        raise RuntimeError("postgresql://user:password@host")

    with capture_logs() as logs:
        async with client(edge(app)) as http:
            failed = await http.get("/fails", headers={"X-Request-ID": "abc"})
            webhook = await http.post("/api/v1/webhooks/mock")

    assert (failed.status_code, failed.json()["code"], failed.json()["request_id"]) == (500, "internal_error", "abc")
    assert "password" not in failed.text
    assert [line["event"] for line in logs] == ["request failed", "request", "request"]
    assert webhook.text == "webhook"


@pytest.mark.parametrize(("kind", "closed"), [("websocket", True), ("lifespan", False)])
async def test_only_http_is_served(kind: str, closed: bool) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "nothing"}

    await edge(FastAPI())({"type": kind, "path": "/ws", "headers": []}, receive, send)
    assert bool(sent) == closed
