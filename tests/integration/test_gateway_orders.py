"""Orders over the real broker: who is let in without an account, what the form must hold, and what is said while nothing is bought yet."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from services.gateway.guests import guest_callers
from shared.contracts.base import new_id, utc_now
from shared.contracts.orders import (
    CreateOrder,
    CreateOrderPayment,
    GetInterpretation,
    GetOrder,
    Interpretation,
    MarkOrderPaid,
    OrderCreated,
    OrderMarkedPaid,
)
from shared.contracts.payment_commands import CommandReply
from shared.keys import Keys
from tests.integration.gateway_world import ORIGIN, SECRET, World, bearer, gateway_world, one_story, refused, silent, token

ORDERS = "/api/v1/orders"
READ = "/api/v1/payments/paid-interpretation"
FORM = {"product": "chakras", "email": "ana@example.rs", "points": [{"chakra": "ajna", "value": 3}]}


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url, secret_key=(SECRET, "an older secret that is being rolled out of use")) as started:
        yield started


@pytest.fixture
async def world(running: World) -> AsyncIterator[World]:
    async with one_story(running) as story:
        story.stand_ins.answers |= {CreateOrder: made, CreateOrderPayment: made, MarkOrderPaid: marked}
        yield story


async def made(command: CreateOrder | CreateOrderPayment) -> CommandReply[OrderCreated]:
    return CommandReply(
        answer=OrderCreated(
            order_id=command.order_id,
            payment_id=command.payment_id,
            session_id=new_id(),
            payment_url="http://localhost:8000/payment/mock?session_id=1",
            amount_minor=99_000,
            currency="rsd",
            method="mock",
            expires_at=utc_now(),
        )
    )


async def marked(command: MarkOrderPaid) -> CommandReply[OrderMarkedPaid]:
    return CommandReply(
        answer=OrderMarkedPaid(
            order_id=command.order_id, payment_id=new_id(), reference=command.reference, amount_minor=99_000, currency="rsd"
        )
    )


async def guest(world: World, form: dict[str, Any], path: str = ORDERS, **headers: str) -> Any:
    return await world.http.post(path, json=form, headers={name.replace("_", "-"): value for name, value in headers.items()})


async def test_a_guest_orders_without_an_account(world: World) -> None:
    form = FORM | {"phone": "+381 (60) 123-45-67", "birth_date": "1990-05-17", "locale": "sr", "method": "mock"}
    answer = await guest(world, form, X_Request_ID="trace-1")

    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["amount"], body["amount_minor"], body["currency"], body["status"]) == (990.0, 99_000, "rsd", "pending")
    assert answer.headers["Location"].endswith(f"/api/v1/orders/{body['order_id']}")
    (command,) = world.stand_ins.asked_of(CreateOrder)
    assert (command.user_id, command.email, command.phone, command.birth_date) == (
        None,
        "ana@example.rs",
        "+381601234567",
        date(1990, 5, 17),
    )
    assert (command.points, command.locale, command.correlation_id) == ([{"chakra": "ajna", "value": 3}], "sr", "trace-1")
    assert command.idempotency.caller.startswith("guest:")
    assert "ana" not in command.idempotency.caller
    assert len(command.former_callers) == 1, "the name under the secret that is being rolled out of use"


async def test_a_guest_is_the_same_however_they_write_it(world: World) -> None:
    for email, phone in (("ana@example.rs", "+381 60 1234567"), (" Ana@Example.rs ", "+381-60-123-45-67"), ("ana@example.rs", None)):
        assert (await guest(world, FORM | {"email": email, "phone": phone})).status_code == 201
    one, same, other = [command.idempotency.caller for command in world.stand_ins.asked_of(CreateOrder)]

    assert one == same != other
    assert guest_callers(Keys(("x" * 32,)), "a@b.rs", None) != guest_callers(Keys(("y" * 32,)), "a@b.rs", None), "not to be guessed"


@pytest.mark.parametrize("path", ["/create_order/", "/api/v1/payments/create-link"])
async def test_the_aliases_have_defaults(world: World, path: str) -> None:
    answer = await guest(world, {"phone": "0601234567", "email": "", "points": [{"chakra": "ajna", "value": 3}]}, path)

    assert answer.status_code == 201, answer.text
    assert set(answer.json()) == set((await guest(world, FORM)).json())
    command, plain = world.stand_ins.asked_of(CreateOrder)
    assert (command.product, command.method, command.birth_date, command.email) == ("chakras", None, None, None)
    assert (command.dated_when_ordered, plain.dated_when_ordered) == (True, False)
    assert command.idempotency.operation == f"POST {path}"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"email": None}, "email"),
        ({"email": ""}, "email"),
        ({"email": "  ", "phone": ""}, "email"),
        ({"email": "ana"}, "email"),
        ({"email": "ana@localhost"}, "email"),
        ({"email": "a@b.rs\r\nBcc: c@d.rs"}, "email"),
        ({"email": f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}"}, "email"),
        ({"email": 5}, "email"),
        ({"email": "ana@\u202eexample.rs"}, "email"),
        ({"email": f"ana@example.rs{' ' * 300}"}, "email"),
        ({"phone": f"{' ' * 60}0601234567"}, "phone"),
        ({"phone": "1234"}, "phone"),
        ({"phone": "+" + "1" * 16}, "phone"),
        ({"phone": "call me"}, "phone"),
        ({"phone": "٠٦٠١٢٣٤٥٦٧"}, "phone"),
        ({"birth_date": "17.05.1990"}, "birth_date"),
        ({"birth_date": "1990-02-30"}, "birth_date"),
        ({"birth_date": 19900517}, "birth_date"),
        ({"locale": "de"}, "locale"),
        ({"product": "Chakras!"}, "product"),
        ({"prodct": "chakras"}, "prodct"),
        ({"external_id": ""}, "external_id"),
    ],
)
async def test_a_form_names_what_is_wrong_with_it(world: World, change: dict[str, Any], named: str) -> None:
    answer = await guest(world, FORM | change)

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["loc"] == ["body", named]
    assert world.stand_ins.asked == [], "nothing left the gateway"


async def test_the_product_is_required(world: World) -> None:
    answer = await guest(world, {"email": "ana@example.rs"})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "product"])


async def test_points_are_for_the_product_to_judge_and_come_as_they_were_sent(world: World) -> None:
    content = b'{"product":"chakras","email":"a@b.rs","points":[{"value":5.5,"x":[1e400,-3,true,null]}]}'
    await world.http.post(ORDERS, content=content, headers={"content-type": "application/json"})

    (command,) = world.stand_ins.asked_of(CreateOrder)
    assert command.points == [{"value": "5.5", "x": ["1e400", -3, True, None]}]


async def test_whoever_is_signed_in_orders_as_themselves(world: World) -> None:
    by_token = await world.http.post(ORDERS, json=FORM, headers=bearer("7", locale="ru"))
    cookie = {"Cookie": f"purser_session={token('7')}"}
    without_csrf = await world.http.post(ORDERS, json=FORM, headers=cookie)
    me = await world.http.get("/api/v1/me", headers=cookie)
    with_csrf = await world.http.post(ORDERS, json=FORM, headers={**cookie, "X-CSRF-Token": me.json()["csrf_token"]})
    stale = await world.http.post(ORDERS, json=FORM, headers={"Cookie": f"purser_session={token('7', seconds=-60)}"})
    bad_token = await world.http.post(ORDERS, json=FORM, headers={"Authorization": "Bearer nonsense"})
    elsewhere = await world.http.post(ORDERS, json=FORM, headers={"Origin": "https://evil.example"})
    here = await world.http.post(ORDERS, json=FORM, headers={"Origin": ORIGIN})

    assert [a.status_code for a in (by_token, with_csrf, stale, here)] == [201, 201, 201, 201]
    assert (without_csrf.status_code, without_csrf.json()["code"]) == (403, "csrf_failed")
    assert (bad_token.status_code, elsewhere.status_code, elsewhere.json()["code"]) == (401, 403, "csrf_failed")
    commands = world.stand_ins.asked_of(CreateOrder)
    assert [command.user_id for command in commands] == ["7", "7", None, None], "an ended session is a guest's, not an error"
    assert (commands[0].idempotency.caller, commands[0].former_callers, commands[0].locale) == ("user:7", (), "ru")


async def test_slow_is_not_lost_for_a_guest_either(world: World) -> None:
    world.stand_ins.answers[CreateOrder] = silent
    slow = await guest(world, FORM, Idempotency_Key="key-1")

    async def unknown(query: GetOrder) -> Any:
        return refused("order_not_found", query)

    world.stand_ins.answers[GetOrder] = unknown
    polled = await world.http.get(slow.headers["Location"].removeprefix(world.settings.public_url))
    without_receipt = await world.http.get(f"{ORDERS}/{slow.json()['order_id']}")

    assert (slow.status_code, slow.json()) == (202, {"order_id": slow.json()["order_id"], "status": "accepted"})
    assert (polled.status_code, polled.json()) == (200, slow.json())
    assert without_receipt.status_code == 404


@pytest.mark.parametrize("order_id", ["1", "x" * 36, "%00", "0195f3a0-0000-7000-8000-00000000000", "..%2f..%2fme"])
async def test_ids_that_were_never_ours_are_404(world: World, order_id: str) -> None:
    answers = [
        await world.http.get(f"{ORDERS}/{order_id}"),
        await world.http.post(f"{ORDERS}/{order_id}/payments", json={}),
        await world.http.get(READ, params={"order_id": order_id}),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert world.stand_ins.asked == []


async def test_a_new_payment_is_anybodys_who_knows_the_order(world: World) -> None:
    order_id = new_id()
    answer = await guest(world, {"method": "mock"}, f"{ORDERS}/{str(order_id).upper()}/payments", Idempotency_Key="again")

    assert (answer.status_code, answer.json()["order_id"]) == (201, str(order_id))
    bare = await world.http.post(f"{ORDERS}/{order_id}/payments")
    assert bare.status_code == 201, bare.text
    named, unnamed = world.stand_ins.asked_of(CreateOrderPayment)
    assert (named.idempotency.caller, named.method, unnamed.method) == (f"order:{order_id}", "mock", None)


async def test_only_an_admin_marks_an_order_as_paid(world: World) -> None:
    path, said = f"{ORDERS}/{new_id()}/mark-paid", {"reference": "777", "reason": "bank list"}
    answers = [
        await world.http.post(path, json=said),
        await world.http.post(path, json=said, headers=bearer("1")),
        await world.http.post(path, json=said, headers=bearer("9", roles=["admin"])),
        await world.http.post(path, json=said | {"reason": "  "}, headers=bearer("9", roles=["admin"])),
    ]

    assert [answer.status_code for answer in answers] == [401, 403, 200, 422]
    assert answers[1].json()["code"] == "forbidden"
    assert list(answers[2].json()) == ["order_id", "payment_id", "status", "reference", "amount", "amount_minor", "currency"]
    (command,) = world.stand_ins.asked_of(MarkOrderPaid)
    assert (command.admin_user_id, command.reference, command.reason) == ("9", "777", "bank list")


@pytest.mark.parametrize("path", [READ, "/api/payments/paid-interpretation"])
@pytest.mark.parametrize(
    ("code", "status", "error", "retry"),
    [
        ("order_not_paid", 402, "Order not paid", False),
        ("not_ready", 402, "Order not ready", True),
        ("order_refunded", 402, "Order refunded", False),
        ("fulfilment_failed", 503, None, True),
        ("order_not_found", 404, None, False),
    ],
)
async def test_what_is_said_while_there_is_no_text(world: World, path: str, code: str, status: int, error: str | None, retry: bool) -> None:
    async def no_text(query: GetInterpretation) -> Any:
        return refused(code, query)

    world.stand_ins.answers[GetInterpretation] = no_text
    answer = await world.http.get(path, params={"order_id": str(new_id())})

    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (status, code, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json().get("error"), "Retry-After" in answer.headers) == (error, retry)


async def test_the_text_is_told_as_it_is(world: World) -> None:
    async def text(query: GetInterpretation) -> Interpretation:
        return Interpretation(order_id=query.order_id, message="Čitanje\n\nЧакра “ajna”")

    world.stand_ins.answers[GetInterpretation] = text
    answer = await world.http.get(READ, params={"order_id": str(new_id())})
    missing = await world.http.get(READ)

    assert (answer.status_code, json.loads(answer.content)) == (200, {"message": "Čitanje\n\nЧакра “ajna”"})
    assert missing.status_code == 422
    (query,) = world.stand_ins.asked_of(GetInterpretation)
    assert 1 < query.wait_seconds < 2, "within the waiting time, so that the answer still arrives"
