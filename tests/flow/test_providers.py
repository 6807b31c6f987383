"""Money through Stripe, AllSecure and Prodamus, played by their stand-ins: seven processes, real forms, real webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitmqServer
from deploy.local.stack import Stack
from deploy.local.stand_ins import NAMES
from tests.flow.payers import (
    AMOUNT,
    CURRENCY,
    MINOR,
    Payer,
    Provider,
    books_of,
    deposit,
    payer_at,
    provider_of,
    reference_of,
    status_of,
    topped_up,
    until,
)
from tests.flow.people import WAIT_SECONDS, Person, logged_in, newcomer
from tests.flow.verifying import verify
from tests.servers import shared_stack

PRODUCTS = """
[[products]]
id = "chakras"
price = "990.00"
currency = "rub"
fulfilment = "chakras"
[products.title]
en = "Chakra reading"
ru = "Разбор чакр"
sr = "Čitanje čakri"
"""
ORDER = {
    "product": "chakras",
    "method": "prodamus",
    "email": "guest@example.org",
    "phone": "+79990000002",
    "points": [{"chakra": "ajna", "value": 3}],
    "locale": "en",
}


@pytest.fixture(scope="module")
async def stack(
    postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    products: Path = tmp_path_factory.mktemp("products") / "products.toml"
    products.write_text(PRODUCTS)
    settings = {"PROVIDERS": ",".join(NAMES), "PAYOUT_METHOD": "allsecure", "PRODUCTS_FILE": str(products), "PLATFORM_FEE_BPS": "1000"}
    async with shared_stack(postgres_server, rabbitmq_server, settings, stand_ins=NAMES) as running:
        yield running
        status, output = await verify(running)
        assert status == 0, output


@pytest.fixture
async def student(stack: Stack) -> AsyncIterator[Person]:
    async with newcomer(stack) as person:
        yield person


@pytest.fixture
async def admin(stack: Stack) -> AsyncIterator[Person]:
    async with newcomer(stack, "admin") as person:
        yield person


@pytest.fixture
async def payer(stack: Stack, student: Person) -> AsyncIterator[Payer]:
    async with payer_at(stack, student) as somebody:
        yield somebody


@pytest.fixture(scope="module")
async def providers(stack: Stack) -> AsyncIterator[dict[str, Provider]]:
    async with AsyncExitStack() as exits:
        yield {name: await exits.enter_async_context(provider_of(stack, name)) for name in NAMES}


@pytest.fixture(autouse=True)
async def nothing_stays_disturbed(providers: dict[str, Provider]) -> AsyncIterator[None]:
    yield
    for provider in providers.values():
        await provider.deliveries(off=True, release=True)


# ---- paying in


@pytest.mark.parametrize("method", NAMES)
async def test_a_payment_at_the_providers_page_moves_the_open_pages_balance_once(
    method: str, student: Person, payer: Payer, providers: dict[str, Provider]
) -> None:
    provider = providers[method]
    await provider.deliveries(switches={"duplicate": 3})
    async with student.socket() as socket:
        snapshot = await socket.next("balance.snapshot")
        made = await deposit(student, method)
        last_click = await payer.pay(made)
        frame = await socket.next("balance.updated")
    await provider.deliveries(flush=True)

    assert snapshot["balances"] == []
    assert (frame["available_minor"], frame["change_minor"], frame["version"]) == (MINOR, MINOR, 1)
    assert (frame["kind"], frame["payment_id"]) == ("deposit", made["payment_id"])
    if last_click is not None:
        assert last_click.status_code in (302, 303)
        assert urlsplit(last_click.headers["location"]).path == "/en/balance/deposit/success"
    charge = await provider.charge_of(reference_of(made))
    assert charge["currency"].lower() == CURRENCY
    assert str(charge.get("amount_minor", charge.get("amount"))) in (str(MINOR), AMOUNT)
    balance = await student.balance(CURRENCY)
    assert (balance["available_minor"], balance["version"]) == (MINOR, 1), "four webhooks, one credit"
    confirmed = await student.post(f"/payments/confirm/{made['payment_id']}")
    assert confirmed.json()["status"] == "completed", confirmed.text


async def test_stripes_payer_is_given_its_form_on_our_own_page(student: Person, payer: Payer) -> None:
    made = await deposit(student, "stripe")
    page = await payer.open(made["payment_url"])

    assert urlsplit(made["payment_url"]).path == f"/en/pay/{made['session_id']}"
    assert page.status == 200, page.text
    assert [address for address in page.scripts if address.startswith(payer.stripe_url)] != []
    assert (page.data["client-secret"], page.data["publishable-key"]) == (made["client_secret"], payer.publishable_key)
    assert payer.stripe_url in page.headers["content-security-policy"]
    assert (await payer.http.get(page.scripts[0])).status_code == 200


async def test_declined_at_stripe_and_prodamus_can_be_tried_again(student: Person, payer: Payer, providers: dict[str, Provider]) -> None:
    by_card, by_link = await deposit(student, "stripe"), await deposit(student, "prodamus")
    refused = await payer.confirm_card(by_card["client_secret"], "pm_card_visa_chargeDeclined")
    sent_back = await payer.choose(by_link["payment_url"], "decline")
    for name in ("stripe", "prodamus"):
        await providers[name].deliveries(flush=True)
    assert (refused.status_code, refused.json()["error"]["code"]) == (402, "card_declined")
    assert "Declined" in (await payer.open(sent_back.headers["location"])).text
    assert [await status_of(student, made) for made in (by_card, by_link)] == ["pending", "pending"]
    asked = await student.post(f"/payments/confirm/{by_link['payment_id']}")
    assert (asked.status_code, asked.json()["code"], "prodamus" in asked.json()["detail"]) == (422, "operation_not_supported", True)

    for made in (by_card, by_link):
        await payer.pay(made)
        await until(student, made, "completed")
    assert (await student.balance(CURRENCY))["available_minor"] == 2 * MINOR


@pytest.mark.parametrize(("button", "status"), [("decline", "failed"), ("fail_3ds", "failed"), ("cancel", "canceled")])
async def test_declined_or_given_up_at_allsecure_is_over(button: str, status: str, student: Person, payer: Payer) -> None:
    made = await deposit(student, "allsecure")
    sent_back = await payer.choose(made["payment_url"], button)
    await until(student, made, status)

    parts = urlsplit(sent_back.headers["location"])
    assert (parts.path, parse_qs(parts.query)["error"]) == ("/en/balance/deposit", ["payment_failed"])
    assert (await student.balance(CURRENCY))["version"] == 0


async def test_a_session_is_paid_by_card_and_its_mentor_is_credited_less_the_fee(stack: Stack, student: Person, payer: Payer) -> None:
    async with logged_in(stack.gateway_url, stack.notifier_urls[0], "mentor") as mentor, mentor.socket() as socket:
        await socket.next("balance.snapshot")
        made = await student.post("/payments/create-intent", {"amount": 5000, "currency": "usd", "session_id": 1, "mentor_id": 2})
        assert made.status_code == 201, made.text
        early = await student.post(f"/payments/confirm/{made.json()['payment_id']}")
        paid = await payer.confirm_card(made.json()["client_secret"])
        frame = await socket.next("balance.updated")
        done = await student.post(f"/payments/confirm/{made.json()['payment_id']}")

    assert (early.json()["status"], paid.json()["status"], done.json()["status"]) == ("pending", "succeeded", "completed")
    assert (frame["change_minor"], frame["currency"], frame["payment_id"]) == (4_500, "usd", made.json()["payment_id"])


# ---- orders of guests


async def test_a_guest_pays_an_order_at_prodamus_and_reads_its_result(stack: Stack, payer: Payer) -> None:
    made = await ordered(stack, payer)
    page = await payer.open(made["payment_url"])
    assert parse_qs(urlsplit(made["payment_url"]).query)["do"] == ["pay"]
    assert "Chakra reading" in page.text
    assert "pay" in page.buttons, "opens at once: the phone of the order is known"

    sent_on = await payer.press(page, "pay")
    result = await payer.open(sent_on.headers["location"])
    # The payer comes back faster than the notification, as often as not.
    read = f"{stack.gateway_url}/api/v1/payments/paid-interpretation?order_id={made['order_id']}"
    async with asyncio.timeout(WAIT_SECONDS):
        while (text := await payer.http.get(read)).status_code == 402:
            await asyncio.sleep(0.02)

    assert urlsplit(sent_on.headers["location"]).path == f"/en/orders/{made['order_id']}/success"
    assert text.status_code == 200, text.text
    assert "Ajna" in text.json()["message"]
    assert result.status == 200
    again = await payer.open(made["payment_url"])
    assert (again.status, again.buttons) == (410, {}), "payments_limit=1"


async def test_an_order_marked_as_paid_is_matched_by_its_notification(
    stack: Stack, payer: Payer, admin: Person, providers: dict[str, Provider]
) -> None:
    prodamus = providers["prodamus"]
    await prodamus.deliveries(hold=True)
    made = await ordered(stack, payer)
    await payer.choose(made["payment_url"], "pay")
    charge = await prodamus.charge_of(made["session_id"])
    said = {"reference": charge["charge"], "reason": "seen in the cabinet; no notification came"}
    marked = await admin.post(f"/orders/{made['order_id']}/mark-paid", said)
    assert marked.status_code == 200, marked.text
    await prodamus.deliveries(release=True)
    await prodamus.deliveries(flush=True)

    async with asyncio.timeout(WAIT_SECONDS):
        while not (outcomes := await told_of(admin, made)):
            await asyncio.sleep(0.02)
    assert outcomes == ["matched"]
    steps = (await admin.get(f"/payments/{made['payment_id']}/timeline")).json()["items"]
    assert [step["detail"]["amount_minor"] for step in steps if step["step"] == "ledger.transfer"] == [99_000], "booked once"
    assert (await admin.get("/suspense", status="open")).json()["items"] == []


async def ordered(stack: Stack, payer: Payer) -> dict[str, Any]:
    response = await payer.http.post(f"{stack.gateway_url}/api/v1/orders", json=ORDER)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def told_of(admin: Person, made: dict[str, Any]) -> list[str]:
    """What came of each event that the provider told of the payment."""
    steps = (await admin.get(f"/payments/{made['payment_id']}/timeline")).json()["items"]
    return [step["detail"]["outcome"] for step in steps if step["step"] == "provider_event.stored"]


# ---- money back and out


@pytest.mark.parametrize("method", ["stripe", "allsecure"])
async def test_an_admins_refund_is_made_at_the_provider(
    method: str, student: Person, admin: Person, payer: Payer, providers: dict[str, Provider]
) -> None:
    made = await topped_up(student, payer, method)
    async with student.socket() as socket:
        await socket.next("balance.snapshot")
        done = await admin.post(f"/payments/refund/{made['payment_id']}", {"amount": 550, "reason": "too much"})
        frame = await socket.next("balance.updated")
    rest = await admin.post(f"/payments/refund/{made['payment_id']}")

    assert (done.status_code, done.json()["refund_status"], done.json()["status"]) == (201, "succeeded", "partially_refunded"), done.text
    assert frame["available_minor"] == MINOR - 550
    assert (rest.status_code, rest.json()["status"]) == (201, "refunded"), rest.text
    charge = (await providers[method].charge_of(reference_of(made)))["charge"]
    theirs = [refund for refund in await providers[method].book("refunds") if refund["charge"] == charge]
    assert sorted(refund["amount_minor"] for refund in theirs) == [550, MINOR - 550]
    assert (await student.balance(CURRENCY))["available_minor"] == 0


async def test_prodamus_sends_nothing_back_but_what_was_done_in_its_cabinet_is_recorded(
    student: Person, admin: Person, payer: Payer, providers: dict[str, Provider]
) -> None:
    made = await topped_up(student, payer, "prodamus")
    lacking = await admin.post(f"/payments/refund/{made['payment_id']}", {"amount": 1_000})
    assert (lacking.status_code, lacking.json()["code"]) == (422, "refund_not_supported"), lacking.text
    assert "prodamus" in lacking.json()["detail"]
    assert (await student.balance(CURRENCY))["available_minor"] == MINOR

    charge = await providers["prodamus"].charge_of(made["session_id"])
    refund = await providers["prodamus"].control("refund_elsewhere", charge=charge["charge"], amount="10.00")
    said = {"amount": 1_000, "manual_reference": refund["refund"], "reason": "in the cabinet"}
    recorded = await admin.post(f"/payments/refund/{made['payment_id']}", said)
    assert (recorded.status_code, recorded.json()["refund_status"]) == (201, "succeeded"), recorded.text
    assert (await student.balance(CURRENCY))["available_minor"] == MINOR - 1_000


async def test_money_goes_out_to_the_card_of_an_allsecure_payment(
    student: Person, admin: Person, payer: Payer, providers: dict[str, Provider]
) -> None:
    made = await topped_up(student, payer, "allsecure")
    other = await topped_up(student, payer, "stripe")
    destination = {"type": "card", "payment_id": made["payment_id"]}
    wrong = await student.post(
        "/balance/withdraw", {"amount": 5, "currency": CURRENCY, "destination": destination | {"payment_id": other["payment_id"]}}
    )
    asked = await student.post("/balance/withdraw", {"amount": "12.50", "currency": CURRENCY, "destination": destination})
    assert wrong.status_code == 422, wrong.text
    assert (asked.status_code, asked.json()["status"]) == (201, "pending"), asked.text
    approved = await admin.post(f"/withdrawals/{asked.json()['withdrawal_id']}/approve")
    assert approved.status_code == 200, approved.text

    async with asyncio.timeout(WAIT_SECONDS):
        while (told := (await student.get(f"/withdrawals/{asked.json()['withdrawal_id']}")).json())["status"] != "paid":
            assert told["status"] in ("approved", "sending"), told
            await asyncio.sleep(0.02)
    (payout,) = await providers["allsecure"].book("payouts")
    assert (payout["amount_minor"], payout["status"]) == (1_250, "SUCCESS")
    balance = await student.balance(CURRENCY)
    assert (balance["available_minor"], balance["held_minor"]) == (2 * MINOR - 1_250, 0)


async def test_afterwards_every_providers_book_and_ours_agree(admin: Person, providers: dict[str, Provider]) -> None:
    listed = (await admin.get("/payments/history", all="true", limit=100)).json()
    paid = [one for one in listed if one["status"] in ("completed", "partially_refunded", "refunded")]
    views = [(await admin.get(f"/payments/{one['id']}")).json() for one in paid]
    ours = {one["transaction_id"]: (one["amount_minor"], view["refunded_amount_minor"]) for one, view in zip(paid, views, strict=True)}

    assert ours == await books_of(providers)
    assert {reference.partition(":")[0] for reference in ours} == set(NAMES)
