"""What operators do, through the four services as processes: money that did not fit, disputes, transfers, the mock that says it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from shared.contracts.base import new_id
from tests.flow.people import WAIT_SECONDS, Person, newcomer
from tests.flow.verifying import verify


@pytest.fixture
async def student(stack: Stack) -> AsyncIterator[Person]:
    async with newcomer(stack) as person:
        yield person


@pytest.fixture
async def other(stack: Stack) -> AsyncIterator[Person]:
    async with newcomer(stack) as person:
        yield person


@pytest.fixture
async def admin(stack: Stack) -> AsyncIterator[Person]:
    async with newcomer(stack, "admin") as person:
        yield person


async def told(admin: Person, named: str, outcome: str = "success", **more: Any) -> dict[str, Any]:
    """The mock is made to say how a session has ended."""
    response = await admin.post(f"/mock/payments/{named}", {"outcome": outcome, **more})
    assert response.status_code == 200, response.text
    scheduled: dict[str, Any] = response.json()
    return scheduled


async def disputed(admin: Person, made: dict[str, Any], event: str) -> None:
    response = await admin.post("/mock/disputes", {"payment_id": made["payment_id"], "event": event})
    assert response.status_code == 200, response.text
    assert response.json()["event_id"].endswith(event)


async def until(ask: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool]) -> Any:
    """Asks until the answer is wanted; it."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not wanted(found := await ask()):
            await asyncio.sleep(0.05)
    return found


async def until_status(person: Person, made: dict[str, Any], status: str) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        payment: dict[str, Any] = (await person.get(f"/payments/{made['payment_id']}")).json()
        return payment

    payment: dict[str, Any] = await until(ask, lambda payment: payment["status"] == status)
    return payment


async def until_available(person: Person, currency: str, minor: int) -> None:
    await until(lambda: person.balance(currency), lambda balance: balance["available_minor"] == minor)


async def the_item(admin: Person, made: dict[str, Any], **query: Any) -> dict[str, Any]:
    """The one item of the payment, once it is there."""

    async def ask() -> list[dict[str, Any]]:
        page = (await admin.get("/suspense", limit=100, **query)).json()
        return [item for item in page["items"] if item["payment_id"] == made["payment_id"]]

    (item,) = await until(ask, lambda items: len(items) == 1)
    found: dict[str, Any] = item
    return found


async def test_less_than_was_asked_waits_for_an_admin_who_decides_once(student: Person, admin: Person) -> None:
    made = await student.deposit(40, "nok")
    scheduled = await told(admin, made["session_id"], amount="39.50")
    assert (scheduled["payment_id"], scheduled["times"]) == (made["payment_id"], 1)

    item = await the_item(admin, made, status="open")
    assert (item["amount"], item["amount_minor"], item["currency"], item["reason"]) == (39.5, 3_950, "nok", "less_than_asked")
    path = f"/suspense/{item['id']}"
    assert (await student.get("/suspense")).status_code == 403
    assert (await student.get(path)).status_code == 403
    assert (await student.post(f"{path}/assign", {"user_id": student.id})).json()["code"] == "forbidden"
    assert (await admin.post(f"{path}/assign", {})).status_code == 422
    assert (await admin.post(f"{path}/assign", {"user_id": student.id, "payment_id": made["payment_id"]})).status_code == 422
    assert (await admin.post(f"{path}/write-off", {"reason": "no reference"})).status_code == 422
    wrong = await admin.post(f"{path}/assign", {"payment_id": made["payment_id"]})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "amount_mismatch")

    given = await admin.post(f"{path}/assign", {"user_id": student.id}, key="give-it")
    again = await admin.post(f"{path}/assign", {"user_id": student.id}, key="give-it")
    late = await admin.post(f"{path}/refund")

    assert (given.status_code, given.json()["status"], given.json()["assigned_user_id"]) == (200, "assigned", student.id)
    assert (again.content, again.headers["Idempotent-Replayed"]) == (given.content, "true")
    assert (late.status_code, late.json()["code"]) == (409, "suspense_item_decided")
    assert (await admin.get(path)).content == given.content
    assert (await student.balance("nok"))["available_minor"] == 3_950, "the answer was true"
    assert (await admin.get(f"/suspense/{new_id()}")).json()["code"] == "suspense_item_not_found"


