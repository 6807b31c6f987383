"""What has been, through the four services as processes: one payment's every hop by its ids, and the list by pages and roles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from tests.flow.people import WAIT_SECONDS, Person, logged_in

Steps = list[dict[str, Any]]


@pytest.fixture(scope="module")
async def student(stack: Stack) -> AsyncIterator[Person]:
    async with logged_in(stack.gateway_url, stack.notifier_urls[0]) as person:
        yield person


@pytest.fixture(scope="module")
async def mentor(stack: Stack) -> AsyncIterator[Person]:
    async with logged_in(stack.gateway_url, stack.notifier_urls[0], "mentor") as person:
        yield person


@pytest.fixture(scope="module")
async def other(stack: Stack) -> AsyncIterator[Person]:
    async with logged_in(stack.gateway_url, stack.notifier_urls[0], "other") as person:
        yield person


@pytest.fixture(scope="module")
async def admin(stack: Stack) -> AsyncIterator[Person]:
    async with logged_in(stack.gateway_url, stack.notifier_urls[0], "admin") as person:
        yield person


async def timeline(person: Person, payment_id: str, *, told: int) -> Steps:
    """The timeline as soon as so many of the ledger's messages are told as sent (the relay marks them after it has sent them)."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            answer = await person.get(f"/payments/{payment_id}/timeline")
            assert answer.status_code == 200, answer.text
            items: Steps = answer.json()["items"]
            if len([item for item in items if (item["step"], item["service"]) == ("message.sent", "wallet")]) >= told:
                return items
            await asyncio.sleep(0.02)


def one(items: Steps, step: str, service: str | None = None, **ids: str) -> dict[str, Any]:
    (found,) = [
        item
        for item in items
        if item["step"] == step and item["service"] == (service or item["service"]) and ids.items() <= item["ids"].items()
    ]
    return found


async def test_one_payment_from_the_request_to_the_push_and_back(student: Person, other: Person, admin: Person) -> None:
    async with student.socket() as socket:
        await socket.next("balance.snapshot")
        asked = await student.post("/balance/deposit", {"amount": 1500, "currency": "rsd", "method": "mock"})
        made = asked.json()
        completing = await student.complete(made["session_id"])
        frame = await socket.next("balance.updated")
    assert completing.json()["status"] == "completed"
    deposited, completed = asked.headers["X-Request-ID"], completing.headers["X-Request-ID"]
    items = await timeline(student, made["payment_id"], told=1)

    # Each hop, in order of time, by the ids that it shares with the one before.
    requested = one(items, "payment.requested", request_id=deposited)
    opened = one(items, "session.opened", request_id=deposited, session_id=made["session_id"])
    received = one(items, "provider_event.received", "gateway", request_id=completed)
    stored = one(items, "provider_event.stored", "payments", event_id=received["ids"]["event_id"], request_id=completed)
    settled = one(items, "payment.completed", payment_id=made["payment_id"], request_id=completed)
    written = one(items, "message.written", "payments", request_id=completed)
    sent = one(items, "message.sent", "payments", message_id=written["ids"]["message_id"])
    booked = one(items, "ledger.transfer", "wallet", reference=settled["ids"]["transaction_id"], request_id=completed)
    entry = one(items, "ledger.entry", "wallet", transfer_id=booked["ids"]["transfer_id"], request_id=completed, user_id="1")
    pushed = one(items, "message.sent", "wallet", message_id=entry["ids"]["message_id"], request_id=completed)
    hops = [requested, opened, received, stored, settled, written, sent, booked, entry, pushed]
    assert sorted(map(repr, items)) == sorted(map(repr, hops)), "and nothing else"
    assert [item["at"] for item in items] == sorted(item["at"] for item in items)
    assert (written["detail"]["type"], pushed["detail"]["type"]) == ("payment.completed.v1", "balance.changed.v1")
    assert stored["detail"]["outcome"] == "applied"
    assert (booked["detail"]["source"], booked["detail"]["target"]) == ("clearing:mock", "user:1")
    assert entry["detail"]["version"] == frame["version"]
    assert entry["detail"]["available_after_minor"] == frame["available_minor"]
    assert entry["detail"]["change_minor"] == 150_000

    refund = await admin.post(f"/payments/refund/{made['payment_id']}", {"amount": 50_000})
    assert refund.status_code == 201, refund.text
    returned = refund.headers["X-Request-ID"]
    items = await timeline(admin, made["payment_id"], told=3)
    refund_id = refund.json()["refund_id"]
    one(items, "refund.requested", refund_id=refund_id, request_id=returned)
    one(items, "refund.succeeded", refund_id=refund_id)
    one(items, "audit.refund.request", request_id=returned)
    moves = [item for item in items if item["step"] == "ledger.transfer" and f"refund:{refund_id}" in item["ids"]["reference"]]
    assert [(move["detail"]["source"], move["detail"]["target"]) for move in moves] == [("user:1", "held:1"), ("held:1", "clearing:mock")]
    assert {move["ids"]["request_id"] for move in moves} == {returned}

    raw = one(items, "provider_event.received", "gateway", request_id=completed)["detail"]
    assert made["session_id"] in raw["body"]
    assert "webhook-signature" in raw["headers"]
    assert "webhook-signature" not in (await student.get(f"/payments/{made['payment_id']}/timeline")).text
    hidden = await other.get(f"/payments/{made['payment_id']}/timeline")
    assert (hidden.status_code, hidden.json()["code"]) == (404, "payment_not_found")


