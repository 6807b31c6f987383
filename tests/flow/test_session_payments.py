"""Paying for sessions through the four services as processes: at the stand-in provider, and from the balance."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from tests.flow.people import Person, logged_in

SECRET = re.compile(r"pi_[A-Za-z0-9]{24,}_secret_[A-Za-z0-9]{24,}")


@pytest.fixture(scope="module")
async def people(stack: Stack) -> AsyncIterator[dict[str, Person]]:
    url, notifier = stack.gateway_url, stack.notifier_urls[0]
    async with (
        logged_in(url, notifier) as student,
        logged_in(url, notifier, "other") as other,
        logged_in(url, notifier, "mentor") as mentor,
        logged_in(url, notifier, "mentor2") as mentor2,
        logged_in(url, notifier, "admin") as admin,
    ):
        yield {"student": student, "other": other, "mentor": mentor, "mentor2": mentor2, "admin": admin}


async def pay(person: Person, *, key: str | None = None, **changes: Any) -> httpx.Response:
    """An intent for session 1 at its price."""
    body = {"amount": 5000, "currency": "usd", "session_id": 1, "mentor_id": 2, **changes}
    return await person.post("/payments/create-intent", body, key=key)


async def intent(person: Person, **changes: Any) -> dict[str, Any]:
    response = await pay(person, **changes)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def available(person: Person, currency: str = "usd") -> int:
    return int((await person.balance(currency))["available_minor"])


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def test_an_intent_confirmed_credits_the_mentor(people: dict[str, Person]) -> None:
    student, mentor = people["student"], people["mentor"]
    before = await available(mentor)
    response = await pay(student, session_id="1", mentor_id="2", method="mock", description="Lesson", external_id="lesson-1")
    made = response.json()

    assert response.status_code == 201, response.text
    assert response.headers["Location"].endswith(f"/api/v1/payments/{made['payment_id']}")
    assert (made["amount"], made["amount_minor"], made["currency"], made["status"]) == (50.0, 5000, "usd", "pending")
    assert (made["session_id"], made["mentor_id"], made["payment_method"]) == ("1", "2", "mock")
    assert SECRET.fullmatch(made["client_secret"])

    async with mentor.socket() as socket:
        await socket.next("balance.snapshot")
        confirmed = await student.post(f"/payments/confirm/{made['payment_id']}")
        assert await available(mentor) == before + 5000, "completed means that the balance shows it"
        frame = await socket.next("balance.updated")
    again = await student.post(f"/payments/confirm/{made['payment_id']}")

    assert confirmed.status_code == 200, confirmed.text
    assert confirmed.json() == {
        "payment_id": made["payment_id"],
        "status": "completed",
        "amount": 50.0,
        "amount_minor": 5000,
        "currency": "usd",
        "payment_method": "mock",
    }
    assert again.content == confirmed.content
    assert (frame["change_minor"], frame["kind"], frame["payment_id"]) == (5000, "payment", made["payment_id"])
    for reader in (student, mentor, people["admin"]):
        view = (await reader.get(f"/payments/{made['payment_id']}")).json()
        assert (view["status"], view["mentor_id"], view["student_id"], view["session_id"]) == ("completed", "2", "1", "1")
        assert (view["external_id"], view["description"], view["kind"]) == ("lesson-1", "Lesson", "payment")
        assert view["payment_url"] == (None if reader is mentor else made["payment_url"]), "where to pay is for whoever pays"
    assert code_of(await people["other"].get(f"/payments/{made['payment_id']}")) == (404, "payment_not_found")


async def test_an_intent_is_completed_at_the_mock_by_its_payments_id(people: dict[str, Person]) -> None:
    student = people["student"]
    made = await intent(student)
    assert made["payment_method"] == "mock", "no Stripe here"
    wrong = await student.complete(made["payment_id"], amount=49)
    done = await student.complete(made["payment_id"], amount="50.00")

    assert code_of(wrong) == (400, "amount_mismatch")
    assert (done.status_code, done.json()["status"], done.json()["payment_id"]) == (200, "completed", made["payment_id"])
    assert done.json()["session_id"] in made["payment_url"]


async def test_what_does_not_fit_is_refused(people: dict[str, Person]) -> None:
    student, mentor = people["student"], people["mentor"]
    for changes, told in (
        ({"session_id": 77}, (404, "session_not_found")),
        ({"mentor_id": 4}, (404, "mentor_not_found")),
        ({"amount": 4999}, (400, "amount_mismatch")),
        ({"currency": "eur"}, (400, "amount_mismatch")),
        ({"method": "cash"}, (422, "method_not_available")),
        ({"amount": "5000"}, (422, "invalid_request")),
        ({"amount": 50.5}, (422, "invalid_request")),
        ({"amount": 0}, (422, "invalid_request")),
        ({"session_id": True}, (422, "invalid_request")),
        ({"session_id": 1.5}, (422, "invalid_request")),
        ({"mentor_id": -1}, (422, "invalid_request")),
    ):
        assert code_of(await pay(student, **changes)) == told, changes
    assert code_of(await pay(mentor)) == (422, "own_session")


async def test_a_hundred_parallel_repeats_from_the_balance_pay_once(people: dict[str, Person]) -> None:
    other, mentor2 = people["other"], people["mentor2"]
    await mentor2.http.put("/sessions/flow-2", json={"mentor_id": 4, "price": 250_000, "currency": "nok", "title": "A day"})
    await other.top_up(3000, "nok")
    body: dict[str, Any] = {"amount": 250_000, "currency": "NOK", "session_id": "flow-2", "mentor_id": 4, "method": "balance"}

    answers = await asyncio.gather(*(pay(other, key="once", **body) for _ in range(100)))
    repeat = await pay(other, key="once", **body)
    different = await pay(other, key="once", **{**body, "description": "else"})
    short = await pay(other, **body)

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in (*answers, repeat)}) == 1
    assert repeat.headers["Idempotent-Replayed"] == "true"
    assert code_of(different) == (422, "idempotency_key_reused")
    made = answers[0].json()
    assert (made["status"], made["payment_method"], made["client_secret"], made["payment_url"]) == ("completed", "balance", None, None)
    assert code_of(short) == (409, "insufficient_funds")
    assert await available(other, "nok") == 50_000
    assert await available(mentor2, "nok") == 250_000
    assert (await other.get(f"/payments/{made['payment_id']}")).json()["status"] == "completed"
    newest = (await other.get("/balance/transactions", currency="nok", limit=1)).json()["items"][0]
    assert (newest["kind"], newest["amount_minor"], newest["payment_id"]) == ("payment", -250_000, made["payment_id"])
    assert code_of(await other.post(f"/payments/{made['payment_id']}/cancel")) == (409, "already_paid")
    assert (await other.post(f"/payments/confirm/{made['payment_id']}")).json()["status"] == "completed"


async def test_a_payment_from_the_balance_is_told_to_payer_and_mentor_as_completed(people: dict[str, Person]) -> None:
    student, mentor = people["student"], people["mentor"]
    await student.top_up(50, "usd")
    async with student.socket() as payers, mentor.socket() as mentors:
        made = await intent(student, method="balance")
        frames = [await socket.next("payment.updated") for socket in (payers, mentors)]
        while frames[0]["payment_id"] != made["payment_id"]:
            frames[0] = await payers.next("payment.updated")

    assert {(frame["payment_id"], frame["status"]) for frame in frames} == {(made["payment_id"], "completed")}


async def test_canceled_it_stays_so(people: dict[str, Person]) -> None:
    student = people["student"]
    made = await intent(student, external_id="lesson-2")
    assert code_of(await pay(student, external_id="lesson-2")) == (409, "external_id_reused")
    assert code_of(await people["mentor"].post(f"/payments/{made['payment_id']}/cancel")) == (403, "forbidden")
    assert code_of(await people["other"].post(f"/payments/confirm/{made['payment_id']}")) == (404, "payment_not_found")

    first = await student.post(f"/payments/{made['payment_id']}/cancel")
    again = await student.post(f"/payments/{made['payment_id']}/cancel")

    assert (first.status_code, first.json()["status"]) == (200, "canceled")
    assert again.content == first.content
    assert code_of(await student.post(f"/payments/confirm/{made['payment_id']}")) == (409, "session_final")
    assert code_of(await student.complete(made["payment_id"])) == (409, "session_final")
    assert (await student.get(f"/payments/{made['payment_id']}")).json()["status"] == "canceled"
    await intent(student, external_id="lesson-2")


async def test_confirming_cancelling_and_completing_at_once_end_in_one_state(people: dict[str, Person]) -> None:
    """medusa #13301: through everything."""
    student, mentor = people["student"], people["mentor"]
    before = await available(mentor)
    made = await intent(student)
    roads = (
        lambda: student.post(f"/payments/confirm/{made['payment_id']}"),
        lambda: student.complete(made["payment_id"]),
        lambda: student.post(f"/payments/{made['payment_id']}/cancel"),
    )
    answers = await asyncio.gather(*(roads[n % 3]() for n in range(50)))

    status = (await student.get(f"/payments/{made['payment_id']}")).json()["status"]
    assert status in ("completed", "canceled")
    assert {answer.json()["status"] for answer in answers if answer.status_code == 200} == {status}
    assert {answer.status_code for answer in answers} == {200, 409}
    assert await available(mentor) == before + (5000 if status == "completed" else 0)