async def test_the_other_ways_out(student: Person, admin: Person) -> None:
    meant, paid_twice = await student.deposit(7, "sek"), await student.deposit(5, "sek")
    for made in (meant, paid_twice):
        await told(admin, made["session_id"], amount="5")
    item = await the_item(admin, meant)
    fitting = await student.deposit(5, "sek")
    assigned = await admin.post(f"/suspense/{item['id']}/assign", {"payment_id": fitting["payment_id"]})
    assert (assigned.status_code, assigned.json()["assigned_payment_id"]) == (200, fitting["payment_id"])
    assert (await until_status(student, fitting, "completed"))["transaction_id"] == f"suspense:{item['id']}:assigned"
    await until_status(student, paid_twice, "completed")

    for decision, body, status in (("refund", None, "refunded"), ("write-off", {"reference": "B-1", "reason": "nobody"}, "written_off")):
        made = await student.deposit(9, "sek")
        await told(admin, made["session_id"], currency="dkk")
        item = await the_item(admin, made)
        answer = await admin.post(f"/suspense/{item['id']}/{decision}", body)
        assert (answer.status_code, answer.json()["status"], item["currency"]) == (200, status, "dkk"), answer.text
    assert (await student.balance("sek"))["available_minor"] == 1_000


async def test_the_same_twice_and_another_charge_and_more_than_was_asked(student: Person, admin: Person) -> None:
    """lago #3618: settled twice within milliseconds."""
    made = await student.deposit(10, "pln")
    scheduled = await asyncio.gather(told(admin, made["session_id"], duplicate=20), told(admin, made["payment_id"], duplicate=20))
    assert [one["times"] for one in scheduled] == [21, 21]
    await until_available(student, "pln", 2_000)
    second = await the_item(admin, made)
    assert (second["reason"], second["status"], second["decided_by"]) == ("second_payment", "assigned", "system")

    dearer = await student.deposit(10, "pln")
    await told(admin, dearer["session_id"], amount=12.5)
    await until_available(student, "pln", 3_000)
    rest = await the_item(admin, dearer)
    assert (rest["amount_minor"], rest["reason"], rest["status"]) == (250, "more_than_asked", "open")


async def test_the_second_payment_of_a_guests_order_is_nobodys_until_an_admin_says(stack: Stack, admin: Person) -> None:
    form = {"product": "chakras", "email": "ana@example.rs", "points": [{"chakra": "ajna", "value": 2}], "method": "mock"}
    async with httpx.AsyncClient(base_url=stack.gateway_url, timeout=WAIT_SECONDS, trust_env=False) as guest:
        first = (await guest.post("/api/v1/orders", json=form)).json()
    second = (await admin.post(f"/orders/{first['order_id']}/payments", {})).json()

    await told(admin, second["session_id"])
    await told(admin, first["session_id"], delay_seconds=1)
    item = await the_item(admin, first)

    assert (item["reason"], item["status"], item["amount_minor"]) == ("second_payment", "open", first["amount_minor"])
    back = await admin.post(f"/suspense/{item['id']}/assign", {"payment_id": second["payment_id"]})
    assert (back.status_code, back.json()["code"]) == (409, "already_paid")
    assert (await admin.post(f"/suspense/{item['id']}/refund", {"reason": "paid twice"})).json()["status"] == "refunded"


async def test_a_delayed_contrary_event_completes_what_had_failed(student: Person, admin: Person) -> None:
    made = await student.deposit(3, "czk")
    await told(admin, made["session_id"], "failure")
    await until_status(student, made, "failed")

    await told(admin, made["session_id"], delay_seconds=1)

    await until_available(student, "czk", 300)
    await until_status(student, made, "completed")