async def a_session_paid_for(payer: Person) -> str:
    body = {"amount": 5000, "currency": "usd", "session_id": 1, "mentor_id": 2, "description": "Lesson"}
    intent = await payer.post("/payments/create-intent", body)
    assert intent.status_code == 201, intent.text
    confirmed = await payer.post(f"/payments/confirm/{intent.json()['payment_id']}")
    assert confirmed.json()["status"] == "completed", confirmed.text
    return str(intent.json()["payment_id"])


async def test_a_session_that_was_paid_for_is_in_both_their_lists_and_each_sees_their_own_balance(
    student: Person, mentor: Person, other: Person, admin: Person
) -> None:
    payment_id = await a_session_paid_for(student)

    async def find(person: Person, **asked: Any) -> list[dict[str, Any]]:
        answer = await person.get("/payments/history", limit=100, **asked)
        assert answer.status_code == 200, answer.text
        return [item for item in answer.json() if item["id"] == payment_id]

    (item,) = await find(student)
    assert item == (await find(mentor))[0] == (await find(admin, all="true"))[0]
    assert (item["student_id"], item["mentor_id"], item["session_id"], item["description"]) == ("1", "2", "1", "Lesson")
    assert (item["amount"], item["amount_minor"], item["currency"], item["status"]) == (50.0, 5000, "usd", "completed")
    assert await find(other) == await find(admin) == await find(student, status="refunded") == []
    assert (await student.get("/payments/history", all="true")).status_code == 403

    mentors = await timeline(mentor, payment_id, told=1)
    assert one(mentors, "ledger.entry")["ids"]["user_id"] == "2"
    payers = (await student.get(f"/payments/{payment_id}/timeline")).json()["items"]
    assert [item["step"] for item in payers if item["step"] in ("ledger.transfer", "ledger.entry")] == ["ledger.transfer"]


async def test_a_dispute_and_money_that_came_twice_are_told_with_what_they_moved(other: Person, admin: Person) -> None:
    made = await other.top_up(40, "eur")
    second = await admin.post(f"/mock/payments/{made['session_id']}", {"outcome": "success"})
    disputed = await admin.post("/mock/disputes", {"payment_id": made["payment_id"], "event": "opened"})
    assert (second.status_code, disputed.status_code) == (200, 200), second.text + disputed.text
    # The credit, the second charge given to its payer, and the dispute's debit each change the balance once.
    items = await timeline(admin, made["payment_id"], told=3)

    dispute = one(items, "dispute.opened", request_id=disputed.headers["X-Request-ID"])
    debit = one(items, "ledger.transfer", reference=f"dispute:{dispute['ids']['dispute_id']}:opened")
    assert (debit["detail"]["source"], debit["detail"]["target"], debit["detail"]["amount_minor"]) == ("user:3", "clearing:mock", 4000)
    item = one(items, "suspense.opened", request_id=second.headers["X-Request-ID"])
    moves = [one(items, "ledger.transfer", reference=f"suspense:{item['ids']['suspense_id']}:{end}") for end in ("received", "assigned")]
    assert [(move["detail"]["source"], move["detail"]["target"]) for move in moves] == [
        ("clearing:mock", "suspense:mock"),
        ("suspense:mock", "user:3"),
    ]
    one(items, "suspense.assigned", suspense_id=item["ids"]["suspense_id"])


async def test_a_walk_by_links_finds_everything_once_while_new_ones_arrive(other: Person) -> None:
    made = {(await other.deposit(amount, "chf"))["payment_id"] for amount in range(1, 8)}
    seen: list[str] = []
    answer = await other.get("/payments/history", limit=3, status="pending")
    while True:
        assert answer.status_code == 200
        seen += [item["id"] for item in answer.json()]
        if "next" not in answer.links:
            break
        await other.deposit(100, "chf")
        # The link names the public address; the port is the same.
        url = httpx.URL(answer.links["next"]["url"])
        answer = await other.http.get(url.copy_with(host=other.http.base_url.host, port=other.http.base_url.port))

    assert len(seen) == len(set(seen))
    assert made <= set(seen)
    whole = (await other.get("/payments/history", limit=100, status="pending")).json()
    assert (await other.get("/payments/history", limit=2, skip=1, status="pending")).json() == whole[1:3]
