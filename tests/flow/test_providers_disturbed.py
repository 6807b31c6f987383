"""Webhooks that are forged, lost or of a provider that is switched off: what is not proven is not believed, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

import psutil
import pytest

from deploy.local.errors import LocalError
from deploy.local.ports import is_free
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitmqServer
from deploy.local.stack import Stack
from deploy.local.stand_ins import NAMES
from tests.flow.payers import CURRENCY, MINOR, Payer, Provider, deposit, payer_at, provider_of, status_of, until
from tests.flow.people import Person, newcomer
from tests.flow.verifying import verify
from tests.servers import shared_stack

SOON_SECONDS = 2


@pytest.fixture(scope="module")
async def stack(postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer) -> AsyncIterator[Stack]:
    settings = {"PROVIDERS": ",".join(NAMES), "PAYOUT_METHOD": "manual"}  # the mock has no part in this
    async with shared_stack(postgres_server, rabbitmq_server, settings, stand_ins=NAMES) as running:
        yield running
        status, output = await verify(running)
        assert status == 0, output
        pids = [child.pid for child in running.stand_ins.children]
    assert len(pids) == 3
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
    assert all(is_free(running.stand_ins.port(name)) for name in NAMES)


@pytest.fixture
async def student(stack: Stack) -> AsyncIterator[Person]:
    async with newcomer(stack) as person:
        yield person


@pytest.fixture
async def admin(stack: Stack) -> AsyncIterator[Person]:
    async with newcomer(stack, "admin") as person:
        yield person


@pytest.fixture
async def payer(stack: Stack) -> AsyncIterator[Payer]:
    async with payer_at(stack) as somebody:
        yield somebody


@pytest.fixture(scope="module")
async def providers(stack: Stack) -> AsyncIterator[dict[str, Provider]]:
    async with AsyncExitStack() as exits:
        yield {name: await exits.enter_async_context(provider_of(stack, name)) for name in NAMES}


async def restart(stack: Stack, service: str, **settings: str) -> None:
    assert await stack.stop_service(service) == 0
    await stack.start_service(service, settings=settings)


async def steps_of(admin: Person, made: dict[str, Any]) -> dict[str, list[datetime]]:
    """When each kind of step was taken."""
    response = await admin.get(f"/payments/{made['payment_id']}/timeline")
    steps: dict[str, list[datetime]] = {}
    for step in response.json()["items"]:
        steps.setdefault(step["step"], []).append(datetime.fromisoformat(step["at"]))
    return steps


@pytest.mark.parametrize("method", NAMES)
async def test_a_forged_webhook_is_refused_and_the_true_one_after_it_taken(
    method: str, student: Person, admin: Person, payer: Payer, providers: dict[str, Provider]
) -> None:
    provider = providers[method]
    before = len(await provider.attempts())
    await provider.deliveries(switches={"forged": 1})
    made = await deposit(student, method)
    await payer.pay(made)
    await provider.deliveries(flush=True)
    await provider.deliveries(off=True)
    await until(student, made, "completed")

    attempts = (await provider.attempts())[before:]
    assert {(one["status"], one["accepted"]) for one in attempts if one["forged"]} == {(400, False)}
    assert {(one["status"], one["accepted"]) for one in attempts if not one["forged"]} == {(200, True)}
    assert len(attempts) == 2 * len({one["key"] for one in attempts})
    # Whatever came of the true ones, of the forged nothing was kept.
    assert len((await steps_of(admin, made))["provider_event.stored"]) <= len(attempts) // 2
    assert (await student.balance(CURRENCY))["available_minor"] == MINOR


async def test_garbled_ones_and_those_of_unknown_providers(stack: Stack, student: Person) -> None:
    url = f"{stack.gateway_url}/api/v1"
    for name in NAMES:
        refused = await student.http.post(f"{url}/webhooks/{name}", content=b"{}", headers={"content-type": "application/json"})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_signature"), name
    alias = await student.http.post(f"{url}/payments/webhook", content=b"{}", headers={"content-type": "application/json"})
    unknown = await student.http.post(f"{url}/webhooks/paypal", content=b"{}")
    switched_off = await student.http.post(f"{url}/webhooks/mock", content=b"{}")

    assert alias.status_code == 400
    assert (unknown.status_code, unknown.json()["code"]) == (404, "provider_not_found")
    assert switched_off.status_code == 404, "PROVIDERS leaves the mock out, and it has no credentials"


async def test_with_every_webhook_lost_payments_are_asked_about_and_completed(
    stack: Stack, student: Person, admin: Person, payer: Payer, providers: dict[str, Provider]
) -> None:
    await restart(stack, "payments", RECONCILE_AFTER_SECONDS=str(SOON_SECONDS))
    for name in ("stripe", "allsecure"):
        await providers[name].deliveries(switches={"drop": True})
    before = {name: await providers[name].attempts() for name in NAMES}
    try:
        unpaid = await deposit(student, "allsecure")
        paid = [await deposit(student, name) for name in ("stripe", "allsecure") for _ in range(2)]
        await asyncio.gather(*(payer.pay(made) for made in paid))
        async with student.socket() as socket:
            while (await student.balance(CURRENCY))["available_minor"] < 4 * MINOR:
                await socket.next("balance.updated")
    finally:
        for name in ("stripe", "allsecure"):
            await providers[name].deliveries(off=True)
        await restart(stack, "payments")

    assert {name: await providers[name].attempts() for name in NAMES} == before, "nothing was sent"
    for made in paid:
        steps = await steps_of(admin, made)
        assert "provider_event.received" not in steps
        (opened,), (completed,) = steps["payment.requested"], steps["payment.completed"]
        assert (completed - opened).total_seconds() >= SOON_SECONDS, "a provider is not asked before its webhook has had its time"
        assert len(steps["ledger.transfer"]) == 1
    assert await status_of(student, unpaid) == "pending"
    balance = await student.balance(CURRENCY)
    assert (balance["available_minor"], balance["version"]) == (4 * MINOR, 4)


async def test_who_is_switched_off_for_new_payments_still_tells_of_the_old(
    stack: Stack, student: Person, payer: Payer, providers: dict[str, Provider]
) -> None:
    begun = [await deposit(student, name) for name in ("allsecure", "prodamus")]
    for service in ("payments", "gateway"):
        await restart(stack, service, PROVIDERS="stripe")
    try:
        refused = await student.post("/balance/deposit", {"amount": 5, "currency": CURRENCY, "method": "allsecure"})
        configured = (await student.get("/config")).json()["methods"]
        for made in begun:
            await payer.pay(made)
            await until(student, made, "completed")
        attempts = [(await providers[made["method"]].attempts())[-1] for made in begun]
    finally:
        for service in ("payments", "gateway"):
            await restart(stack, service)

    assert refused.status_code == 422, refused.text
    assert {"allsecure", "prodamus"}.isdisjoint(method["method"] for method in configured)
    assert [(one["status"], one["accepted"]) for one in attempts] == [(200, True)] * 2
    assert (await student.balance(CURRENCY))["available_minor"] == 2 * MINOR


async def test_real_money_never_shares_the_book_in_which_stand_ins_have_paid(stack: Stack) -> None:
    """What marks the database is that emulators have played."""
    real = {
        "STRIPE_SECRET_KEY": "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "STRIPE_PUBLISHABLE_KEY": "pk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "STRIPE_API_BASE": "https://api.stripe.com",
        "ALLSECURE_BASE_URL": "https://asxgw.com",
        "PRODAMUS_PAGE_URL": "https://shop.payform.ru",
    }
    await stack.stop_service("payments")
    with pytest.raises(LocalError, match="this database holds mock money, and STRIPE_SECRET_KEY is live: use another one"):
        await stack.start_service("payments", settings=real)
    await stack.start_service("payments", settings={})
