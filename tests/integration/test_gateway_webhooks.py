"""Webhooks in: authentic ones are durable at the broker before the 2xx, everything else leaves no trace but a counter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from services.gateway.signatures.mock import TOLERANCE_SECONDS
from tests.integration.gateway_world import World, gateway_world, one_story, signed

MOCK = "/api/v1/webhooks/mock"


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url) as started:
        yield started


@pytest.fixture
async def world(running: World) -> AsyncIterator[World]:
    async with one_story(running) as story:
        yield story


async def test_an_authentic_event_is_durable_before_its_answer(world: World) -> None:
    body = '{"id":"evt_1",  "text":"š\\u0000"}'.encode()
    response = await world.http.post(MOCK, content=body, headers={**signed(body), "X-Request-ID": "trace-3", "x-other": "not kept"})

    # Asked after the answer, without waiting: it must be there by then.
    (event,) = await world.events()
    assert (response.status_code, response.content) == (200, b'{"status":"success"}')
    assert response.headers["content-type"] == "application/json"
    assert (event.provider, event.body, event.correlation_id) == ("mock", body, "trace-3")
    assert set(event.headers) == {"content-type", "webhook-id", "webhook-timestamp", "webhook-signature"}


async def test_many_at_once_are_all_durable(world: World) -> None:
    bodies = [f'{{"n":{n}}}'.encode() for n in range(200)]
    answers = await asyncio.gather(
        *(world.http.post(MOCK, content=body, headers=signed(body, event_id=f"evt_{body!r}"[:50])) for body in bodies)
    )
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(event.body for event in await world.events()) == sorted(bodies)


async def test_forged_stale_and_garbled_are_400_and_nothing_is_kept(world: World) -> None:
    body = b'{"id":"evt_1"}'
    good = signed(body)
    bad = {
        "another body": (body + b" ", good),
        "another secret": (body, signed(body, secret="somebody else's secret, long enough 0123456789")),
        "another id": (body, {**good, "webhook-id": "evt_2"}),
        "another time": (body, {**good, "webhook-timestamp": str(int(good["webhook-timestamp"]) + 1)}),
        "too old": (body, signed(body, at=time.time() - TOLERANCE_SECONDS - 2)),
        "from the future": (body, signed(body, at=time.time() + TOLERANCE_SECONDS + 2)),
        "no signature": (body, {k: v for k, v in good.items() if k != "webhook-signature"}),
        "another version": (body, {**good, "webhook-signature": good["webhook-signature"].replace("v1,", "v2,")}),
        "not a number": (body, {**good, "webhook-timestamp": "1e9"}),
        "form": (body, {**good, "content-type": "application/x-www-form-urlencoded"}),
        "compressed": (body, {**good, "content-encoding": "gzip"}),
        "empty": (b"", good),
    }
    answers = {name: await world.http.post(MOCK, content=content, headers=headers) for name, (content, headers) in bad.items()}
    twice = [*((k.encode(), v.encode()) for k, v in good.items()), (b"webhook-signature", b"v1,AAAA")]
    answers["two signatures"] = await world.http.post(MOCK, content=body, headers=twice)

    assert {name: (answer.status_code, answer.json()["code"]) for name, answer in answers.items()} == dict.fromkeys(
        answers, (400, "invalid_signature")
    )
    assert await world.events() == []
    assert 'purser_webhooks_total{outcome="refused_forged",provider="mock"}' in (await world.http.get("/metrics")).text


async def test_broker_down_is_503_so_that_the_provider_repeats(world: World) -> None:
    body = b'{"id":"evt_1"}'
    world.broker.cut()
    await world.lost()
    started = time.perf_counter()
    down = await world.http.post(MOCK, content=body, headers=signed(body))
    took = time.perf_counter() - started
    await world.restored()
    again = await world.http.post(MOCK, content=body, headers=signed(body))

    assert (down.status_code, down.json()["code"]) == (503, "broker_unavailable")
    assert int(down.headers["Retry-After"]) > 0
    assert took < 5
    assert again.status_code == 200
    assert [event.body for event in await world.events()] == [body]


async def test_a_hung_broker_never_gets_a_2xx(world: World) -> None:
    body = b'{"id":"evt_1"}'
    world.broker.stall()
    started = time.perf_counter()
    response = await world.http.post(MOCK, content=body, headers=signed(body))
    took = time.perf_counter() - started
    world.broker.cut()
    assert response.status_code == 503
    assert took < 5


async def test_unknown_provider_wrong_method_and_too_large(world: World) -> None:
    large = b"x" * (world.settings.body_limit_bytes + 1)
    answers = [
        await world.http.post("/api/v1/webhooks/stripe", content=b"{}"),
        await world.http.post("/api/v1/payments/webhook", content=b"{}"),
        await world.http.post("/api/v1/webhooks/", content=b"{}"),
        await world.http.post("/api/v1/webhooks/mock/", content=b"{}"),
        await world.http.get(MOCK),
        await world.http.post(MOCK, content=large, headers=signed(large)),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404, 404, 405, 413]
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert answers[4].headers["Allow"] == "POST"
