"""Money back, through the four services as processes: taken from whom it was given to, told to open pages, and never twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from tests.flow.people import WAIT_SECONDS, Person, logged_in, newcomer
from tests.flow.verifying import verify

ORDER = {
    "product": "chakras",
    "email": "refunded@example.org",
    "birth_date": "1990-01-31",
    "points": [{"chakra": "anahata", "value": 7}],
    "method": "mock",
    "locale": "en",
}


@dataclass
class People:
    student: Person
    mentor: Person
    admin: Person


@pytest.fixture
async def people(stack: Stack) -> AsyncIterator[People]:
    async with AsyncExitStack() as exits:
        student = await exits.enter_async_context(newcomer(stack))
        mentor, admin = [
            await exits.enter_async_context(logged_in(stack.gateway_url, stack.notifier_urls[0], login)) for login in ("mentor", "admin")
        ]
        yield People(student, mentor, admin)


@pytest.fixture(autouse=True, scope="module")
async def the_book_adds_up(stack: Stack) -> AsyncIterator[None]:
    """Whatever the stories did, afterwards the verifier finds nothing."""
    yield
    status, output = await verify(stack)
    assert status == 0, output


async def paid_session(people: People) -> str:
    """The demo's session 1 of the mentor, 50.00 usd, paid; the payment's id."""
    made = await people.student.post("/payments/create-intent", {"amount": 5000, "currency": "usd", "session_id": 1, "mentor_id": 2})
    assert made.status_code == 201, made.text
    payment_id = str(made.json()["payment_id"])
    confirmed = await people.student.post(f"/payments/confirm/{payment_id}")
    assert confirmed.json()["status"] == "completed", confirmed.text
    return payment_id


async def refund(person: Person, payment_id: str, *, key: str | None = None, **body: Any) -> httpx.Response:
    return await person.post(f"/payments/refund/{payment_id}", body or None, key=key)


async def polled(person: Person, path: str, *statuses: str) -> dict[str, Any]:
    """The refund at `path`, once its status is one of these."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            told: dict[str, Any] = (await person.get(path)).json()
            if told.get("refund_status") in statuses:
                return told
            await asyncio.sleep(0.05)


