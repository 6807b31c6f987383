"""The main job, through the four services as processes: a top-up reaches the balance and every open socket, exactly once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from deploy.local.stack import Stack
from tests.flow.people import Person
from tests.flow.verifying import verify


@pytest.fixture(autouse=True)
async def the_book_adds_up(two_notifiers: Stack) -> AsyncIterator[None]:
    """Whatever a story did, afterwards the verifier finds nothing."""
    yield
    status, output = await verify(two_notifiers)
    assert status == 0, output


async def test_a_top_up_reaches_the_balance_and_the_open_socket(student: Person) -> None:
    before = await student.balance()
    async with student.socket() as socket:
        snapshot = await socket.next("balance.snapshot")
        made = await student.deposit("2000.50")
        assert made["status"] == "pending"
        assert made["method"] == "mock"
        assert f"session_id={made['session_id']}" in made["payment_url"]
        assert "amount=2000.50" in made["payment_url"]
        assert "currency=rsd" in made["payment_url"]

        done = await student.complete(made["session_id"], amount="2000.50")
        frame = await socket.next("balance.updated")
        # Before the balance or after it: no order is kept between the two.
        while not (told := [f for f in socket.frames if f["type"] == "payment.updated" and f["status"] == "completed"]):
            await socket.next()

    assert [(payment["payment_id"], payment["amount_minor"], payment["method"]) for payment in told] == [
        (made["payment_id"], 200_050, "mock")
    ]
    assert done.status_code == 200
    assert done.json() == {"payment_id": made["payment_id"], "session_id": made["session_id"], "status": "completed"}
    after = await student.balance()
    assert after["available_minor"] == before["available_minor"] + 200_050
    assert after["version"] == before["version"] + 1
    known = {balance["currency"]: balance for balance in snapshot["balances"]}
    assert known.get("rsd", {"available_minor": 0})["available_minor"] == before["available_minor"]
    assert (frame["available_minor"], frame["version"]) == (after["available_minor"], after["version"])
    assert (frame["change_minor"], frame["kind"], frame["payment_id"]) == (200_050, "deposit", made["payment_id"])
    assert [change["version"] for change in frame["changes"]] == [frame["version"]]


async def test_money_out_is_an_exact_number_beside_its_minor_units(student: Person) -> None:
    made = await student.post("/balance/deposit", {"amount": 0.1, "currency": "KWD", "method": "mock"})
    body = json.loads(made.content, parse_float=Decimal)

    assert made.status_code == 201
    assert (body["amount"], body["amount_minor"], body["currency"]) == (Decimal("0.100"), 100, "kwd")


async def test_completing_again_and_again_credits_once(student: Person) -> None:
    """getlago/lago-api #5870, #3618, #2243: the same success several times at once."""
    before = await student.balance()
    made = await student.deposit(100)

    answers = await asyncio.gather(*(student.complete(made["session_id"]) for _ in range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert (await student.balance())["available_minor"] == before["available_minor"] + 10_000


async def test_a_hundred_parallel_repeats_of_a_deposit_make_one_payment(student: Person) -> None:
    answers = await asyncio.gather(
        *(student.post("/balance/deposit", {"amount": 700, "currency": "rsd"}, key="the-same-key") for _ in range(100))
    )
    other_body = await student.post("/balance/deposit", {"amount": 701, "currency": "rsd"}, key="the-same-key")

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert other_body.status_code == 422
    assert other_body.json()["code"] == "idempotency_key_reused"


async def test_what_may_not_be_completed(student: Person, other: Person) -> None:
    before = await student.balance()
    made = await student.deposit(50)

    wrong_amount = await student.complete(made["session_id"], amount=51)
    not_theirs = await other.complete(made["session_id"])
    nothing = await student.complete("0195f3a0-0000-7000-8000-000000000000")

    assert (wrong_amount.status_code, wrong_amount.json()["code"]) == (400, "amount_mismatch")
    assert (not_theirs.status_code, not_theirs.json()["code"]) == (404, "session_not_found")
    assert nothing.status_code == 404
    assert await student.balance() == before


async def test_a_failure_moves_nothing_and_is_final(student: Person) -> None:
    before = await student.balance()
    made = await student.deposit(50)

    failed = await student.complete(made["session_id"], outcome="failure")
    again = await student.complete(made["session_id"], outcome="failure")
    changed_mind = await student.complete(made["session_id"], outcome="success")
    view = await student.get(f"/payments/{made['payment_id']}")

    assert (failed.status_code, failed.json()["status"]) == (200, "failed")
    assert again.content == failed.content
    assert (changed_mind.status_code, changed_mind.json()["code"]) == (409, "session_final")
    assert view.json()["status"] == "failed"
    assert await student.balance() == before


async def test_both_outcomes_at_once_end_in_one_of_them(student: Person) -> None:
    before = await student.balance()
    made = await student.deposit(10)

    answers = await asyncio.gather(*(student.complete(made["session_id"], outcome=("success", "failure")[n % 2]) for n in range(50)))

    (status,) = {answer.json()["status"] for answer in answers if answer.status_code == 200}
    assert {answer.status_code for answer in answers} == {200, 409}
    expected = before["available_minor"] + (1_000 if status == "completed" else 0)
    assert (await student.balance())["available_minor"] == expected


async def test_every_socket_of_the_user_on_every_replica_gets_the_frame(student: Person, other: Person, two_notifiers: Stack) -> None:
    first, second = two_notifiers.notifier_urls
    async with (
        student.socket(first) as tab,
        student.socket(second) as phone,
        student.socket(second) as laptop,
        other.socket(second) as stranger,
    ):
        for socket in (tab, phone, laptop, stranger):
            await socket.next("balance.snapshot")
        await student.top_up(30)
        frames = [await socket.next("balance.updated") for socket in (tab, phone, laptop)]
        await other.top_up(40)
        strange = await stranger.next("balance.updated")

    assert frames[0] == frames[1] == frames[2]
    assert strange["change_minor"] == 4_000, "the stranger's first update is their own"


async def test_a_ticket_opens_one_socket_over_all_replicas(student: Person, two_notifiers: Stack) -> None:
    first, second = two_notifiers.notifier_urls
    ticket = await student.ticket()
    async with student.socket(first, ticket) as socket:
        await socket.next("balance.snapshot")
        async with student.socket(second, ticket) as again:
            assert await again.closed() == 4401


async def test_versions_rise_without_a_gap_and_a_client_that_keeps_up_sees_each(student: Person) -> None:
    async with student.socket() as socket:
        snapshot = await socket.next("balance.snapshot")
        version = {balance["currency"]: balance["version"] for balance in snapshot["balances"]}.get("eur", 0)
        made = [await student.deposit(5, "eur") for _ in range(30)]
        await asyncio.gather(*(student.complete(m["session_id"]) for m in made))
        seen: list[int] = []
        while len(seen) < 30:
            frame = await socket.next("balance.updated")
            seen += [change["version"] for change in frame["changes"]]
    assert seen == list(range(version + 1, version + 31))


async def test_transactions_page_by_page_and_as_csv(other: Person) -> None:
    for amount in (1, 2, 3, 4, 5):
        await other.top_up(amount, "usd")

    everything = (await other.get("/balance/transactions", currency="usd", limit=100)).json()["items"]
    paged, cursor = [], None
    while True:
        page = (await other.get("/balance/transactions", currency="usd", limit=2, **({"cursor": cursor} if cursor else {}))).json()
        paged += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    skipped = (await other.get("/balance/transactions", currency="usd", skip=1, limit=2)).json()["items"]
    csv = await other.get("/balance/transactions.csv", currency="usd")

    assert [item["amount_minor"] for item in everything[:5]] == [500, 400, 300, 200, 100]
    assert paged == everything
    assert skipped == everything[1:3]
    assert everything[0]["balance_after_minor"] == (await other.balance("usd"))["available_minor"]
    assert csv.headers["content-type"].startswith("text/csv")
    assert len(csv.text.strip().splitlines()) == len(everything) + 1


async def test_one_correlation_id_from_the_request_to_the_frame(student: Person, two_notifiers: Stack) -> None:
    async with student.socket() as socket:
        await socket.next("balance.snapshot")
        made = await student.deposit(1)
        done = await student.post("/balance/mock/complete", {"session_id": made["session_id"]}, **{"X-Request-ID": "trace-me-0001"})
        await socket.next("balance.updated")

    assert done.headers["X-Request-ID"] == "trace-me-0001"
    for service in ("gateway", "payments", "wallet", "notifier"):
        lines = (two_notifiers.logs / f"{service}.log").read_text().splitlines()
        records = [json.loads(line) for line in lines if "trace-me-0001" in line]
        assert any(record.get("correlation_id") == "trace-me-0001" for record in records), service


async def test_the_machines_faces(two_notifiers: Stack, student: Person) -> None:
    system = await student.http.get(f"{two_notifiers.gateway_url}/health/system")
    assert system.status_code == 200, system.text
    assert set(system.json()["services"]) == {"gateway", "payments", "wallet", "notifier"}
    for service in ("gateway", "payments", "wallet", "notifier"):
        url = two_notifiers.service(service).url
        assert (await student.http.get(f"{url}/health/live")).status_code == 200
        assert (await student.http.get(f"{url}/health/ready")).status_code == 200
        assert "purser_" in (await student.http.get(f"{url}/metrics")).text, service
        document = (await student.http.get(f"{url}/asyncapi.json")).json()
        assert document["asyncapi"] == "3.0.0"
        assert service in document["info"]["title"].lower()


async def test_two_of_every_service_credit_once_and_show_every_version(student: Person, two_notifiers: Stack) -> None:
    """Replicas share nothing but the broker and the database: locks and constraints decide."""
    for service in ("payments", "wallet", "gateway"):
        await two_notifiers.start_service(service, 2)
    try:
        before = await student.balance("chf")
        first, second = two_notifiers.notifier_urls
        async with student.socket(first) as tab, student.socket(second) as phone:
            await tab.next("balance.snapshot")
            await phone.next("balance.snapshot")
            made = [await student.deposit(3, "chf") for _ in range(40)]
            twice = f"{two_notifiers.service('gateway', 2).url}/api/v1/balance/mock/complete"
            answers = await asyncio.gather(
                *(student.complete(m["session_id"]) for m in made),
                *(student.http.post(twice, json={"session_id": m["session_id"]}) for m in made),
            )
            seen: dict[str, list[int]] = {"tab": [], "phone": []}
            for name, socket in (("tab", tab), ("phone", phone)):
                while len(seen[name]) < 40:
                    seen[name] += [change["version"] for change in (await socket.next("balance.updated"))["changes"]]
    finally:
        for service in ("gateway", "payments", "wallet"):
            assert await two_notifiers.stop_service(service, 2) == 0

    assert {answer.status_code for answer in answers} == {200}
    assert (await student.balance("chf"))["available_minor"] == before["available_minor"] + 40 * 300
    assert seen["tab"] == seen["phone"] == list(range(before["version"] + 1, before["version"] + 41))
