"""Data that fills every page: what a student, a mentor and a guest have done, made over the API."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from tests.flow.people import WAIT_SECONDS, Person

ACCOUNT = "160-0000000056789-95"
POINTS = [
    {"chakra": "muladhara", "value": 3},
    {"chakra": "svadhisthana", "value": 5},
    {"chakra": "anahata", "value": 8},
    {"chakra": "ajna", "value": 6},
]


@dataclass(frozen=True, slots=True)
class Furnished:
    """Whose pages they are, and the ids that their addresses need."""

    people: dict[str, Person]
    ids: dict[str, str]


async def answered(person: Person, path: str, body: Any = None, status: int = 201) -> dict[str, Any]:
    response = await person.post(path, body)
    assert response.status_code == status, response.text
    found: dict[str, Any] = response.json()
    return found


async def withdraw(person: Person, amount: str, account: str = ACCOUNT) -> str:
    """Its id; it waits for an admin."""
    destination = {"type": "bank_account", "account": account, "name": "Jelena Jovanović"}
    made = await answered(person, "/balance/withdraw", {"amount": amount, "currency": "rsd", "destination": destination})
    return str(made["withdrawal_id"])


async def order(person: Person, locale: str = "en", **changes: Any) -> dict[str, Any]:
    """An order as a guest makes it, not paid yet."""
    body = {
        "product": "chakras",
        "email": "guest@example.org",
        "birth_date": "1990-05-17",
        "points": POINTS,
        "locale": locale,
        "method": "mock",
    }
    return await answered(person, "/orders", body | changes)


async def coaching_session(mentor: Person, price_minor: int = 250_000, currency: str = "rsd", title: str = "An hour of coaching") -> str:
    """A session of the mentor's own; its id is theirs alone."""
    session_id = f"of-{mentor.id}-{currency}-{price_minor}"
    body = {"mentor_id": mentor.id, "price": price_minor, "currency": currency, "title": title}
    response = await mentor.http.put(f"/sessions/{session_id}", json=body)
    assert response.status_code in (200, 201), response.text
    return session_id


async def session_paid(student: Person, mentor: Person, session_id: str, amount: int = 250_000, currency: str = "rsd") -> str:
    """The id of a completed payment by the mock."""
    body = {"amount": amount, "currency": currency, "session_id": session_id, "mentor_id": mentor.id, "method": "mock"}
    payment_id = str((await answered(student, "/payments/create-intent", body))["payment_id"])
    assert (await answered(student, f"/payments/confirm/{payment_id}", status=200))["status"] == "completed"
    return payment_id


async def furnish(student: Person, nobody_yet: Person, mentor: Person, admin: Person) -> Furnished:
    """Takes about a second; `nobody_yet` has done nothing."""
    deposits = [await student.top_up(amount) for amount in ("2000.50", 1500, 3200)]
    await student.top_up(45, "eur")
    failed = await student.deposit(700)
    await student.complete(failed["session_id"], outcome="failure")
    open_deposit = await student.deposit(1200)
    refund = await answered(admin, f"/payments/refund/{deposits[1]['payment_id']}", {"amount": 50_000, "reason": "a part of it"})
    waiting, paid, rejected = [await withdraw(student, amount) for amount in ("500", "750.25", "100")]
    await answered(admin, f"/withdrawals/{paid}/approve", status=200)
    await answered(admin, f"/withdrawals/{rejected}/reject", {"reason": "the account is not yours"}, 200)
    coaching = await coaching_session(mentor)
    session_payment = await session_paid(student, mentor, coaching)
    open_order, failed_order, paid_order = [await order(student) for _ in range(3)]
    await answered(admin, "/balance/mock/complete", {"session_id": paid_order["session_id"]}, 200)
    await answered(admin, "/balance/mock/complete", {"session_id": failed_order["session_id"], "outcome": "failure"}, 200)
    await _until_read(student, paid_order["order_id"])
    ids = {
        "deposit": deposits[0]["payment_id"],
        "deposit_session": deposits[0]["session_id"],
        "failed_session": failed["session_id"],
        "open_session": open_deposit["session_id"],
        "refunded": deposits[1]["payment_id"],
        "refund": refund["refund_id"],
        "withdrawal": waiting,
        "coaching": coaching,
        "session_payment": session_payment,
        "open_order": open_order["order_id"],
        "open_order_session": open_order["session_id"],
        "failed_order": failed_order["order_id"],
        "failed_order_session": failed_order["session_id"],
        "order": paid_order["order_id"],
        "order_session": paid_order["session_id"],
    }
    people = {"student": student, "newcomer": nobody_yet, "mentor": mentor, "admin": admin}
    return Furnished(people, {name: str(value) for name, value in ids.items()})


async def _until_read(person: Person, order_id: str) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while (await person.get("/payments/paid-interpretation", order_id=order_id)).status_code != 200:
            await asyncio.sleep(0.05)
