"""A deposit over the real broker: the answer, its replay, and what is said when the broker or the service behind does not answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.gateway import receipts
from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_commands import CommandReply, CreateDeposit, FieldProblem, Refused
from shared.contracts.queries import GetPayment, PaymentView
from tests.integration.gateway_world import World, bearer, gateway_world, one_story, refused, silent

DEPOSIT = "/api/v1/balance/deposit"


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url) as started:
        yield started


@pytest.fixture
async def world(running: World) -> AsyncIterator[World]:
    async with one_story(running) as story:
        yield story


async def test_a_deposit_is_answered_with_its_session_and_exact_money(world: World) -> None:
    response = await world.deposit("2000.50", "RSD", X_Request_ID="trace-1")
    body = json.loads(response.content, parse_float=Decimal)

    assert response.status_code == 201
    assert list(body) == [
        "payment_id", "session_id", "payment_url", "status", "amount", "amount_minor", "currency", "method", "expires_at",
    ]  # fmt: skip
    assert (body["amount"], body["amount_minor"], body["currency"], body["status"]) == (Decimal("2000.50"), 200_050, "rsd", "pending")
    assert response.headers["X-Request-ID"] == "trace-1"
    assert response.headers["Location"].endswith(f"/api/v1/payments/{body['payment_id']}")
    (command,) = world.stand_ins.asked_of(CreateDeposit)
    assert (command.user_id, command.amount_minor, command.correlation_id, command.locale) == ("1", 200_050, "trace-1", "en")
    assert 50 < (command.deadline - utc_now()).total_seconds() <= 60


@pytest.mark.parametrize(
    ("amount", "currency", "amount_minor"),
    [(5000, "jpy", 5000), ("5.001", "KWD", 5001), (0.1, "rsd", 10), ("2000.500", "rsd", 200_050), (10**13, "rsd", 10**15)],
)
async def test_amounts_that_a_currency_can_hold(world: World, amount: Any, currency: str, amount_minor: int) -> None:
    response = await world.deposit(amount, currency)
    assert (response.status_code, response.json()["amount_minor"]) == (201, amount_minor), response.text


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'{"amount":1e3,"currency":"rsd"}', "amount"),
        (b'{"amount":"1e3","currency":"rsd"}', "amount"),
        (b'{"amount":NaN,"currency":"rsd"}', "amount"),
        (b'{"amount":"NaN","currency":"rsd"}', "amount"),
        (b'{"amount":-Infinity,"currency":"rsd"}', "amount"),
        (b'{"amount":true,"currency":"rsd"}', "amount"),
        (b'{"amount":null,"currency":"rsd"}', "amount"),
        (b'{"amount":[1],"currency":"rsd"}', "amount"),
        (b'{"amount":0,"currency":"rsd"}', "amount"),
        (b'{"amount":-5,"currency":"rsd"}', "amount"),
        (b'{"amount":"+5","currency":"rsd"}', "amount"),
        (b'{"amount":" 5","currency":"rsd"}', "amount"),
        (b'{"amount":0.001,"currency":"rsd"}', "amount"),
        (b'{"amount":1.5,"currency":"jpy"}', "amount"),
        (b'{"amount":1.0001,"currency":"kwd"}', "amount"),
        (b'{"amount":1000000000000000000000000000000,"currency":"rsd"}', "amount"),
        (b'{"amount":' + b"9" * 5_000 + b',"currency":"rsd"}', "amount"),
        (b'{"amount":5,"amount":6,"currency":"rsd"}', "amount"),
        (b'{"currency":"rsd"}', "amount"),
        (b'{"amount":5}', "currency"),
        (b'{"amount":5,"currency":"zzz"}', "currency"),
        (b'{"amount":5,"currency":978}', "currency"),
        (b'{"amount":5,"currency":"rsd","curency":"eur"}', "curency"),
        (b'{"amount":5,"currency":"rsd","locale":"xx"}', "locale"),
        (b'{"amount":5,"currency":"rsd","method":5}', "method"),
    ],
)
async def test_what_is_malformed_is_422_and_names_the_field(world: World, body: bytes, named: str) -> None:
    response = await world.http.post(DEPOSIT, content=body, headers={**bearer(), "content-type": "application/json"})
    problem = response.json()

    assert (response.status_code, problem["code"]) == (422, "invalid_request"), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert ["body", named] in [error["loc"] for error in problem["errors"]]
    assert world.stand_ins.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'"x"',
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 30 + b"1" + b"}" * 30,
        b'{"amount":5,"currency":"\\ud800"}',
        b'{"a":"\\u0000"}',
    ],
)
async def test_what_is_not_a_json_object_is_422(world: World, body: bytes) -> None:
    response = await world.http.post(DEPOSIT, content=body, headers={**bearer(), "content-type": "application/json"})
    assert (response.status_code, response.json()["errors"][0]["loc"][0]) == (422, "body")


async def test_bodies_are_bounded_plain_json(world: World) -> None:
    headers = {**bearer(), "content-type": "application/json"}
    huge = b'{"amount":5,"currency":"rsd","x":"' + b"x" * world.settings.body_limit_bytes + b'"}'

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(huge), 65_536):
            yield huge[start : start + 65_536]

    declared = await world.http.post(DEPOSIT, content=huge, headers=headers)
    streamed = await world.http.post(DEPOSIT, content=chunks(), headers=headers)
    form = await world.http.post(DEPOSIT, data={"amount": "5"}, headers=bearer())
    packed = await world.http.post(DEPOSIT, content=b"{}", headers={**headers, "content-encoding": "gzip"})

    assert [r.status_code for r in (declared, streamed, form, packed)] == [413, 413, 415, 415]
    assert {r.headers["content-type"] for r in (declared, streamed, form, packed)} == {"application/problem+json"}


async def test_the_same_key_gives_the_same_bytes_and_says_so(world: World) -> None:
    answers = await asyncio.gather(*(world.deposit(700, Idempotency_Key="key 1") for _ in range(100)))
    spaced = await world.http.post(
        DEPOSIT,
        content=b' { "method":"mock", "currency":"rsd",\n "amount":700 } ',
        headers={**bearer(), "content-type": "application/json", "Idempotency-Key": "key 1"},
    )
    other_body = await world.deposit(701, Idempotency_Key="key 1")

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in (*answers, spaced)}) == 1
    assert sum(answer.headers.get("Idempotent-Replayed") != "true" for answer in answers) == 1
    assert (other_body.status_code, other_body.json()["code"]) == (422, "idempotency_key_reused")
    commands = world.stand_ins.asked_of(CreateDeposit)
    assert len({command.payment_id for command in commands}) == 1, "one key names one payment"


async def test_the_same_key_of_another_caller_or_none_is_another_payment(world: World) -> None:
    body = {"amount": 5, "currency": "rsd"}
    for headers in ({**bearer("1"), "Idempotency-Key": "k"}, {**bearer("2"), "Idempotency-Key": "k"}, bearer("1"), bearer("1")):
        assert (await world.http.post(DEPOSIT, json=body, headers=headers)).status_code == 201
    assert len({command.payment_id for command in world.stand_ins.asked_of(CreateDeposit)}) == 4


@pytest.mark.parametrize("key", ["", "ž".encode(), "x" * 256, "a\tb"])
async def test_a_malformed_key_is_422(world: World, key: str | bytes) -> None:
    raw = [(b"Idempotency-Key", key.encode() if isinstance(key, str) else key)]
    headers = [*((k.encode(), v.encode()) for k, v in bearer().items()), *raw]
    response = await world.http.post(DEPOSIT, json={"amount": 5, "currency": "rsd"}, headers=headers)
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["header", "Idempotency-Key"])


async def test_a_refusal_is_printed_with_the_first_requests_id(world: World) -> None:
    async def refuse(command: CreateDeposit) -> CommandReply[Any]:
        errors = (FieldProblem(loc=("body", "method"), msg="must be one of: mock"),)
        answer = Refused(code="method_not_available", detail="available: mock", errors=errors, request_id="the-first")
        return CommandReply(replayed=True, answer=answer)

    world.stand_ins.answers[CreateDeposit] = refuse
    response = await world.deposit(5, X_Request_ID="the-second")

    assert response.status_code == 422
    assert response.json()["request_id"] == "the-first"
    assert response.headers["X-Request-ID"] == "the-second"
    assert response.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("idempotency_key_in_use", 409),
        ("deadline_passed", 503),
        ("provider_unavailable", 503),
        ("method_not_available", 422),
        ("currency_not_available", 422),
        ("amount_not_available", 422),
        ("payment_rejected", 422),
        ("a_code_of_tomorrow", 400),
    ],
)
async def test_each_refusal_has_its_status(world: World, code: str, status: int) -> None:
    async def refuse(command: CreateDeposit) -> CommandReply[Any]:
        return CommandReply(answer=refused(code, command))

    world.stand_ins.answers[CreateDeposit] = refuse
    response = await world.deposit()
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert ("Retry-After" in response.headers) == (status in (409, 503))


async def test_broker_down_is_503_within_5_seconds_and_the_key_is_safe_afterwards(world: World) -> None:
    world.broker.cut()
    ready = await world.lost()
    started = time.perf_counter()
    answers = [*await asyncio.gather(world.deposit(5, Idempotency_Key="k"), world.get("/api/v1/balance")), ready]
    took = time.perf_counter() - started
    live = await world.http.get("/health/live")
    await world.restored()
    after = await world.deposit(5, Idempotency_Key="k")

    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    assert took < 5
    assert live.status_code == 200
    assert after.status_code == 201
    assert len(world.stand_ins.asked_of(CreateDeposit)) == 1


async def test_a_hung_broker_is_202_since_the_command_may_have_left(world: World) -> None:
    assert (await world.deposit()).status_code == 201
    world.broker.stall()
    response = await world.deposit()
    world.broker.cut()
    assert response.status_code == 202


async def test_slow_is_202_whose_location_never_says_404(world: World) -> None:
    world.stand_ins.answers[CreateDeposit] = silent
    slow = await world.deposit(5, Idempotency_Key="k")
    location = slow.headers["Location"].removeprefix(world.settings.public_url)
    (command,) = world.stand_ins.asked_of(CreateDeposit)

    waiting = await world.http.get(location, headers=bearer())
    strangers = await world.http.get(location, headers=bearer("2"))
    without_receipt = await world.http.get(location.partition("?")[0], headers=bearer())
    del world.stand_ins.answers[CreateDeposit]
    arrived = await world.deposit(5, Idempotency_Key="k")
    found = await world.http.get(location, headers=bearer())

    assert slow.status_code == 202
    assert slow.json() == {"payment_id": str(command.payment_id), "status": "accepted"}
    assert (waiting.status_code, waiting.json()) == (200, slow.json())
    assert (strangers.status_code, without_receipt.status_code) == (404, 404)
    assert arrived.json()["payment_id"] == slow.json()["payment_id"]
    assert (found.status_code, found.json()["status"]) == (200, "pending")


async def test_what_the_provider_rejects_after_a_202_has_failed_and_tells_why(world: World) -> None:
    world.stand_ins.answers[CreateDeposit] = silent
    slow = await world.deposit(5)

    async def rejected(query: GetPayment) -> PaymentView:
        return PaymentView(
            payment_id=UUID(query.payment_id), session_id=None, user_id="1", kind="deposit", method="stripe", status="failed",
            amount_minor=500, currency="rsd", credit_reference=None, payment_url=None, expires_at=None, created_at=utc_now(),
            updated_at=utc_now(), problem=refused("payment_rejected", query),
        )  # fmt: skip

    world.stand_ins.answers[GetPayment] = rejected
    found = await world.http.get(slow.headers["Location"].removeprefix(world.settings.public_url), headers=bearer())

    assert (slow.status_code, found.status_code, found.json()["status"]) == (202, 200, "failed")
    problem = found.json()["problem"]
    assert (problem["code"], problem["status"], problem["detail"]) == ("payment_rejected", 422, "payment_rejected, in words")


async def test_after_the_deadline_a_receipt_without_a_record_says_failed(world: World) -> None:
    payment_id = str(new_id())
    late = utc_now() - receipts.GRACE
    receipt = receipts.sign(world.settings.keys, resource_id=payment_id, caller="user:1", deadline=late)
    response = await world.get(f"/api/v1/payments/{payment_id}", receipt=receipt)

    assert response.status_code == 200
    assert (response.json()["status"], response.json()["problem"]["code"]) == ("failed", "not_received")
