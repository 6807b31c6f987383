"""What happens fifty at a time, through everything: whoever comes first, it ends in one legal state and the book is exact."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from shared.contracts.base import new_id
from tests.flow.people import WAIT_SECONDS, Person, newcomer
from tests.flow.verifying import verify

BANK = {"type": "bank_account", "account": "160-0000000056789-95", "name": "Jelena Jovanović"}
ORDER = {"product": "chakras", "points": [{"chakra": "ajna", "value": 2}], "method": "mock"}


@dataclass
class People:
    student: Person
    mentor: Person
    admin: Person


@pytest.fixture
async def people(stack: Stack) -> AsyncIterator[People]:
    async with AsyncExitStack() as exits:
        people = [await exits.enter_async_context(newcomer(stack, role)) for role in ("student", "mentor", "admin")]
        yield People(*people)


@pytest.fixture(autouse=True, scope="module")
async def the_book_adds_up(stack: Stack) -> AsyncIterator[None]:
    yield
    status, output = await verify(stack)
    assert status == 0, output


def heard(answers: list[httpx.Response]) -> Counter[tuple[int, str]]:
    """Each answer's status, and its code or what it says the state is."""
    return Counter((one.status_code, one.json().get("code") or one.json().get("refund_status") or one.json()["status"]) for one in answers)


async def sums(person: Person, currency: str) -> tuple[int, int]:
    """Available and held."""
    balance = await person.balance(currency)
    return balance["available_minor"], balance["held_minor"]


async def until(person: Person, path: str, *statuses: str) -> str:
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            status = str((await person.get(path)).json()["status"])
            if status in statuses:
                return status
            await asyncio.sleep(0.03)


async def intent(people: People, currency: str, price: int = 10_000) -> str:
    """A pending payment for a session of the mentor's own, priced in this currency."""
    session_id = f"race-{new_id().hex}"
    session = {"mentor_id": people.mentor.id, "price": price, "currency": currency, "title": "x"}
    await people.mentor.http.put(f"/sessions/{session_id}", json=session)
    body = {"amount": price, "currency": currency, "session_id": session_id, "mentor_id": people.mentor.id, "method": "mock"}
    made = await people.student.post("/payments/create-intent", body)
    assert made.status_code == 201, made.text
    return str(made.json()["payment_id"])


async def top_up(person: Person, amount: int, currency: str) -> str:
    return str((await person.top_up(amount, currency))["payment_id"])


async def test_confirmations_race_the_providers_own_event(people: People) -> None:
    """medusa #13301: whichever of payer and provider is heard first, the charge is one unless the provider says that there were two."""
    payment_id, before = await intent(people, "gbp"), await sums(people.mentor, "gbp")
    students = (await sums(people.student, "gbp"))[0]

    async def confirm() -> httpx.Response:
        return await people.student.post(f"/payments/confirm/{payment_id}")

    answers = await asyncio.gather(
        *(confirm() for _ in range(25)),
        people.admin.post(f"/mock/payments/{payment_id}", {"outcome": "success", "duplicate": 20}),
        *(confirm() for _ in range(25)),
    )

    confirmed = heard([*answers[:25], *answers[26:]])
    assert confirmed == {(200, "completed"): 50}
    assert await sums(people.mentor, "gbp") == (before[0] + 10_000, 0)
    # The control's charge is the confirmed one when it was first, else a second one, which is the payer's.
    kept = [item for item in (await people.admin.get("/suspense", limit=100)).json()["items"] if item["payment_id"] == payment_id]
    assert len(kept) <= 1
    async with asyncio.timeout(WAIT_SECONDS):
        while (await sums(people.student, "gbp"))[0] != students + 10_000 * len(kept):
            await asyncio.sleep(0.03)


async def test_approvals_rejections_and_cancellations_end_in_one_decision(people: People) -> None:
    await top_up(people.student, 100, "mkd")
    for round_number in range(3):
        before = await sums(people.student, "mkd")
        made = await people.student.post("/balance/withdraw", {"amount": 20, "currency": "mkd", "destination": BANK})
        path = f"/withdrawals/{made.json()['withdrawal_id']}"
        roads = (
            lambda path=path: people.admin.post(f"{path}/approve"),
            lambda path=path: people.student.post(f"{path}/cancel"),
            lambda path=path: people.admin.post(f"{path}/reject", {"reason": "no"}),
        )

        answers = await asyncio.gather(*(roads[(n + round_number) % 3]() for n in range(50)))

        decided = {one.request.url.path.rsplit("/", 1)[1] for one in answers if one.status_code == 200}
        assert len(decided) == 1, heard(answers)
        assert {code for (status, code) in heard(answers) if status == 409} <= {"withdrawal_final", "withdrawal_not_pending"}
        status = await until(people.student, path, "paid", "canceled", "rejected")
        assert {"paid": "approve", "canceled": "cancel", "rejected": "reject"}[status] in decided
        assert await sums(people.student, "mkd") == (before[0] - (2_000 if status == "paid" else 0), 0)


