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
from services.gateway.rate_limit import RateLimit

ORIGIN = "http://localhost:8000"


async def no_webhooks(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("webhook")(scope, receive, send)


def edge(app: FastAPI, requests_max: int = 10, burst: int = 1_000) -> Edge:
    errors.install(app)
    addresses = RateLimit("address", 0.1, burst)
    return Edge(app, no_webhooks, addresses, origins=frozenset({ORIGIN}), secure=False, requests_max=requests_max)


def client(app: Edge, address: str = "127.0.0.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 4_000))
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
        second = await http.get("/slow", headers={"Origin": ORIGIN})
        webhook, probe, system = [await http.get(path) for path in ("/api/v1/webhooks/mock", "/health/live", "/health/system")]
        go_on.set()
        done = await first
        after = await http.get("/slow")

    assert (second.status_code, second.json()["code"], second.headers["Retry-After"]) == (503, "busy", "2")
    assert second.headers["Access-Control-Allow-Origin"] == ORIGIN, "or a page could not read it"
    assert webhook.status_code == 503, "its provider repeats it"
    assert system.status_code == 503, "it asks every service behind, so it is no probe"
    assert (probe.status_code, done.status_code, after.status_code) == (200, 200, 200)


def answering(*paths: str) -> FastAPI:
    app = FastAPI()
    for path in paths:
        app.add_api_route(path, lambda: "ok")
    return app


async def test_an_address_has_so_many_requests_and_its_page_can_read_the_refusal() -> None:
    app = edge(answering("/"), burst=3)
    async with client(app) as http, client(app, "203.0.113.9") as elsewhere:
        for path, status in (("/", 200), ("/nowhere", 404), ("/", 200)):
            assert (await http.get(path)).status_code == status
        refused = await http.get("/", headers={"Origin": ORIGIN})
        other = await elsewhere.get("/")

    problem = refused.json()
    assert (refused.status_code, problem["code"], problem["request_id"]) == (429, "too_many_requests", refused.headers["X-Request-ID"])
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["Retry-After"] == "10"
    assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert refused.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Retry-After" in refused.headers["Access-Control-Expose-Headers"]
    assert other.status_code == 200


async def test_an_ipv6_network_counts_as_one_address() -> None:
    app = edge(answering("/"), burst=2)
    statuses = []
    for address in ("2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2:3::", "2001:db8:1:3::1"):
        async with client(app, address) as http:
            statuses.append((await http.get("/")).status_code)
    assert statuses == [200, 200, 429, 200]


async def test_webhooks_probes_and_preflights_are_answered_at_any_rate() -> None:
    app = edge(answering("/", "/health/live", "/health/ready", "/health/system", "/metrics"), burst=1)
    preflight = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    async with client(app) as http:
        await http.get("/")
        for _ in range(20):
            for path in ("/api/v1/webhooks/mock", "/api/v1/payments/webhook"):
                assert (await http.post(path)).status_code == 200
            for path in ("/health/live", "/health/ready", "/metrics"):
                assert (await http.get(path)).status_code == 200
            assert (await http.options("/", headers=preflight)).status_code == 200
        assert (await http.get("/health/system")).status_code == 429, "it asks every service behind, so it is no probe"


@pytest.mark.parametrize(("query", "status"), [("a=" + "x" * 8_000, 200), ("a&" * 99, 200), ("a=" + "x" * 8_192, 422), ("a&" * 100, 422)])
async def test_a_query_is_bounded(query: str, status: int) -> None:
    async with client(edge(answering("/"))) as http:
        answer = await http.get(f"/?{query}", headers={"Origin": ORIGIN})
    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    if status == 422:
        assert (answer.json()["code"], answer.json()["errors"][0]["loc"]) == ("invalid_request", ["query"])


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


async def test_the_log_has_no_id_that_opens_an_order() -> None:
    order_id = "0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"
    app = answering("/api/v1/orders/{order_id}", "/{locale}/orders/{order_id}/success")

    @app.get("/orders/{order_id}/fails")
    async def fails(order_id: str) -> str:
        raise RuntimeError

    with capture_logs() as logs:
        async with client(edge(app)) as http:
            for path in (f"/api/v1/orders/{order_id}", f"/en/orders/{order_id}/success", f"/nowhere/orders/{order_id}"):
                await http.get(path, params={"order_id": order_id})
            await http.get(f"/orders/{order_id}/fails")

    shown = "0199d3a2-8f10-7c3e***"
    assert [line["path"] for line in logs] == [
        f"/api/v1/orders/{shown}",
        f"/en/orders/{shown}/success",
        f"/nowhere/orders/{shown}",
        f"/orders/{shown}/fails",
        f"/orders/{shown}/fails",
    ]
    assert order_id not in str(logs)


@pytest.mark.parametrize(("kind", "closed"), [("websocket", True), ("lifespan", False)])
async def test_only_http_is_served(kind: str, closed: bool) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "nothing"}

    await edge(FastAPI())({"type": kind, "path": "/ws", "headers": []}, receive, send)
    assert bool(sent) == closed
