"""AllSecure's emulator tells the merchant: when, how signed, how often, in which words; and what happens when answers are lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.contract.allsecure_merchant import HOOK, Stages, World, both_stages, playing, refusal
from tests.emulators.allsecure import OLD_CARDS, AllSecureEmulator
from tests.emulators.allsecure.callbacks import RETRY_SECONDS, address_of, target_of
from tests.emulators.deliveries import ALWAYS, Switches
from tests.emulators.faults import Kind


@pytest.fixture(scope="module")
async def stages() -> AsyncIterator[Stages]:
    async with both_stages() as stages:
        yield stages


@pytest.fixture
async def world(stages: Stages) -> AsyncIterator[World]:
    async with playing(stages) as world:
        yield world


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/json"])
async def test_a_callback_is_signed_over_what_is_received(world: World, content_type: str) -> None:
    world.allsecure.behaviour.content_type = content_type
    uuid = await world.paid(merchantMetaData="lesson=7", customer={"email": "Ana.Petrović@example.com"})

    (came,) = world.merchant.came
    assert came.is_signed()
    assert not came.is_signed(OLD_CARDS)
    assert (came.target, came.headers["content-type"]) == (HOOK, content_type)
    expected = {
        "result": "OK",
        "uuid": uuid,
        "merchantTransactionId": "ord-42",
        "transactionType": "DEBIT",
        "paymentMethod": "Creditcard",
        "amount": "9.99",
        "currency": "EUR",
        "merchantMetaData": "lesson=7",
        "customer": {"email": "Ana.Petrović@example.com"},
    }
    assert came.fields | expected == came.fields


@pytest.mark.parametrize("body_hash", ["sha512", "md5"])
async def test_a_callback_is_signed_in_the_way_of_the_request_that_began_it(world: World, body_hash: str) -> None:
    await world.send("debit", world.debit_fields(), connector=OLD_CARDS, body_hash=body_hash)
    await world.allsecure.control.pay("ord-42")
    await world.allsecure.control.dispute("ord-42")
    await world.told()

    assert [one.is_signed(OLD_CARDS, body_hash) for one in world.merchant.came] == [True, True]


async def test_only_200_and_ok_ends_a_callback(world: World) -> None:
    world.merchant.answers = [
        (500, "OK"),
        (201, "OK"),
        (200, "ok"),
        (200, "OK\n"),
        (302, ""),
        (200, "success"),
        (200, "OK"),
        (200, "never asked"),
    ]

    await world.paid()

    assert len(world.merchant.came) == 7
    assert all(one.is_signed() and one.told == ("ord-42", "DEBIT", "OK") for one in world.merchant.came)
    assert len({one.body for one in world.merchant.came}) == 1
    assert {one.target for one in world.merchant.came} == {HOOK}, "redirects are not followed"


async def test_a_callback_is_given_up_at_the_end_of_the_table(world: World) -> None:
    world.merchant.answers = [(500, "")] * 100

    await world.paid()

    assert len(world.merchant.came) == 1 + len(RETRY_SECONDS) == 15
    assert [hours * 3600 for hours in (1, 2, 3, 12, 24)] == list(RETRY_SECONDS[3:8])
    deliveries = AllSecureEmulator().deliveries
    assert (deliveries.timeout_seconds, deliveries.later_timeout_seconds, deliveries.time_scale) == (10, 30, 1)
    assert await world.status() == "SUCCESS", "whoever asks, learns"


async def test_a_callback_may_overtake_the_answer(world: World) -> None:
    world.allsecure.behaviour.callbacks = "before"

    told = await world.debit(transactionToken="emulator-pays")

    assert [one.fields["uuid"] for one in world.merchant.came] == [told["uuid"]]


async def test_a_callback_may_follow_the_answer(world: World) -> None:
    world.merchant.gate.clear()

    told = await world.debit(transactionToken="emulator-pays")

    assert told["returnType"] == "FINISHED", "the merchant answers no callback before its own question is answered"
    world.merchant.gate.set()
    assert await world.told() == [("ord-42", "DEBIT", "OK")]


async def test_a_callback_may_never_come_and_the_status_tells(world: World) -> None:
    world.allsecure.behaviour.callbacks = "never"
    await world.debit()
    await world.allsecure.control.pay("ord-42")
    token = await world.debit("ord-43", transactionToken="emulator-pays")
    await world.choose((await world.debit("ord-44"))["redirectUrl"], "pay")

    assert await world.told() == []
    assert [await world.status(one) for one in ("ord-42", "ord-43", "ord-44")] == ["SUCCESS"] * 3
    assert token["returnType"] == "FINISHED"


async def test_without_an_address_nobody_is_called_and_none_off_this_machine(world: World) -> None:
    await world.paid("ord-42", callbackUrl=None)
    await world.paid("ord-43", callbackUrl="https://shop.example/webhooks")

    assert world.merchant.came == []
    assert list(world.allsecure.unreached) == ["https://shop.example/webhooks"]
    elsewhere = urlsplit("http://localhost:8000/api")
    assert address_of("https://shop.example/a/b?c=d#e", elsewhere) == "http://localhost:8000/a/b?c=d"
    assert target_of("https://shop.example/a/b?c=d#e") == "/a/b?c=d"
    assert target_of("https://shop.example") == "/"


async def test_what_is_pending_is_told_twice(world: World) -> None:
    await world.debit()
    await world.allsecure.control.pend("ord-42")
    await world.told()
    await world.allsecure.control.settle("ord-42", "insufficient_funds")

    assert await world.told() == [("ord-42", "DEBIT", "PENDING"), ("ord-42", "DEBIT", "ERROR")]


@pytest.mark.parametrize(("naming", "error"), [("code", {"code": "2003"}), ("errorCode", {"errorCode": 2003})])
async def test_errors_are_named_in_either_way(world: World, naming: Any, error: dict[str, object]) -> None:
    world.allsecure.behaviour.naming = naming
    await world.debit()
    await world.allsecure.control.decline("ord-42")
    await world.told()

    told = world.merchant.came[0].fields
    assert told | error | {"result": "ERROR", "adapterCode": "05"} == told
    assert len({"code", "errorCode", "message", "errorMessage"} & set(told)) == 2


async def test_a_chargeback_and_its_end_are_told_as_transactions_of_their_own(world: World) -> None:
    world.allsecure.behaviour.chargeback_amount = "number"
    uuid = await world.paid()
    chargeback = await world.allsecure.control.dispute("ord-42", "chargeback", "5.00")
    await world.told()
    reversal = await world.allsecure.control.dispute(uuid, "reversal")
    await world.told()

    _, began, ended = (one.fields for one in world.merchant.came)
    assert (began["transactionType"], began["uuid"], began["merchantTransactionId"]) == (
        "CHARGEBACK",
        chargeback.dispute,
        chargeback.reference,
    )
    assert began["merchantTransactionId"].startswith("auto-")
    assert began["chargebackData"]["amount"] == 5.0
    assert isinstance(began["chargebackData"]["amount"], float)
    assert (began["chargebackData"]["originalUuid"], began["chargebackData"]["originalMerchantTransactionId"]) == (uuid, "ord-42")
    assert (ended["transactionType"], ended["uuid"]) == ("CHARGEBACK-REVERSAL", reversal.dispute)
    assert ended["chargebackReversalData"]["chargebackUuid"] == chargeback.dispute
    assert "chargebackData" in (await world.ask(chargeback.reference)).json()
    assert [one.reverses for one in world.allsecure.control.disputes()] == [None, chargeback.dispute]
    assert world.allsecure.control.charges()[0].charged_back_minor == 0


async def test_a_refund_made_at_the_gateways_site_is_told_under_an_id_of_its_own(world: World) -> None:
    uuid = await world.paid()

    refund = await world.allsecure.control.refund_elsewhere("ord-42", "3.00")
    await world.told()

    told = world.merchant.came[-1].fields
    assert told | {"transactionType": "REFUND", "result": "OK", "uuid": refund.refund, "referenceUuid": uuid, "amount": "3.00"} == told
    assert told["merchantTransactionId"].startswith("auto-")
    assert (await world.about("refund", "ref-1", uuid, "7.00"))["returnType"] == "ERROR", "it counts"


async def test_a_refund_that_had_succeeded_can_fail(world: World) -> None:
    uuid = await world.paid()
    await world.about("refund", "ref-1", uuid, "9.99")
    await world.told()

    await world.allsecure.control.fail_refund("ref-1")

    assert (await world.told())[1:] == [("ref-1", "REFUND", "OK"), ("ref-1", "REFUND", "ERROR")]
    assert await world.status("ref-1") == "ERROR"


async def test_callbacks_can_be_doubled_forged_dated_back_and_dropped(world: World) -> None:
    deliveries = world.allsecure.deliveries
    deliveries.switches = Switches(duplicate=1)
    await world.paid("ord-1")
    deliveries.switches = Switches(forged=ALWAYS)
    await world.paid("ord-2")
    deliveries.switches = Switches(stale=1)
    await world.paid("ord-3")
    deliveries.switches = Switches(drop=True)
    await world.paid("ord-4")

    came = world.merchant.came
    assert [(one.told[0], one.is_signed()) for one in came] == [("ord-1", True), ("ord-1", True), ("ord-2", False), ("ord-3", True)]
    assert came[3].headers["date"] != came[2].headers["date"]


async def test_callbacks_can_come_in_another_order(world: World) -> None:
    world.allsecure.deliveries.switches = Switches(reorder=2)
    uuid = (await world.debit())["uuid"]
    await world.allsecure.control.pay("ord-42")
    await world.about("refund", "ref-1", uuid, "9.99")

    assert [reference for reference, _, _ in await world.told()] == ["ref-1", "ord-42"]


@pytest.mark.parametrize(
    ("kind", "status", "is_done"),
    [("504_after", 504, True), ("500_after", 500, True), ("500_before", 500, False), ("503", 503, False), ("429", 429, False)],
)
async def test_an_answer_can_be_lost_before_or_after_the_effect(world: World, kind: Kind, status: int, is_done: bool) -> None:
    world.allsecure.faults.once(kind, "debit")

    assert (await world.send("debit", world.debit_fields())).status_code == status

    found = await world.ask("ord-42")
    assert found.status_code == (200 if is_done else 404)
    assert (await world.send("debit", world.debit_fields())).status_code == (400 if is_done else 200), "again with the same id"


@pytest.mark.parametrize(("kind", "found"), [("cut_after", 200), ("cut_before", 404)])
async def test_a_connection_can_be_cut_before_or_after_the_effect(world: World, kind: Kind, found: int) -> None:
    world.allsecure.faults.once(kind, "debit")

    with pytest.raises(httpx.RemoteProtocolError):
        await world.send("debit", world.debit_fields())

    assert (await world.ask("ord-42")).status_code == found


async def test_in_maintenance_nothing_is_done(world: World) -> None:
    world.allsecure.behaviour.maintenance = True
    answer = await world.send("debit", world.debit_fields())

    assert (answer.status_code, refusal(answer)) == (503, 1010)
    assert len(world.allsecure.book) == 0
