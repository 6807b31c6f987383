"""AllSecure's emulator over HTTP: who may ask, what is taken, what the payer sees and what the status API says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.contract.allsecure_merchant import Stages, World, both_stages, playing, refusal
from tests.emulators.allsecure import CARDS, OLD_CARDS, Connector


@pytest.fixture(scope="module")
async def stages() -> AsyncIterator[Stages]:
    async with both_stages() as stages:
        yield stages


@pytest.fixture
async def world(stages: Stages) -> AsyncIterator[World]:
    async with playing(stages) as world:
        yield world


async def test_only_the_merchant_may_ask_and_only_its_own_connectors(world: World) -> None:
    fields = world.debit_fields()

    assert (await world.send("debit", fields, password="guess")).status_code == 401
    assert (await world.client.get(f"{world.allsecure.base_url}/api/v3/status/{CARDS.api_key}/getByUuid/x")).status_code == 401
    nobodys = Connector("no-such-key", CARDS.username, CARDS.password, CARDS.shared_secret)
    assert refusal(await world.send("debit", fields, connector=nobodys)) == 1000
    assert (await world.send("charge", fields)).status_code == 404
    assert len(world.allsecure.book) == 0


@pytest.mark.parametrize(
    ("others", "code"),
    [
        ({"body_hash": None}, 1004),
        ({"body_hash": "md5"}, 1004),
        ({"headers": {"X-Signature": "bm90IHRoaXM="}}, 1004),
        ({"headers": {"Content-Type": "application/json"}}, 1004),
        ({"headers": {"X-Date": "Fri, 20 Nov 2026 12:00:00 GMT"}}, 1004),
        ({"content_type": "text/json"}, 1002),
        ({"content_type": "application/x-www-form-urlencoded"}, 1002),
    ],
    ids=["unsigned", "MD5", "wrong", "another type", "another X-Date", "no JSON type", "a form's type"],
)
async def test_a_request_is_refused_unless_it_is_signed_as_it_was_sent(world: World, others: dict[str, Any], code: int) -> None:
    assert refusal(await world.send("debit", world.debit_fields(), **others)) == code
    assert len(world.allsecure.book) == 0


async def test_the_signed_date_is_x_date_wherever_there_is_one(world: World) -> None:
    told = await world.send("debit", world.debit_fields(), headers={"Date": "Mon, 01 Jan 2001 00:00:00 GMT"})
    assert told.json()["returnType"] == "REDIRECT", "a proxy has rewritten Date"

    old = world.clock.text(-timedelta(hours=1, seconds=1))
    assert refusal(await world.send("debit", world.debit_fields("ord-43"), date=old)) == 1004
    world.allsecure.behaviour.skew_seconds = None
    assert (await world.send("debit", world.debit_fields("ord-43"), date=old)).status_code == 200
    utc = world.clock.text().replace("GMT", "UTC")
    assert (await world.send("debit", world.debit_fields("ord-44"), date=utc)).status_code == 200


async def test_an_older_connector_takes_md5_and_unsigned_requests_but_no_wrong_ones(world: World) -> None:
    for number, body_hash in enumerate(("md5", None, "sha512")):
        answer = await world.send("debit", world.debit_fields(f"ord-{number}"), connector=OLD_CARDS, body_hash=body_hash)
        assert answer.json()["returnType"] == "REDIRECT"

    wrong = await world.send("debit", world.debit_fields("ord-9"), connector=OLD_CARDS, headers={"X-Signature": "d3Jvbmc="})
    assert refusal(wrong) == 1004


async def test_what_fails_validation_leaves_nothing_behind_and_tells_nobody(world: World) -> None:
    assert refusal(await world.send("debit", world.debit_fields(amount=9.99))) == 1002
    assert refusal(await world.send("debit", world.debit_fields(amount="9.999"))) == 1002
    assert refusal(await world.request("POST", "transaction/{}/debit", b"{")) == 1002

    assert await world.told() == []
    assert refusal(await world.ask("ord-42")) == 8001
    assert (await world.debit("ord-42"))["returnType"] == "REDIRECT", "the id was not used up"


async def test_an_id_is_used_once_over_all_kinds_of_transactions(world: World) -> None:
    uuid = await world.paid("ord-42")

    assert refusal(await world.send("debit", world.debit_fields("ord-42"))) == 3004
    assert (await world.about("refund", "ord-42", uuid, "1.00"))["errorCode"] == 3004
    assert len(world.allsecure.book) == 1


@pytest.mark.parametrize(
    ("choice", "returned", "status", "result", "code"),
    [
        ("pay", "/ok", "SUCCESS", "OK", None),
        ("pending", "/ok", "PENDING", "PENDING", None),
        ("decline", "/err", "ERROR", "ERROR", "2003"),
        ("insufficient_funds", "/err", "ERROR", "ERROR", "2006"),
        ("fail_3ds", "/err", "ERROR", "ERROR", "2021"),
        ("cancel", "/cancel", "CANCELLED", "ERROR", "2002"),
    ],
)
async def test_the_payer_decides_at_the_hosted_page(
    world: World, choice: str, returned: str, status: str, result: str, code: str | None
) -> None:
    told = await world.debit(description="<b>Lesson</b>")
    assert (told["success"], told["returnType"], told["redirectType"]) == (True, "REDIRECT", "fullpage")
    page = await world.client.get(told["redirectUrl"])
    assert f'value="{choice}"' in page.text
    assert "9.99 EUR" in page.text
    assert "<b>Lesson" not in page.text

    sent_on = await world.choose(told["redirectUrl"], choice)

    assert sent_on.headers["location"] == world.merchant.base_url + returned
    assert await world.told() == [("ord-42", "DEBIT", result)]
    assert world.merchant.came[0].fields.get("code") == code
    assert await world.status() == status


async def test_a_closed_window_decides_nothing_and_a_second_click_nothing_more(world: World) -> None:
    page_url = (await world.debit())["redirectUrl"]

    assert (await world.choose(page_url, "close")).status_code == 200
    assert await world.status() == "REDIRECT"
    first = await world.choose(page_url, "pay")
    second = await world.choose(page_url, "decline")

    assert first.headers["location"] == second.headers["location"] == world.merchant.base_url + "/ok"
    assert await world.told() == [("ord-42", "DEBIT", "OK")]
    assert "decided" in (await world.client.get(page_url)).text
    assert (await world.client.get(page_url[:-1] + "x")).status_code == 404, "who does not know the whole address is not the payer"
    assert (await world.choose(page_url, "steal")).status_code == 400


async def test_3d_secure_is_a_page_of_its_own_where_it_is_required(world: World) -> None:
    world.allsecure.behaviour.asks_3ds = True
    page_url = (await world.debit())["redirectUrl"]

    to_bank = await world.choose(page_url, "pay")
    bank = await world.client.get(httpx.URL(page_url).join(to_bank.headers["location"]))

    assert "3-D Secure" in bank.text
    assert await world.status() == "REDIRECT"
    assert (await world.choose(page_url, "pass_3ds")).headers["location"].endswith("/ok")
    await world.debit("ord-43")
    await world.allsecure.control.require_3ds("ord-43", passes=False)
    assert await world.told() == [("ord-42", "DEBIT", "OK"), ("ord-43", "DEBIT", "ERROR")]


@pytest.mark.parametrize(
    ("token", "return_type", "code"),
    [
        ("emulator-pays", "FINISHED", None),
        ("emulator-pends", "PENDING", None),
        ("emulator-declines", "ERROR", 2003),
        ("emulator-soft-decline", "ERROR", 2022),
        ("emulator-3ds", "REDIRECT", None),
    ],
)
async def test_a_token_is_decided_at_once_unless_the_bank_asks(world: World, token: str, return_type: str, code: int | None) -> None:
    told = await world.debit(transactionToken=token)

    assert told["returnType"] == return_type
    assert told["success"] is (code is None)
    assert [one["errorCode"] for one in told.get("errors", [])] == ([] if code is None else [code])
    if return_type == "REDIRECT":
        assert told["redirectType"] == "3ds"
        await world.choose(told["redirectUrl"], "pass_3ds")
    assert len(await world.told()) == 1
    assert refusal(await world.send("debit", world.debit_fields("ord-43", transactionToken="unknown"))) == 1002


async def test_money_goes_back_and_out(world: World) -> None:
    uuid = await world.paid()
    world.merchant.came.clear()

    await world.allsecure.control.outcome("payout", "pending")
    answers = [
        await world.about("refund", "ref-1", uuid, "4.00"),
        await world.about("refund", "ref-2", uuid, "6.00"),
        await world.about("payout", "out-1", uuid, "50.00"),
    ]

    assert [one["returnType"] for one in answers] == ["FINISHED", "ERROR", "PENDING"]
    assert answers[1]["errors"][0]["errorCode"] == 1006
    assert len({uuid, *(one["uuid"] for one in answers)}) == 4
    assert all(one["purchaseId"].endswith(one["uuid"]) for one in answers)
    assert await world.allsecure.control.settle("out-1") == "SUCCESS"
    assert sorted(await world.told()) == [
        ("out-1", "PAYOUT", "OK"),
        ("out-1", "PAYOUT", "PENDING"),
        ("ref-1", "REFUND", "OK"),
        ("ref-2", "REFUND", "ERROR"),
    ]
    control = world.allsecure.control
    assert [(one.reference, one.amount, one.refunded_minor) for one in control.charges()] == [("ord-42", "9.99", 400)]
    assert [(one.reference, one.charge, one.status) for one in control.refunds()] == [("ref-1", uuid, "SUCCESS"), ("ref-2", uuid, "ERROR")]
    assert [(one.reference, one.charge, one.amount_minor) for one in control.payouts()] == [("out-1", uuid, 5000)]
    assert (await world.send("payout", world.debit_fields("out-2"))).json()["errorCode"] == 1002, "a payout without a target"


async def test_a_reservation_is_taken_in_parts_or_released(world: World) -> None:
    reserved = (await world.send("preauthorize", world.debit_fields())).json()
    await world.allsecure.control.pay("ord-42")

    part = await world.about("capture", "cap-1", reserved["uuid"], "5.00")
    too_late = await world.about("void", "void-1", reserved["uuid"])
    back = await world.about("refund", "ref-1", part["uuid"], "5.00")

    assert [one["returnType"] for one in (part, too_late, back)] == ["FINISHED", "ERROR", "FINISHED"]
    assert [one.kind for one in world.allsecure.control.charges()] == ["CAPTURE"]
    stored = (await world.send("register", world.debit_fields("reg-1", amount=None, currency=None))).json()
    await world.allsecure.control.pay("reg-1")
    assert (await world.debit("ord-43", referenceUuid=stored["uuid"]))["returnType"] == "FINISHED"


async def test_the_status_api_knows_by_either_id_and_has_no_redirect_url(world: World) -> None:
    uuid = (await world.debit())["uuid"]

    told = (await world.ask("ord-42")).json()

    assert told == (await world.ask(uuid, by="getByUuid")).json()
    assert (told["success"], told["transactionStatus"], told["transactionType"]) == (True, "REDIRECT", "DEBIT")
    assert (told["amount"], told["currency"], told["merchantTransactionId"]) == ("9.99", "EUR", "ord-42")
    assert "redirectUrl" not in told
    assert refusal(await world.ask("ord-43")) == 8001
    assert refusal(await world.ask(uuid, by="getByUuid", connector=OLD_CARDS)) == 8001, "another connector's is unknown"
    assert refusal(await world.ask("ord-42", body_hash=None)) == 1004
    await world.allsecure.control.decline("ord-42")
    failed = (await world.ask("ord-42")).json()
    assert (failed["success"], failed["transactionStatus"], failed["errors"][0]["errorCode"]) == (True, "ERROR", 2003)


async def test_questions_of_one_transaction_and_of_one_user_are_limited(world: World) -> None:
    await world.debit()

    answers = [await world.ask("ord-42") for _ in range(11)]
    assert [one.status_code for one in answers] == [200] * 10 + [429]
    assert (answers[-1].headers["x-ratelimit-limit"], answers[-1].headers["retry-after"]) == ("10", "60")
    assert refusal(answers[-1]) == 1009

    others = [await world.ask(f"ord-{number % 7}") for number in range(50)]
    assert [one.status_code for one in others].count(429) == 1, "eleven questions were asked already"
    assert others[-1].headers["x-ratelimit-limit"] == "60"
    world.clock.now += timedelta(seconds=60)
    assert (await world.ask("ord-42")).status_code == 200
    await world.control("limit", per_transaction=1)
    assert [(await world.ask("ord-42")).status_code for _ in range(2)] == [200, 429]


async def test_the_controls_are_there_over_http_too(world: World) -> None:
    uuid = (await world.debit())["uuid"]

    paid = await world.control("pay", reference="ord-42")
    assert (paid.json()["result"]["charge"], paid.json()["result"]["status"]) == (uuid, "SUCCESS")
    assert (await world.control("pay", reference="ord-42")).status_code == 400, "it is paid"
    assert (await world.control("pay", reference="ord-43")).status_code == 400
    assert (await world.control("behave", callbacks="sometimes")).status_code == 400
    assert (await world.control("outcome", operation="refund", outcome="pending")).status_code == 200
    assert (await world.about("refund", "ref-1", uuid, "1.00"))["returnType"] == "PENDING"
    await world.control("dispute", charge="ord-42", amount=100)
    book = (await world.client.get(f"{world.allsecure.base_url}/_emulator/book")).json()

    assert {name: len(entries) for name, entries in book.items()} == {"charges": 1, "refunds": 1, "disputes": 1, "payouts": 0}
    assert book["charges"][0] | {"refunded_minor": 100, "charged_back_minor": 100, "reference": "ord-42"} == book["charges"][0]
