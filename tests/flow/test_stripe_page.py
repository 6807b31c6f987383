"""Paying by card from end to end: our page, Stripe's form in it, the webhook, the balance; over the four services and Stripe's stand-in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html import unescape
from typing import Any

import httpx
import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitmqServer
from deploy.local.stack import Stack
from tests.emulators.server import EmulatorServer
from tests.emulators.stripe import StripeEmulator
from tests.emulators.stripe.emulator import TEST_WEBHOOK_SECRET
from tests.flow.people import Person, logged_in
from tests.flow.reading_pages import told_now
from tests.flow.verifying import verify
from tests.servers import shared_stack


@dataclass
class Shop:
    stack: Stack
    stripe: httpx.AsyncClient
    visitor: httpx.AsyncClient

    async def open(self, url: str, **headers: str) -> httpx.Response:
        """One of our pages, as a browser asks for it."""
        return await self.visitor.get(httpx.URL(url).raw_path.decode(), headers={"Accept": "text/html", **headers})

    async def confirm(self, form: dict[str, str], method: str) -> dict[str, Any]:
        """What Stripe.js sends when the payer presses the button; `method`: the test card in its frame."""
        intent = form["client-secret"].partition("_secret_")[0]
        told = {
            "key": form["publishable-key"],
            "client_secret": form["client-secret"],
            "payment_method": method,
            "return_url": "https://x.example/",
        }
        answer: dict[str, Any] = (await self.stripe.post(f"/v1/payment_intents/{intent}/confirm", data=told)).json()
        return answer

    async def until_told(self, path: str, words: str, **headers: str) -> None:
        """Looks at the page again, as it does by itself, until it says so."""
        async with asyncio.timeout(20):
            while words not in told_now((page := await self.open(path, **headers)).text):
                assert page.status_code == 200, page.text
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
async def shop(postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer) -> AsyncIterator[Shop]:
    stripe = StripeEmulator(time_scale=0.001)
    async with EmulatorServer(stripe) as server:
        settings = {
            "STRIPE_SECRET_KEY": stripe.keys.secret,
            "STRIPE_PUBLISHABLE_KEY": stripe.keys.publishable,
            "STRIPE_WEBHOOK_SECRET": TEST_WEBHOOK_SECRET,
            "STRIPE_API_BASE": server.url,
        }
        async with (
            shared_stack(postgres_server, rabbitmq_server, settings) as stack,
            httpx.AsyncClient(base_url=server.url, trust_env=False) as browser_at_stripe,
            httpx.AsyncClient(base_url=stack.gateway_url, trust_env=False, timeout=20) as visitor,
        ):
            stripe.events.add_endpoint(f"{stack.gateway_url}/api/v1/payments/webhook", ["*"], "2026-10-28.endive", TEST_WEBHOOK_SECRET)
            yield Shop(stack, browser_at_stripe, visitor)


@pytest.fixture
async def student(shop: Shop) -> AsyncIterator[Person]:
    async with logged_in(shop.stack.gateway_url, shop.stack.notifier_urls[0]) as person:
        yield person


def form_of(page: httpx.Response) -> dict[str, str]:
    (form,) = re.findall(r"<form id=\"checkout\"([^>]*)>", page.text)
    return {name: unescape(value) for name, value in re.findall(r'data-([a-z-]+)="([^"]*)"', form)}


async def test_a_top_up_by_card(shop: Shop, student: Person) -> None:
    config = (await student.get("/config")).json()
    assert [method["method"] for method in config["methods"]] == ["stripe", "mock", "balance"]
    cookie = {"Cookie": f"purser_session={student.http.headers['Authorization'].removeprefix('Bearer ')}"}
    made = (await student.post("/balance/deposit", {"amount": 20, "currency": "eur"})).json()
    assert made["method"] == "stripe", "the first one configured"

    nobody = await shop.open(made["payment_url"])
    page = await shop.open(made["payment_url"], **cookie)
    form = form_of(page)

    assert (nobody.status_code, nobody.headers["location"]) == (303, f"/en/login?next=%2Fen%2Fpay%2F{made['session_id']}")
    assert (form["client-secret"], form["publishable-key"]) == (made["client_secret"], config["stripe_publishable_key"])
    (script,) = re.findall(r'<script src="(http[^"]+)"', page.text)
    assert f"script-src 'self' {str(httpx.URL(script).copy_with(path='/')).rstrip('/')};" in page.headers["content-security-policy"]
    assert "window.Stripe" in (await shop.stripe.get(script)).text

    declined = await shop.confirm(form, "pm_card_visa_chargeDeclined")
    assert declined["error"]["code"] == "card_declined"
    assert form_of(await shop.open(made["payment_url"], **cookie)) == form, "it can be tried again"
    assert (await student.balance("eur"))["available_minor"] == 0

    assert (await shop.confirm(form, "pm_card_visa"))["status"] == "succeeded"
    await shop.until_told(form["return-path"], "The money is on your balance.", **cookie)
    assert (await student.balance("eur"))["available_minor"] == 2_000
    again = await shop.open(made["payment_url"], **cookie)
    assert (again.status_code, again.headers["location"]) == (303, form["return-path"])


async def test_an_order_is_paid_by_whoever_knows_its_session_and_a_top_up_by_its_payer_alone(shop: Shop, student: Person) -> None:
    order = {"product": "chakras", "email": "guest@example.org", "birth_date": "1990-05-17", "locale": "en"}
    points = [{"chakra": "anahata", "value": 8}]
    made = (await shop.visitor.post("/api/v1/orders", json={**order, "points": points, "method": "stripe"})).json()
    form = form_of(await shop.open(made["payment_url"]))
    assert (await shop.confirm(form, "pm_card_visa"))["status"] == "succeeded"
    await shop.until_told(form["return-path"], "Thank you, your order is paid.")

    top_up = (await student.post("/balance/deposit", {"amount": 20, "currency": "eur"})).json()
    async with logged_in(shop.stack.gateway_url, shop.stack.notifier_urls[0], "admin") as admin:
        stranger = await shop.open(top_up["payment_url"], Authorization=admin.http.headers["Authorization"])
    assert stranger.status_code == 404
    assert top_up["client_secret"] not in stranger.text


async def test_a_session_paid_with_the_secret_of_its_intent(shop: Shop, student: Person) -> None:
    intent = (await student.post("/payments/create-intent", {"amount": 5000, "currency": "usd", "session_id": 1, "mentor_id": 2})).json()
    assert intent["payment_method"] == "stripe"
    form = {"client-secret": intent["client_secret"], "publishable-key": "pk_test_emulator"}
    assert (await shop.confirm(form, "pm_card_visa"))["status"] == "succeeded"

    confirmed = await student.post(f"/payments/confirm/{intent['payment_id']}")
    assert (confirmed.status_code, confirmed.json()["status"]) == (200, "completed")


async def test_a_sum_and_a_currency_that_stripe_does_not_take(student: Person) -> None:
    too_little = await student.post("/balance/deposit", {"amount": "0.01", "currency": "eur", "method": "stripe"})
    assert (too_little.status_code, too_little.json()["code"]) == (422, "amount_not_available")
    assert too_little.json()["errors"][0]["loc"] == ["body", "amount"]


async def test_no_secret_is_in_any_log_and_the_book_adds_up(shop: Shop) -> None:
    """Last: of what the others did."""
    logs = b"".join(file.read_bytes() for file in shop.stack.logs.glob("*.log"))
    assert b"_secret_" not in logs
    assert b"payment_intent_client_secret" not in logs
    status, told = await verify(shop.stack, "--settle-seconds", "10")
    assert status == 0, told
