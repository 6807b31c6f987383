"""Something behind is down or slow: the answer, or the page, says so in time, and repeating with the same key is safe ever after."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from html import unescape

import httpx
import pytest

from deploy.local.stack import Stack
from tests.flow.people import WAIT_SECONDS, Person, logged_in, newcomer
from tests.flow.reading_pages import told_now
from tests.flow.verifying import verify
from tests.servers import separate_stack

FORM = "/en/balance/deposit"
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


@pytest.fixture
async def visitor(fragile: Stack) -> AsyncIterator[Person]:
    """Somebody at the hosted pages, who has paid nothing yet."""
    async with newcomer(fragile) as person:
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


async def opened(stack: Stack, person: Person, path: str) -> httpx.Response:
    return await person.http.get(stack.gateway_url + path, headers={"Accept": "text/html"})


async def sent(stack: Stack, person: Person, path: str, fields: dict[str, str]) -> httpx.Response:
    return await person.http.post(stack.gateway_url + path, data=fields, headers={"Accept": "text/html"})


async def form_of(stack: Stack, person: Person, **fields: str) -> dict[str, str]:
    page = await opened(stack, person, FORM)
    hidden = re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', page.text)
    return {name: unescape(value) for name, value in hidden} | {"currency": "rsd", "method": "mock"} | fields


async def shown(stack: Stack, person: Person, path: str, status: int, words: str = "") -> httpx.Response:
    """The page, looked at again as it does by itself."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            answer = await opened(stack, person, path)
            assert answer.status_code in (status, 200, 503), answer.text
            if answer.status_code == status and words in told_now(answer.text):
                return answer
            await asyncio.sleep(0.1)


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


async def test_forms_that_are_sent_while_nobody_works_on_them_are_one_payment(fragile: Stack, visitor: Person) -> None:
    first_tab, phone = [await form_of(fragile, visitor, amount="40") for _ in range(2)]
    other_sum = await form_of(fragile, visitor, amount="41")
    await fragile.kill("payments")
    try:
        answers = await asyncio.gather(*(sent(fragile, visitor, FORM, form) for form in (first_tab, phone, first_tab)))
        other = await sent(fragile, visitor, FORM, other_sum)
        (onward,) = {answer.headers["location"] for answer in answers}
        meanwhile = await opened(fragile, visitor, onward)
    finally:
        await fragile.start_service("payments")

    assert {answer.status_code for answer in (*answers, other)} == {303}
    assert (meanwhile.status_code, "/static/recovering." in meanwhile.text) == (503, True), "it comes back by itself"
    at_the_mock = (await shown(fragile, visitor, onward, 303)).headers["location"]
    await shown(fragile, visitor, other.headers["location"], 303)
    assert at_the_mock.startswith("/payment/mock?session_id=")
    assert (await sent(fragile, visitor, FORM, phone)).headers["location"] == at_the_mock
    listed = (await visitor.get("/payments/history")).json()
    assert sorted(one["amount_minor"] for one in listed) == [4_000, 4_100]


async def test_nothing_is_told_as_paid_while_the_wallet_is_away_and_it_is_as_soon_as_it_is_back(fragile: Stack, visitor: Person) -> None:
    form = await form_of(fragile, visitor, amount="50")
    mock = (await sent(fragile, visitor, FORM, form)).headers["location"]
    session_id = mock.partition("session_id=")[2].partition("&")[0]
    success = f"{FORM}/success?session_id={session_id}&amount=999999"
    await fragile.kill("wallet")
    try:
        decided = await sent(fragile, visitor, "/payment/mock", {"session_id": session_id, "outcome": "success"})
        seen = [await opened(fragile, visitor, path) for path in (success, f"{FORM}?error=payment_failed&session_id={session_id}", FORM)]
    finally:
        await fragile.start_service("wallet")

    assert decided.status_code == 303
    for page in seen:
        assert "is on your balance" not in told_now(page.text), page.text
    paid = await shown(fragile, visitor, success, 200, "<h1>Top-up completed</h1>")
    assert "50.00" in paid.text
    assert "999" not in paid.text.partition("<footer")[0]
    assert (await visitor.balance())["available_minor"] == 5_000

    assert "/success?" in (await sent(fragile, visitor, FORM, form)).headers["location"], "the form from before is that payment's"
    again = await sent(fragile, visitor, FORM, await form_of(fragile, visitor, amount="50"))
    assert again.headers["location"].startswith("/payment/mock?"), "a new one is a second top-up"
    assert (await visitor.balance())["available_minor"] == 5_000


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