async def test_everything_that_takes_from_one_balance_at_once_never_takes_more_than_there_is(people: People) -> None:
    """blnk #181, over all roads: refunds, withdrawals, transfers and payments compete for 100.00."""
    payments = [await intent(people, "ron", 2_500) for _ in range(4)]
    for payment_id in payments:
        assert (await people.student.post(f"/payments/confirm/{payment_id}")).status_code == 200
    assert await sums(people.mentor, "ron") == (10_000, 0)
    ends = {"from_user_id": people.mentor.id, "to_user_id": people.student.id}

    async def take(number: int) -> httpx.Response:
        match number % 3:
            case 0:
                return await people.mentor.post(f"/payments/refund/{payments[number % 4]}", {"amount": 700})
            case 1:
                return await people.mentor.post("/balance/withdraw", {"amount": 7, "currency": "ron", "destination": BANK})
            case _:
                return await people.admin.post("/transfers", {"amount": 7, "currency": "ron", **ends})

    answers = await asyncio.gather(*(take(number) for number in range(50)))

    told = heard(answers)
    assert {status for status, _ in told} == {201, 409}, told
    assert {code for status, code in told if status == 409} <= {"insufficient_funds", "refund_exceeds_payment"}
    assert sum(times for (status, _), times in told.items() if status == 201) == 10_000 // 700
    assert await sums(people.mentor, "ron") == (10_000 % 700, 700 * told[201, "pending"])


async def test_two_refunds_of_everything_fifty_at_once_are_one(people: People) -> None:
    """blnk #152: a refund that is repeated gives the money back once."""
    payment_id = await top_up(people.student, 100, "isk")
    before = await sums(people.student, "isk")

    answers = await asyncio.gather(*(people.admin.post(f"/payments/refund/{payment_id}", {"force": n % 2 == 1}) for n in range(50)))

    assert heard(answers) == {(201, "succeeded"): 1, (409, "already_refunded"): 49}
    # The rest were refused: nobody's money was taken for them, by force or without.
    assert await sums(people.student, "isk") == (before[0] - 100, 0)


async def test_a_dispute_opens_while_refunds_are_asked_for(people: People) -> None:
    """The bank takes what is not on its way back; both together never take more than was paid from whoever was credited."""
    payment_id = await top_up(people.student, 100, "try")

    async def refund() -> httpx.Response:
        return await people.admin.post(f"/payments/refund/{payment_id}", {"amount": 300})

    first = [refund() for _ in range(10)]
    dispute = people.admin.post("/mock/disputes", {"payment_id": payment_id, "event": "opened"})
    answers = await asyncio.gather(*first, dispute, *(refund() for _ in range(39)))

    refunds = heard([*answers[:10], *answers[11:]])
    assert {status for status, _ in refunds} <= {201, 400, 409}, refunds
    assert {code for status, code in refunds if status != 201} <= {
        "payment_disputed",
        "insufficient_funds",
        "already_refunded",
        "refund_exceeds_payment",
    }
    await until(people.student, f"/payments/{payment_id}", "disputed")
    view = (await people.student.get(f"/payments/{payment_id}")).json()
    assert view["refunded_amount_minor"] == 300 * refunds[201, "succeeded"]
    async with asyncio.timeout(WAIT_SECONDS):
        # All of the top-up is gone: refunded, or with the bank.
        while await sums(people.student, "try") != (0, 0):
            await asyncio.sleep(0.03)


async def test_two_sessions_of_one_order_are_both_paid_and_two_orders_never_mix(people: People) -> None:
    """saleor #14733: whoever has paid has their order, and what was paid twice is there to be given back."""
    async with httpx.AsyncClient(base_url=str(people.admin.http.base_url), timeout=WAIT_SECONDS, trust_env=False) as guest:
        orders = [(await guest.post("/orders", json=ORDER | {"email": f"race-{n}@example.org"})).json() for n in range(2)]
        again = [(await guest.post(f"/orders/{order['order_id']}/payments", json={})).json() for order in orders]

    async def told(payment_id: str) -> httpx.Response:
        return await people.admin.post(f"/mock/payments/{payment_id}", {"outcome": "success", "duplicate": 11})

    # Each event twelve times; each of the four sessions is paid by one charge.
    answers = await asyncio.gather(*(told(session["payment_id"]) for session in (*orders, *again)))

    assert {one.status_code for one in answers} == {200}
    for order in orders:
        assert await until(people.admin, f"/orders/{order['order_id']}", "fulfilled") == "fulfilled"

    async def items() -> list[dict[str, Any]]:
        listed = (await people.admin.get("/suspense", status="open", limit=100)).json()["items"]
        ours = {session["payment_id"] for session in (*orders, *again)}
        return [item for item in listed if item["payment_id"] in ours]

    async with asyncio.timeout(WAIT_SECONDS):
        while len(kept := await items()) != 2:
            await asyncio.sleep(0.03)
    assert [(item["reason"], item["amount_minor"]) for item in kept] == [("second_payment", 99_000)] * 2
    for order, second in zip(orders, again, strict=True):
        statuses = [(await people.admin.get(f"/payments/{one['payment_id']}")).json()["status"] for one in (order, second)]
        assert statuses.count("completed") == 1, statuses