async def test_sessions_are_put_by_their_mentor_and_read_by_everybody(people: dict[str, Person]) -> None:
    mentor, student, admin = people["mentor"], people["student"], people["admin"]
    body = {"mentor_id": 2, "price": 1500, "currency": "EUR", "title": "An hour"}

    async def put(person: Person, **changes: Any) -> httpx.Response:
        return await person.http.put("/sessions/flow-1", json={**body, **changes})

    made = await put(mentor)
    changed = await put(mentor, price=2000)
    read = await student.get("/sessions/flow-1")

    assert (made.status_code, changed.status_code, read.status_code) == (201, 200, 200)
    assert made.headers["Location"].endswith("/api/v1/sessions/flow-1")
    told = made.json()
    assert (told["session_id"], told["mentor_id"], told["price"], told["amount"], told["currency"]) == ("flow-1", "2", 1500, 15.0, "eur")
    assert read.json() == changed.json()
    assert code_of(await put(people["mentor2"])) == (403, "forbidden")
    assert code_of(await put(student, mentor_id=1)) == (403, "forbidden"), "a student is no mentor"
    assert code_of(await put(people["mentor2"], mentor_id=4)) == (409, "session_mentor_fixed")
    assert code_of(await put(admin, mentor_id=4)) == (409, "session_mentor_fixed")
    assert (await put(admin, price=2500)).status_code == 200
    assert code_of(await put(mentor, price=0)) == (422, "invalid_request")
    assert code_of(await put(mentor, currency="xyz")) == (422, "invalid_request")
    assert code_of(await mentor.http.put("/sessions/not%20ours", json=body)) == (422, "invalid_request")
    for nothing in ("none", "not%20ours", "x" * 65):
        assert code_of(await student.get(f"/sessions/{nothing}")) == (404, "session_not_found")
    assert (await student.get("/sessions/2")).json()["amount"] == 2500.0


async def test_a_clients_secret_is_in_no_log(people: dict[str, Person], stack: Stack) -> None:
    made = await intent(people["student"], method="stripe")

    assert made["payment_method"] == "mock"
    logs = "".join(file.read_text() for file in stack.logs.glob("*.log"))
    assert "MOCK MODE" in logs
    assert not SECRET.search(logs)
    assert made["client_secret"].split("_")[1] not in logs
