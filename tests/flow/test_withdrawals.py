"""Money out, through the four services as processes: held at once, approved by somebody else, paid out, and never twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from tests.flow.people import WAIT_SECONDS, Person, newcomer
from tests.flow.verifying import verify
from tests.servers import MakeStack

ACCOUNT = "160-0000000056789-95"


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


@asynccontextmanager
async def people(stack: Stack) -> AsyncIterator[tuple[Person, Person]]:
    """The student and the admin."""
    async with newcomer(stack) as student, newcomer(stack, "admin") as admin:
        yield student, admin


def wanted(amount: Any, currency: str, account: str = ACCOUNT, **more: Any) -> dict[str, Any]:
    destination = {"type": "bank_account", "account": account, "name": "Jelena Jovanović"}
    return {"amount": amount, "currency": currency, "destination": destination, **more}


async def withdraw(person: Person, amount: Any, currency: str, account: str = ACCOUNT, **more: Any) -> dict[str, Any]:
    response = await person.post("/balance/withdraw", wanted(amount, currency, account, **more))
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def decide(person: Person, made: dict[str, Any], decision: str, **body: Any) -> httpx.Response:
    return await person.post(f"/withdrawals/{made['withdrawal_id']}/{decision}", body or None)


async def until(person: Person, made: dict[str, Any], *statuses: str) -> dict[str, Any]:
    """Asks until the withdrawal has one of the statuses."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            response = await person.get(f"/withdrawals/{made['withdrawal_id']}")
            assert response.status_code == 200, response.text
            body: dict[str, Any] = response.json()
            if body["status"] in statuses:
                return body
            await asyncio.sleep(0.05)