async def test_the_controls_are_for_admins(student: Person, admin: Person) -> None:
    made = await student.deposit(3, "rsd")

    for body in ({"payment_id": made["payment_id"], "event": "opened"}, {}):
        assert (await student.post("/mock/disputes", body)).json()["code"] == "forbidden"
    assert (await student.post(f"/mock/payments/{made['session_id']}", {"outcome": "success"})).json()["code"] == "forbidden"
    unpaid = await admin.post("/mock/disputes", {"payment_id": made["payment_id"], "event": "opened"})
    assert (unpaid.status_code, unpaid.json()["code"]) == (400, "payment_not_disputable")
    for body in ({"outcome": "success", "delay_seconds": 601}, {"outcome": "success", "duplicate": 101}, {"outcome": "canceled"}, {}):
        assert (await admin.post(f"/mock/payments/{made['session_id']}", body)).status_code == 422, body
    assert (await admin.post(f"/mock/payments/{new_id()}", {"outcome": "success"})).json()["code"] == "session_not_found"


async def test_a_dispute_is_told_to_open_pages_and_takes_unsent_withdrawals_first(student: Person, admin: Person) -> None:
    made = await student.top_up(100, "huf")
    asked = {"amount": 60, "currency": "huf", "destination": {"type": "bank_account", "account": "160-0001-22", "name": "Jelena J"}}
    withdrawal = (await student.post("/balance/withdraw", asked)).json()
    async with student.socket() as socket:
        await socket.next("balance.snapshot")
        await disputed(admin, made, "opened")
        frame = await socket.next("payment.updated")
        payment = await until_status(student, made, "disputed")
        await until_available(student, "huf", 0)
        assert (frame["payment_id"], frame["status"]) == (made["payment_id"], "disputed")
        assert payment["dispute_status"] == "open"
        assert (await student.get(f"/withdrawals/{withdrawal['withdrawal_id']}")).json()["status"] == "canceled"
        refund = await admin.post(f"/payments/refund/{made['payment_id']}")
        assert refund.status_code == 400, refund.text

        await disputed(admin, made, "won")
        await until_status(student, made, "completed")
        await until_available(student, "huf", 10_000)
    assert (await student.get(f"/payments/{made['payment_id']}")).json()["dispute_status"] == "won"


async def test_a_lost_dispute_may_leave_less_than_nothing(student: Person, other: Person, admin: Person) -> None:
    made = await other.top_up(20, "ron")
    away = {"from_user_id": other.id, "to_user_id": student.id}
    gone = await admin.post("/transfers", {"amount": 15, "currency": "ron", **away, "reason": "gone"})
    assert gone.status_code == 201, gone.text

    await disputed(admin, made, "lost")

    await until_available(other, "ron", -1_500)
    assert (await until_status(other, made, "disputed"))["dispute_status"] == "lost"


async def test_transfers(student: Person, other: Person, admin: Person) -> None:
    await student.top_up(10, "try")
    wanted = {"amount": "2.50", "currency": "TRY", "from_user_id": student.id, "to_user_id": other.id, "reason": "a gift"}

    made = await admin.post("/transfers", {**wanted, "external_id": "try-1"}, key="try-1")
    again = await admin.post("/transfers", {**wanted, "external_id": "try-1"}, key="try-1")
    too_much = await admin.post("/transfers", {**wanted, "amount": 8})
    oneself = await admin.post("/transfers", {**wanted, "to_user_id": student.id})
    reused = await admin.post("/transfers", {**wanted, "external_id": "try-1"})

    assert (made.status_code, made.json()["status"], made.json()["amount_minor"]) == (201, "completed", 250), made.text
    assert again.content == made.content
    assert (too_much.status_code, too_much.json()["code"]) == (409, "insufficient_funds")
    assert (oneself.status_code, oneself.json()["code"]) == (422, "same_user")
    assert (reused.status_code, reused.json()["code"]) == (409, "external_id_reused")
    assert (await student.post("/transfers", wanted)).status_code == 403
    assert (await admin.post("/transfers", {**wanted, "amount": 0})).status_code == 422
    assert ((await student.balance("try"))["available_minor"], (await other.balance("try"))["available_minor"]) == (750, 250)
    path = made.headers["Location"].partition("/api/v1")[2]
    assert [(await person.get(path)).content for person in (student, other, admin)] == [made.content] * 3
    (seen,) = (await other.get("/balance/transactions", currency="try")).json()["items"]
    assert (seen["kind"], seen["amount_minor"], seen["description"]) == ("transfer", 250, "a gift")


async def test_afterwards_the_book_adds_up(stack: Stack) -> None:
    status, output = await verify(stack, "--settle-seconds", "0")
    assert status == 0, output