def problem(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def test_a_mentor_gives_back_a_session_in_two_parts_and_everyones_page_shows_it(people: People) -> None:
    payment_id, before = await paid_session(people), await people.mentor.balance("usd")
    async with people.student.socket() as payers, people.mentor.socket() as mentors:
        first = await refund(people.mentor, payment_id, amount=2000, reason="shorter", key=f"part-{payment_id}")
        payers_frame = await payers.next("payment.updated")
        while (mentors_frame := await mentors.next("balance.updated"))["kind"] != "refund":
            pass
    rest = await refund(people.mentor, payment_id)
    again = await refund(people.mentor, payment_id, amount=2000, reason="shorter", key=f"part-{payment_id}")

    assert first.status_code == rest.status_code == 201, first.text + rest.text
    told = first.json()
    assert first.headers["Location"].endswith(f"/api/v1/payments/{payment_id}/refunds/{told['refund_id']}")
    expected = {
        "payment_id": payment_id, "refund_status": "succeeded", "status": "partially_refunded",
        "refunded_amount": 20.0, "refunded_amount_minor": 2000, "amount_minor": 2000,
    }  # fmt: skip
    assert {name: told[name] for name in expected} == expected
    assert (rest.json()["amount_minor"], rest.json()["status"], rest.json()["refunded_amount"]) == (3000, "refunded", 50.0)
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true"), "byte for byte, whatever came after"
    assert (payers_frame["payment_id"], payers_frame["status"], payers_frame["refunded_amount_minor"]) == (
        payment_id,
        "partially_refunded",
        2000,
    )
    assert (mentors_frame["payment_id"], mentors_frame["change_minor"]) == (payment_id, -2000)
    after = await people.mentor.balance("usd")
    assert (before["available_minor"] - after["available_minor"], after["held_minor"]) == (5000, before["held_minor"])
    shown = (await people.student.get(f"/payments/{payment_id}")).json()
    assert (shown["status"], shown["refunded_amount_minor"]) == ("refunded", 5000)
    listed = (await people.student.get(f"/payments/{payment_id}/refunds")).json()
    assert [item["refund_id"] for item in listed["items"]] == [rest.json()["refund_id"], told["refund_id"]]
    assert problem(await refund(people.mentor, payment_id)) == (409, "already_refunded")
    other_body = await refund(people.mentor, payment_id, amount=1999, key=f"part-{payment_id}")
    assert problem(other_body) == (422, "idempotency_key_reused")


async def test_what_cannot_go_back_says_why(people: People) -> None:
    payment_id = await paid_session(people)
    unpaid = await people.student.deposit(100)

    assert problem(await refund(people.student, payment_id)) == (403, "forbidden")
    assert problem(await refund(people.mentor, payment_id, force=True)) == (403, "forbidden")
    assert problem(await refund(people.mentor, payment_id, amount=5001)) == (409, "refund_exceeds_payment")
    assert problem(await refund(people.mentor, unpaid["payment_id"])) == (404, "payment_not_found")
    assert problem(await refund(people.admin, unpaid["payment_id"])) == (400, "payment_not_refundable")
    assert problem(await refund(people.admin, "no-such-payment")) == (404, "payment_not_found")
    for body in (
        {"amount": 0},
        {"amount": -1},
        {"amount": 10.5},
        {"amount": "10"},
        {"amount": True},
        {"amount": 10**16},
        {"force": "yes"},
        {"all": 1},
    ):
        assert problem(await refund(people.admin, payment_id, **body)) == (422, "invalid_request"), body
    assert (await people.student.get(f"/payments/{payment_id}/refunds")).json() == {"items": [], "next_cursor": None}


async def test_a_top_up_of_dinars_of_three_decimals_goes_back_from_the_wallet(people: People) -> None:
    before = await people.student.balance("kwd")
    made = await people.student.top_up("5.001", "kwd")

    done = await refund(people.admin, made["payment_id"], amount=1001)

    assert (done.status_code, done.json()["refunded_amount"], done.json()["amount"]) == (201, 1.001, 1.001), done.text
    after = await people.student.balance("kwd")
    assert after["available_minor"] - before["available_minor"] == 4000
    items = (await people.student.get("/balance/transactions", currency="kwd", limit=2)).json()["items"]
    assert [(item["kind"], item["amount_minor"], item["payment_id"]) for item in items] == [
        ("refund", -1001, made["payment_id"]), ("deposit", 5001, made["payment_id"]),
    ]  # fmt: skip


async def test_the_mock_plays_every_provider_one_that_declines_is_slow_or_changes_its_mind(people: People) -> None:
    payment_id, before = await paid_session(people), await people.mentor.balance("usd")

    async def unchanged() -> bool:
        now = await people.mentor.balance("usd")
        return (now["available_minor"], now["held_minor"]) == (before["available_minor"], before["held_minor"])

    declined = await refund(people.mentor, payment_id, amount=100, reason="mock:decline")
    assert (declined.status_code, declined.json()["refund_status"], declined.json()["status"]) == (201, "failed", "completed"), (
        declined.text
    )
    assert await unchanged()

    later, pending = await asyncio.gather(
        refund(people.mentor, payment_id, amount=1000, reason="mock:fail-later"),
        refund(people.mentor, payment_id, amount=2000, reason="mock:pending"),
    )
    assert (later.status_code, later.json()["refund_status"]) == (201, "succeeded"), later.text
    assert (pending.status_code, pending.json()["refund_status"]) == (201, "pending"), pending.text
    silent = await refund(people.mentor, payment_id, amount=500, reason="mock:silent")
    assert (silent.status_code, silent.json()["status"]) == (202, "accepted"), silent.text
    heard = await polled(people.mentor, silent.headers["Location"], "succeeded", "failed")
    assert (heard["refund_id"], heard["refund_status"]) == (silent.json()["refund_id"], "succeeded")
    ended = await polled(people.student, pending.headers["Location"], "succeeded", "failed")
    assert (ended["refund_status"], ended["amount_minor"]) == ("succeeded", 2000)
    back = await polled(people.student, later.headers["Location"], "failed")
    assert back["failure_reason"] == "the payer's bank sent it back"

    shown = (await people.student.get(f"/payments/{payment_id}")).json()
    assert (shown["status"], shown["refunded_amount_minor"]) == ("partially_refunded", 2500)
    assert (await refund(people.mentor, payment_id, amount=2500)).json()["status"] == "refunded", "what failed can go back again"


async def test_force_cancels_unsent_withdrawals_and_books_the_rest_to_the_platform(people: People) -> None:
    made = await people.student.top_up(100, "huf")
    poor = await people.student.balance("huf")
    bank = {"type": "bank_account", "account": "160-0000000056789-95", "name": "Jelena Jovanović"}
    held = await people.student.post("/balance/withdraw", {"amount": 60, "currency": "huf", "destination": bank})
    assert held.status_code == 201, held.text

    assert problem(await refund(people.admin, made["payment_id"])) == (409, "insufficient_funds")
    done = await refund(people.admin, made["payment_id"], force=True, reason="closed account")

    assert (done.status_code, done.json()["status"]) == (201, "refunded"), done.text
    withdrawal = (await people.student.get(f"/withdrawals/{held.json()['withdrawal_id']}")).json()
    assert withdrawal["status"] == "canceled"
    after = await people.student.balance("huf")
    assert (after["available_minor"], after["held_minor"]) == (poor["available_minor"] - 10_000, 0)
    audited = (await people.admin.get("/audit", limit=20)).json()["items"]
    assert "refund.force" in {entry["action"] for entry in audited}


async def test_a_session_paid_from_the_balance_goes_back_to_it_at_once(people: People) -> None:
    await people.student.top_up(50, "usd")
    before = await people.student.balance("usd")
    made = await people.student.post(
        "/payments/create-intent", {"amount": 5000, "currency": "usd", "session_id": 1, "mentor_id": 2, "method": "balance"}
    )
    assert made.json()["status"] == "completed", made.text

    done = await refund(people.mentor, made.json()["payment_id"])

    assert (done.status_code, done.json()["refund_status"], done.json()["status"]) == (201, "succeeded", "refunded"), done.text
    assert (await people.student.balance("usd"))["available_minor"] == before["available_minor"]


async def test_fifty_partial_refunds_at_once_give_back_exactly_what_was_paid(people: People) -> None:
    payment_id = await paid_session(people)

    answers = await asyncio.gather(*(refund(people.mentor, payment_id, amount=130) for _ in range(50)))

    made = [answer for answer in answers if answer.status_code == 201]
    assert len(made) == 5000 // 130
    assert {problem(answer) for answer in answers if answer.status_code != 201} == {(409, "refund_exceeds_payment")}
    assert (await refund(people.mentor, payment_id)).json()["refunded_amount_minor"] == 5000


async def test_an_order_goes_back_from_the_platforms_revenue_and_only_an_admin_may_say_so(people: People) -> None:
    made = await people.student.post("/orders", ORDER)
    assert made.status_code == 201, made.text
    order = made.json()
    paid = await people.student.complete(order["session_id"])
    assert (paid.status_code, paid.json()["status"]) == (200, "completed"), paid.text
    before = await people.student.balance(order["currency"])

    assert problem(await refund(people.mentor, order["payment_id"])) == (404, "payment_not_found")
    part = await refund(people.admin, order["payment_id"], amount=1)
    rest = await refund(people.admin, order["payment_id"])

    assert (part.status_code, part.json()["status"]) == (201, "partially_refunded"), part.text
    assert (rest.status_code, rest.json()["status"]) == (201, "refunded"), rest.text
    assert (await people.student.get(f"/orders/{order['order_id']}")).json()["status"] == "refunded"
    assert await people.student.balance(order["currency"]) == before, "it was never in a balance"