def outcome(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    return response.status_code, body.get("code") or body["status"]


async def test_a_withdrawal_is_held_approved_and_paid_and_every_open_page_sees_it(stack: Stack, student: Person, admin: Person) -> None:
    await student.top_up(100, "huf")
    async with student.socket() as socket:
        await socket.next("balance.snapshot")
        made = await withdraw(student, "60.50", "huf", external_id="rent-1", metadata={"month": "june"})
        held = await student.balance("huf")
        pending = await socket.next("withdrawal.updated")
        approved = await decide(admin, made, "approve")
        statuses = [pending["status"]]
        while statuses[-1] != "paid":
            statuses.append((await socket.next("withdrawal.updated"))["status"])

    assert (made["status"], made["amount"], made["amount_minor"], made["currency"]) == ("pending", 60.5, 6_050, "huf")
    assert made["destination"] == {"type": "bank_account", "account": "****8995", "name": "J*** J***"}
    assert (held["available_minor"], held["held_minor"]) == (3_950, 6_050)
    assert outcome(approved) == (200, "approved")
    assert approved.json()["decided_by"] == f"user:{admin.id}"
    assert statuses == sorted(statuses, key=["pending", "approved", "sending", "paid"].index)
    after = await student.balance("huf")
    assert (after["available_minor"], after["held_minor"]) == (3_950, 0)
    items = (await student.get("/balance/transactions", currency="huf")).json()["items"]
    assert [(item["kind"], item["amount_minor"]) for item in items] == [("withdrawal", -6_050), ("deposit", 10_000)]
    mine = (await student.get("/balance/withdrawals", external_id="rent-1")).json()["items"]
    assert [(one["withdrawal_id"], one["status"], one["metadata"]) for one in mine] == [(made["withdrawal_id"], "paid", {"month": "june"})]
    assert "decided_by" not in mine[0]
    for log in stack.logs.glob("*.log"):
        text = log.read_text()
        assert ACCOUNT not in text, log.name
        assert "Jovanović" not in text, log.name
        assert "Jovanovi\\u0107" not in text, log.name
    assert made["withdrawal_id"] in (stack.logs / "payments.log").read_text()


async def test_a_hundred_at_once_against_a_balance_that_covers_ten(stack: Stack, student: Person) -> None:
    """blnk #181: holds that are taken in parallel do not overdraw the balance."""
    await student.top_up(100, "czk")

    answers = await asyncio.gather(*(student.post("/balance/withdraw", wanted(10, "czk")) for _ in range(100)))

    assert sorted(outcome(answer) for answer in answers) == [(201, "pending")] * 10 + [(409, "insufficient_funds")] * 90
    balance = await student.balance("czk")
    assert (balance["available_minor"], balance["held_minor"]) == (0, 10_000)
    items = (await student.get("/balance/withdrawals", currency="czk", limit=100)).json()["items"]
    assert len(items) == 10, "what was refused never was a withdrawal"
    status, output = await verify(stack)
    assert status == 0, output


async def test_what_accounts_of_the_stand_in_do(student: Person, admin: Person, stack: Stack) -> None:
    await student.top_up(40, "pln")
    fails, silent, returned, paid = [await withdraw(student, 10, "pln", f"PL10 1050 0099 000{n}") for n in (1, 2, 3, 4)]
    for made in (fails, silent, returned, paid):
        assert outcome(await decide(admin, made, "approve")) == (200, "approved")

    ended = [
        await until(student, made, status) for made, status in ((paid, "paid"), (fails, "failed"), (silent, "paid"), (returned, "returned"))
    ]

    assert [one["reason"] for one in ended] == [None, "the account does not exist", None, None]
    balance = await student.balance("pln")
    assert (balance["available_minor"], balance["held_minor"]) == (2_000, 0)
    kinds = (await student.get("/balance/transactions", currency="pln")).json()["items"]
    assert sum(item["amount_minor"] for item in kinds if item["kind"] == "withdrawal") == -2_000
    status, output = await verify(stack)
    assert status == 0, output


async def test_who_may_see_and_who_may_decide(stack: Stack, student: Person, other: Person, admin: Person) -> None:
    await student.top_up(30, "sek")
    await admin.top_up(10, "sek")
    first, second = await withdraw(student, 10, "sek"), await withdraw(student, 10, "sek")
    own = await withdraw(admin, 10, "sek")

    assert outcome(await other.get(f"/withdrawals/{first['withdrawal_id']}")) == (404, "withdrawal_not_found")
    assert outcome(await other.get("/withdrawals/x")) == (404, "withdrawal_not_found")
    assert outcome(await other.get("/withdrawals", status="pending")) == (403, "forbidden")
    assert outcome(await student.get("/balance/withdrawals", status="gone")) == (422, "invalid_request")
    assert outcome(await student.get("/balance/withdrawals", cursor="gone")) == (422, "invalid_cursor")
    assert outcome(await decide(student, first, "approve")) == (403, "forbidden")
    assert outcome(await decide(other, first, "cancel")) == (404, "withdrawal_not_found")
    assert outcome(await decide(admin, first, "cancel")) == (403, "forbidden")
    assert outcome(await decide(admin, own, "approve")) == (403, "forbidden")
    assert outcome(await decide(admin, first, "mark-paid", reference="B-1")) == (409, "payout_not_manual")
    assert outcome(await decide(admin, first, "resolve", outcome="paid", reference="B-1")) == (409, "withdrawal_not_sent")
    assert outcome(await decide(admin, first, "reject")) == (422, "invalid_request"), "without a reason"

    waiting = (await admin.get("/withdrawals", status="pending", currency="sek", limit=100)).json()["items"]
    assert [one["withdrawal_id"] for one in waiting] == [one["withdrawal_id"] for one in (own, second, first)]
    assert outcome(await decide(student, first, "cancel")) == outcome(await decide(student, first, "cancel")) == (200, "canceled")
    assert (await student.balance("sek"))["available_minor"] == 2_000, "as soon as it is answered"
    assert outcome(await decide(admin, first, "approve")) == (409, "withdrawal_final")
    rejected = await decide(admin, second, "reject", reason="ask your bank")
    assert outcome(rejected) == (200, "rejected")
    assert (await student.get(f"/withdrawals/{second['withdrawal_id']}")).json()["reason"] == "ask your bank"
    assert (await student.balance("sek"))["held_minor"] == 0
    async with newcomer(stack, "admin") as colleague:
        assert outcome(await decide(colleague, own, "approve")) == (200, "approved")
    await until(admin, own, "paid")


async def test_what_is_no_withdrawal(student: Person) -> None:
    await student.top_up(10, "nok")
    before = await student.balance("nok")
    card = {"amount": 1, "currency": "nok", "destination": {"type": "card", "payment_id": "x"}}
    nowhere = await student.post("/balance/withdraw", card)
    assert outcome(nowhere) == (422, "destination_not_available"), "the stand-in pays out to bank accounts"
    assert nowhere.json()["errors"] == [{"loc": ["body", "destination", "type"], "msg": "must be bank_account here"}]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({**card, "destination": {"type": "iban", "iban": "x"}}, "type"),
        ({**card, "destination": {"type": "card"}}, "payment_id"),
        (wanted(1, "nok", "123"), "account"),
        (wanted(1, "nok", "1234\n5678"), "account"),
        (wanted(1, "nok", "x" * 65), "account"),
        (wanted(0, "nok"), "amount"),
        (wanted(-1, "nok"), "amount"),
        (wanted("1.001", "nok"), "amount"),
        (wanted(1, "xxx"), "currency"),
        ({**wanted(1, "nok"), "destination": {"type": "bank_account", "account": ACCOUNT, "name": " "}}, "name"),
        ({**wanted(1, "nok"), "fee": 1}, "fee"),
        ({"amount": 1, "currency": "nok"}, "destination"),
    ]
    for body, field in wrong:
        answer = await student.post("/balance/withdraw", body)
        assert outcome(answer) == (422, "invalid_request"), body
        assert field in [error["loc"][-1] for error in answer.json()["errors"]], answer.text
        assert ACCOUNT not in answer.text
    assert outcome(await student.post("/balance/withdraw", wanted("10.01", "nok"))) == (409, "insufficient_funds")
    assert await student.balance("nok") == before


