"""Stripe's emulator on a port, the real stripe library that talks to it, and a merchant's address that takes its webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import stripe
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.emulators.deliveries import Deliveries
from tests.emulators.faults import Faults
from tests.emulators.server import EmulatorServer
from tests.emulators.stripe import StripeEmulator
from tests.emulators.stripe.emulator import TEST_WEBHOOK_SECRET

# The library hands its bodies to httpx in a way that httpx would like to be rid of.
LIBRARY_WARNINGS = pytest.mark.filterwarnings("ignore:Use 'content=<:DeprecationWarning")
RETURN_URL = "https://shop.example/after?order=7"


@dataclass
class Merchant:
    """Keeps what comes to POST /hook: header and body; answers 200, or what `answers` has next."""

    base_url: str = ""
    faults: Faults = field(default_factory=Faults)
    deliveries: Deliveries = field(default_factory=lambda: Deliveries(retry_seconds=(), accepted=lambda *_: True))
    came: list[tuple[str, bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.app = Starlette(routes=[Route("/hook", self._hook, methods=["POST"], name="_hook")])

    async def _hook(self, request: Request) -> Response:
        self.came.append((request.headers["stripe-signature"], await request.body()))
        return Response(status_code=self.answers.pop(0) if self.answers else 200, headers={"location": "/hook"})

    def events(self, secret: str = TEST_WEBHOOK_SECRET) -> list[stripe.Event]:
        """What came, as the real library verifies and reads it. SignatureVerificationError."""
        return [stripe.Webhook.construct_event(body, header, secret) for header, body in self.came]


@dataclass
class StripeWorld:
    emulator: StripeEmulator
    merchant: Merchant
    client: stripe.StripeClient

    @property
    def intents(self) -> stripe.PaymentIntentService:
        return self.client.v1.payment_intents

    def client_with(self, key: str) -> stripe.StripeClient:
        """The same library with another key."""
        return _client(key, self.emulator.base_url, self.http)

    http: Any = None

    async def paid(self, amount: int = 1_000, currency: str = "eur", method: str = "pm_card_visa") -> stripe.PaymentIntent:
        """An intent that has been paid with a card."""
        return await self.intents.create_async(
            {
                "amount": amount,
                "currency": currency,
                "allowed_payment_method_types": ["card"],
                "payment_method": method,
                "confirm": True,
                "metadata": {"payment_id": "ours"},
            }
        )

    async def told(self) -> list[str]:
        """The types of everything that the merchant was told since it was last asked, in order of their making."""
        await self.emulator.deliveries.flush()
        made = [event["id"] for event in self.emulator.control.events()]
        came = sorted(self.merchant.events(), key=lambda event: made.index(event.id))
        self.merchant.came.clear()
        return [event.type for event in came]

    async def calm(self) -> None:
        """Nothing is disturbed, and nothing that was told before is still to come."""
        self.emulator.faults.off()
        self.emulator.deliveries.off()
        await self.emulator.control.set_twins(0)
        await self.emulator.control.set_manners(settle_seconds=None, tells_releases=False)
        await self.emulator.deliveries.flush()
        self.emulator.faults.injected.clear()
        self.emulator.deliveries.attempts.clear()
        self.merchant.came.clear()
        self.merchant.answers.clear()


@asynccontextmanager
async def stripe_world() -> AsyncIterator[StripeWorld]:
    """One for a module: starting and stopping cost more than a test does."""
    stripe.enable_telemetry = False
    merchant = Merchant()
    async with EmulatorServer(merchant):
        emulator = StripeEmulator(webhooks_to=merchant.base_url + "/hook", time_scale=0.000_01, seed=1)
        with pytest.MonkeyPatch.context() as environment:
            # The library's client reads it: a proxy set there would carry the traffic off this machine.
            environment.setenv("NO_PROXY", "127.0.0.1")
            http = stripe.HTTPXClient(timeout=2)
        async with EmulatorServer(emulator):
            yield StripeWorld(emulator, merchant, _client("sk_test_emulator", emulator.base_url, http), http)
        await http.close_async()  # type: ignore[no-untyped-call]


def _client(key: str, url: str, http: stripe.HTTPXClient) -> stripe.StripeClient:
    return stripe.StripeClient(key, base_addresses={"api": url}, http_client=http)
