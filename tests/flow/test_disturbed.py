"""Something behind is down or slow: the answer says so in time, and repeating with the same key is safe ever after."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from deploy.local.stack import Stack
from tests.flow.people import WAIT_SECONDS, Person, logged_in
from tests.flow.verifying import verify
from tests.servers import separate_stack

IMPATIENT = {"RPC_TIMEOUT_SECONDS": "1", "RECONCILE_AFTER_SECONDS": "1"}


@pytest.fixture(scope="module")
async def fragile() -> AsyncIterator[Stack]:
    """A stack of its own, whose parts are killed and brought back."""
    async with separate_stack(IMPATIENT) as running:
        yield running


@pytest.fixture
async def student(fragile: Stack) -> AsyncIterator[Person]:
    async with logged_in(fragile.gateway_url, fragile.notifier_urls[0]) as person:
        yield person


async def until(person: Person, path: str, status: str) -> dict[str, object]:
    """Polls `path` as a client would; it may never answer 404 on the way."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            response = await person.http.get(path)
            assert response.status_code in (200, 503), response.text
            body: dict[str, object] = response.json()
            if response.status_code == 200 and body["status"] == status:
                return body
            await asyncio.sleep(0.1)


async def unready(stack: Stack, person: Person) -> None:
    """Returns when the gateway has noticed that its broker is gone."""
    async with asyncio.timeout(WAIT_SECONDS):
        while (await person.http.get(f"{stack.gateway_url}/health/ready")).status_code != 503:
            await asyncio.sleep(0.01)


async def test_broker_down_is_503_in_time_and_the_key_is_safe_afterwards(fragile: Stack, student: Person) -> None:
    before = await student.balance()
    order = {"amount": 10, "currency": "rsd", "method": "mock"}
    await fragile.rabbitmq.kill()
    try:
        # What is sent before the gateway has noticed may have left: that is a 202.
        await unready(fragile, student)
        asked = time.monotonic()
        refused = await student.post("/balance/deposit", order, key="during-the-outage")
        took = time.monotonic() - asked
        reading = await student.get("/balance")
        webhook = await student.http.post("/webhooks/mock", content=b"{}", headers={"content-type": "application/json"})
        ready = await student.http.get(f"{fragile.gateway_url}/health/ready")
        system = await student.http.get(f"{fragile.gateway_url}/health/system")
    finally:
        await fragile.rabbitmq.restart()
    await fragile.wait_ready()

    assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
    assert int(refused.headers["Retry-After"]) >= 1
    assert took < 5
    assert reading.status_code == 503
    assert webhook.status_code == 400, "a forged one is refused whatever is down"
    assert (ready.status_code, system.status_code) == (503, 503)

    made = await student.post("/balance/deposit", order, key="during-the-outage")
    assert made.status_code == 201, made.text
    assert "Idempotent-Replayed" not in made.headers
    done = await student.complete(made.json()["session_id"])
    assert done.status_code in (200, 202)
    await until(student, f"/payments/{made.json()['payment_id']}", "completed")
    assert (await student.balance())["available_minor"] == before["available_minor"] + 1_000


async def test_slow_is_202_with_a_location_that_never_answers_404(fragile: Stack, student: Person) -> None:
    order = {"amount": 20, "currency": "rsd", "method": "mock"}
    await fragile.kill("payments")
    try:
        accepted = await student.post("/balance/deposit", order, key="slow")
        location = accepted.headers["Location"]
        asked_before = await student.http.get(location)
    finally:
        await fragile.start_service("payments")

    assert accepted.status_code == 202, accepted.text
    assert accepted.json()["status"] == "accepted"
    assert asked_before.status_code in (200, 503), "accepted, or a question that had no answer; never 404"
    seen = await until(student, location, "pending")
    assert seen["payment_id"] == accepted.json()["payment_id"]

    repeated = await student.post("/balance/deposit", order, key="slow")
    assert repeated.status_code == 201
    assert repeated.json()["payment_id"] == seen["payment_id"]
    assert repeated.headers["Idempotent-Replayed"] == "true"


async def test_a_completion_that_nobody_waited_for_is_completed_all_the_same(fragile: Stack, student: Person) -> None:
    """payments decided, but gateway was no longer there to hand the event in: the provider is asked."""
    before = await student.balance()
    made = await student.deposit(25)
    await fragile.kill("payments")
    try:
        accepted = await student.complete(made["session_id"])
    finally:
        await fragile.start_service("payments")

    assert (accepted.status_code, accepted.json()["status"]) == (202, "accepted")
    done = await until(student, accepted.headers["Location"], "completed")
    assert done["payment_id"] == made["payment_id"]
    assert (await student.balance())["available_minor"] == before["available_minor"] + 2_500


async def test_wallet_down_never_tells_completed_before_the_credit(fragile: Stack, student: Person) -> None:
    before = await student.balance()
    made = await student.deposit(30)
    await fragile.kill("wallet")
    try:
        done = await student.complete(made["session_id"])
    finally:
        await fragile.start_service("wallet")

    assert (done.status_code, done.json()["status"]) == (202, "accepted")
    await until(student, done.headers["Location"], "completed")
    assert (await student.balance())["available_minor"] == before["available_minor"] + 3_000


async def test_the_broker_lost_and_back_brings_a_new_snapshot_and_then_the_updates(fragile: Stack, student: Person) -> None:
    async with student.socket() as socket:
        await socket.next("balance.snapshot")
        await fragile.rabbitmq.kill()
        await fragile.rabbitmq.restart()
        fresh = await socket.next("balance.snapshot")
        await fragile.wait_ready()
        made = await student.top_up(5)
        update = await socket.next("balance.updated")

    before = {balance["currency"]: balance for balance in fresh["balances"]}["rsd"]
    assert update["payment_id"] == made["payment_id"]
    assert update["version"] == before["version"] + 1


async def test_a_notifier_that_goes_down_says_1012(fragile: Stack, student: Person) -> None:
    async with student.socket() as socket:
        await socket.next("balance.snapshot")
        stopping = asyncio.create_task(fragile.stop_service("notifier"))
        assert await socket.closed() == 1012
        assert await stopping == 0
    await fragile.start_service("notifier")


@pytest.mark.parametrize("service", ["gateway", "payments", "wallet"])
async def test_each_service_stops_in_order_within_ten_seconds(fragile: Stack, student: Person, service: str) -> None:
    started = time.monotonic()
    status = await fragile.stop_service(service)
    took = time.monotonic() - started
    await fragile.start_service(service)

    assert status == 0
    assert took < 10


async def test_afterwards_the_book_adds_up(fragile: Stack) -> None:
    status, output = await verify(fragile, "--settle-seconds", "20")
    assert status == 0, output