async def test_the_same_key_is_the_same_withdrawal_byte_for_byte(student: Person, admin: Person) -> None:
    await student.top_up(10, "dkk")
    first = await student.post("/balance/withdraw", wanted(4, "dkk"), key="rent-june")
    await decide(admin, first.json(), "approve")
    await until(student, first.json(), "paid")
    again = await student.post("/balance/withdraw", wanted(4, "dkk"), key="rent-june")
    changed = await student.post("/balance/withdraw", wanted(5, "dkk"), key="rent-june")

    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert outcome(changed) == (422, "idempotency_key_reused")
    assert (await student.balance("dkk"))["available_minor"] == 600


async def test_under_the_limit_nobody_approves_and_an_operator_pays_by_hand(make_stack: MakeStack) -> None:
    """PAYOUT_METHOD=manual, WITHDRAWAL_AUTO_APPROVE."""
    stack = await make_stack({"PAYOUT_METHOD": "manual", "WITHDRAWAL_AUTO_APPROVE": "rsd=5000,eur=100"})
    async with people(stack) as (student, admin):
        await student.top_up(200)
        small, over = await withdraw(student, 50, "rsd"), await withdraw(student, 1, "rsd")
        assert (small["status"], over["status"]) == ("approved", "pending")
        await until(student, small, "sending")
        shown = {reader: (await reader.get(f"/withdrawals/{small['withdrawal_id']}")).json()["destination"] for reader in (student, admin)}
        assert shown[admin] == wanted(50, "rsd")["destination"], "whoever pays by hand has to know where to"
        assert shown[student] == small["destination"] != shown[admin]
        listed = (await admin.get("/withdrawals", status="sending")).json()["items"]
        marked = await decide(admin, small, "mark-paid", reference="B-1")
        assert [one["destination"] for one in (*listed, marked.json())] == [small["destination"]] * 2
        assert outcome(marked) == (200, "paid")
        assert (marked.json()["decided_by"], marked.json()["reference"]) == ("auto", "B-1")
        assert (await student.balance())["held_minor"] == 100
        assert outcome(await decide(admin, small, "mark-failed", reason="x")) == (409, "withdrawal_final")
        assert outcome(await decide(admin, over, "mark-paid", reference="B-2")) == (409, "withdrawal_not_sent")
        assert outcome(await decide(admin, small, "mark-returned", reference="R-1")) == (200, "returned")
        assert (await student.balance())["available_minor"] == 19_900
        status, output = await verify(stack)
        assert status == 0, output


@pytest.mark.slow
async def test_a_wallet_that_is_away_makes_it_slow_not_lost(make_stack: MakeStack) -> None:
    stack = await make_stack({"RPC_TIMEOUT_SECONDS": "1"})
    async with people(stack) as (student, admin):
        await student.top_up(200)
        held = await withdraw(student, 1, "rsd")
        await stack.kill("wallet")
        try:
            accepted = await student.post("/balance/withdraw", wanted(100, "rsd"), key="slow")
            polled = await student.http.get(accepted.headers["Location"])
            canceled = await decide(student, held, "cancel")
        finally:
            await stack.start_service("wallet")
        assert (outcome(accepted), outcome(polled), outcome(canceled)) == ((202, "accepted"), (200, "pending"), (202, "accepted"))
        await until(student, held, "canceled")
        async with asyncio.timeout(WAIT_SECONDS):
            while (await student.balance())["held_minor"] != 10_000:
                await asyncio.sleep(0.05)
        repeated = await student.post("/balance/withdraw", wanted(100, "rsd"), key="slow")
        assert (repeated.status_code, repeated.json()["withdrawal_id"]) == (201, accepted.json()["withdrawal_id"])
        assert outcome(await decide(admin, accepted.json(), "approve")) == (200, "approved")
        await until(student, accepted.json(), "paid")
        status, output = await verify(stack)
        assert status == 0, output


@pytest.mark.slow
async def test_payments_and_wallet_killed_in_the_middle_pay_each_once(make_stack: MakeStack) -> None:
    stack = await make_stack({"WITHDRAWAL_AUTO_APPROVE": "rsd=1000000", "RPC_TIMEOUT_SECONDS": "2"})
    async with people(stack) as (student, _):
        await student.top_up(400)

        async def ask(number: int) -> dict[str, Any]:
            """As a client that repeats until it has an answer."""
            async with asyncio.timeout(90):
                while True:
                    answer = await student.post("/balance/withdraw", wanted(10, "rsd"), key=f"payout-{number}")
                    if answer.status_code == 201:
                        made: dict[str, Any] = answer.json()
                        return made
                    assert outcome(answer) in ((202, "accepted"), (409, "idempotency_key_in_use"), (503, "broker_unavailable")), answer.text
                    await asyncio.sleep(0.2)

        asking = [asyncio.create_task(ask(number)) for number in range(40)]
        for service in ("payments", "wallet", "payments"):
            await asyncio.sleep(0.3)
            await stack.kill(service)
            await stack.start_service(service)
        made = await asyncio.gather(*asking)
        for one in made:
            await until(student, one, "paid")

        assert len({one["withdrawal_id"] for one in made}) == 40
        balance = await student.balance()
        assert (balance["available_minor"], balance["held_minor"]) == (0, 0)
        status, output = await verify(stack, "--settle-seconds", "20")
        assert status == 0, output
