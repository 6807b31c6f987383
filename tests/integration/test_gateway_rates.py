"""Who asks too often is told so and when to come back; providers, probes and everybody else do not notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest

from shared.contracts.base import new_id
from shared.contracts.payment_commands import CreateDeposit
from tests.integration.gateway_world import ORIGIN, World, bearer, gateway_world, one_story, signed, token

ME = "/api/v1/me"
DEPOSIT = "/api/v1/balance/deposit"
SESSION = "/api/v1/auth/session"
MOCK = "/api/v1/webhooks/mock"
USER_BURST = 5
ADDRESS_BURST = 12


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    settings = {
        "rate_limit_user_per_second": 0.01,  # so slow that no machine is slow enough to be let through again
        "rate_limit_user_burst": USER_BURST,
        "rate_limit_address_per_second": 0.01,
        "rate_limit_address_burst": ADDRESS_BURST,
        "trusted_proxies": ("127.0.0.1",),
    }
    async with gateway_world(module_amqp_url, **settings) as started:
        yield started


@pytest.fixture
async def world(running: World) -> AsyncIterator[World]:
    async with one_story(running) as story:
        yield story


@pytest.fixture
def user() -> str:
    return f"user-{new_id()}"


@pytest.fixture
def address() -> str:
    """Somebody's own address, as the proxy in front names it."""
    return f"198.51.{new_id().int % 255}.{new_id().int % 255}"


def of(address: str, headers: Mapping[str, str] | None = None) -> dict[str, str]:
    return {"X-Forwarded-For": address, **(headers or {})}


def code(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code")


async def test_a_user_who_asks_too_often_is_429_wherever_the_requests_come_from(world: World, user: str) -> None:
    answers = [await world.http.get(ME, headers=of(f"203.0.113.{n}", bearer(user))) for n in range(USER_BURST + 1)]
    refused = answers[-1]
    other = await world.http.get(ME, headers=of("203.0.113.1", bearer(f"{user}-2")))

    assert [answer.status_code for answer in answers] == [200] * USER_BURST + [429]
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert (refused.json()["code"], refused.json()["status"]) == ("too_many_requests", 429)
    assert 90 <= int(refused.headers["Retry-After"]) <= 100
    assert other.status_code == 200
    assert 'purser_http_rate_limited_total{by="user"}' in (await world.http.get("/metrics")).text


async def test_a_page_of_an_allowed_origin_can_read_the_refusal(world: World, user: str, address: str) -> None:
    headers = of(address, {**bearer(user), "Origin": ORIGIN})
    by_user = [await world.http.get(ME, headers=headers) for _ in range(USER_BURST + 1)][-1]
    by_address = [await world.http.get("/", headers=headers) for _ in range(ADDRESS_BURST + 1)][-1]

    assert "for one user" in by_user.json()["detail"]
    assert "for one address" in by_address.json()["detail"]
    for refused in (by_user, by_address):
        assert refused.status_code == 429
        assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert refused.headers["Access-Control-Allow-Credentials"] == "true"
        assert "Retry-After" in refused.headers["Access-Control-Expose-Headers"]


async def test_what_is_429_was_not_done(world: World, user: str, address: str) -> None:
    async def post() -> httpx.Response:
        body = {"amount": 1, "currency": "rsd", "method": "mock"}
        return await world.http.post(DEPOSIT, json=body, headers=of(address, {**bearer(user), "Idempotency-Key": str(new_id())}))

    answers = await asyncio.gather(*(post() for _ in range(2 * USER_BURST)))

    assert sorted(answer.status_code for answer in answers) == [201] * USER_BURST + [429] * USER_BURST
    assert len(world.stand_ins.asked_of(CreateDeposit)) == USER_BURST


async def test_before_authentication_only_the_address_counts(world: World, user: str, address: str) -> None:
    forged = of(address, bearer(user, secret="somebody else's secret, long enough 0123456789"))
    for _ in range(ADDRESS_BURST):
        assert code(await world.http.get(ME, headers=forged)) == (401, "invalid_token")
    own = bearer(user)

    assert code(await world.http.get(ME, headers=forged)) == (429, "too_many_requests")
    assert code(await world.http.get(ME, headers=of(address, own))) == (429, "too_many_requests")
    for n in range(USER_BURST):
        elsewhere = await world.http.get(ME, headers=of(f"203.0.113.{100 + n}", own))
        assert elsewhere.status_code == 200, "what was forged in the user's name did not use the user's rate up"


async def test_requests_without_the_csrf_token_do_not_use_the_users_rate_up(world: World, user: str, address: str) -> None:
    cookie = {"Cookie": f"purser_session={token(user)}"}
    for _ in range(USER_BURST + 1):
        assert code(await world.http.post(DEPOSIT, json={}, headers=of(address, cookie))) == (403, "csrf_failed")
    assert (await world.http.get(ME, headers=of(address, cookie))).status_code == 200


async def test_whoever_is_limited_may_still_log_out(world: World, user: str, address: str) -> None:
    for _ in range(USER_BURST + 1):
        last = await world.http.get(ME, headers=of(address, bearer(user)))
    assert last.status_code == 429
    assert (await world.http.delete(SESSION, headers=of(address, bearer(user)))).status_code == 204


async def test_a_providers_burst_is_never_refused(world: World, address: str) -> None:
    body = b'{"id":"evt_1"}'
    for _ in range(ADDRESS_BURST + 1):
        last = await world.http.get("/", headers=of(address))
    count = 3 * ADDRESS_BURST
    proofs = [signed(body, event_id=f"evt_{n}") for n in range(count)]
    answers = await asyncio.gather(*(world.http.post(MOCK, content=body, headers=of(address, proof)) for proof in proofs))
    forged = await asyncio.gather(*(world.http.post(MOCK, content=b"{}", headers=of(address, proof)) for proof in proofs))

    assert last.status_code == 429
    assert {answer.status_code for answer in answers} == {200}
    assert {code(answer) for answer in forged} == {(400, "invalid_signature")}, (
        "nor does a forger bring the provider's address into disrepute"
    )
    assert len(await world.events()) == count


async def test_probes_are_answered_at_any_rate(world: World, address: str) -> None:
    for path in ("/health/live", "/health/ready", "/metrics"):
        answers = [await world.http.get(path, headers=of(address)) for _ in range(ADDRESS_BURST + 1)]
        assert {answer.status_code for answer in answers} == {200}


async def test_an_ipv6_subscriber_counts_as_one_address(world: World) -> None:
    network = f"2001:db8:{new_id().int % 65_535:x}:{new_id().int % 65_535:x}"
    answers: list[Any] = [await world.http.get("/health/system", headers=of(f"{network}::{n:x}")) for n in range(ADDRESS_BURST + 1)]
    assert [answer.status_code for answer in answers] == [200] * ADDRESS_BURST + [429]
