"""AllSecure's adapter over its emulator on loopback, and the gateway's own road for the callbacks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from services.gateway.signatures import allsecure
from services.payments.domain.facts import Fact
from services.payments.domain.payments import Payment, Status
from services.payments.domain.return_pages import ReturnPages
from services.payments.providers.allsecure.adapter import AllSecureProvider
from services.payments.providers.allsecure.client import AllSecureClient, Credentials
from services.payments.providers.allsecure.outgoing import AllSecurePayouts, AllSecureRefunds
from services.payments.providers.base import Accepted, Payer, PayoutOrder, ProviderEvent, RefundOrder
from shared.contracts.base import new_id, utc_now
from shared.money import Money
from tests.contract.providers.receiver import Receiver
from tests.emulators.allsecure.connectors import CARDS, Connector
from tests.emulators.allsecure.emulator import AllSecureEmulator
from tests.emulators.allsecure.transactions import Transaction
from tests.emulators.server import EmulatorServer

PAYER = Payer(email="payer@example.org")
EUROS = Money(999, "eur")


@dataclass
class AllSecureWorld:
    emulator: AllSecureEmulator
    receiver: Receiver
    client: AllSecureClient
    provider: AllSecureProvider
    refunds: AllSecureRefunds
    payouts: AllSecurePayouts
    pauses: list[float]

    async def begun(self, payment: Payment) -> Accepted:
        created = await self.provider.create(payment, PAYER, again=False)
        assert isinstance(created, Accepted), created
        return created

    async def paid(self, money: Money = EUROS) -> tuple[Payment, str]:
        """A payment that its payer has paid, and its charge's reference."""
        payment = payment_of(money)
        await self.begun(payment)
        charge = await self.emulator.control.pay(str(payment.session_id))
        await self.told()
        return payment, charge.charge

    async def told(self) -> list[ProviderEvent]:
        """What the callbacks say that have come since it was last looked at."""
        await self.emulator.deliveries.idle()
        messages, self.receiver.inbox.messages = self.receiver.inbox.messages, []
        return [self.provider.read_event(message.headers, message.body) for message in messages]

    async def facts(self) -> list[Fact]:
        return [event.fact for event in await self.told()]

    def transaction(self, our_id: UUID | None) -> Transaction | None:
        return self.emulator.book.find(CARDS.api_key, str(our_id))


@asynccontextmanager
async def allsecure_world(connector: Connector = CARDS, **client: Any) -> AsyncIterator[AllSecureWorld]:
    """`client`: further arguments of AllSecureClient; it waits for nothing between retries, and notes what it would have waited."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    receiver, emulator = Receiver(), AllSecureEmulator(seed=1, time_scale=0.001)
    async with EmulatorServer(receiver), EmulatorServer(emulator):
        path = "/api/v1/webhooks/allsecure"
        check = allsecure.Connector(connector.shared_secret, path)
        receiver.checks["allsecure"] = lambda received, _: allsecure.verify(received, check)
        credentials = Credentials(emulator.base_url, connector.username, connector.api_key, connector.password, connector.shared_secret)
        api = AllSecureClient(credentials, pause=pause, **client)
        callback_url = receiver.url("allsecure")
        try:
            yield AllSecureWorld(
                emulator=emulator,
                receiver=receiver,
                client=api,
                provider=AllSecureProvider(api, ReturnPages("https://pay.example.org"), callback_url=callback_url),
                refunds=AllSecureRefunds(api, callback_url=callback_url),
                payouts=AllSecurePayouts(api, callback_url=callback_url),
                pauses=pauses,
            )
        finally:
            await api.close()


def payment_of(money: Money = EUROS, **changes: Any) -> Payment:
    """A pending deposit of user 7, just made."""
    now = utc_now()
    fields: dict[str, Any] = {
        "payment_id": new_id(),
        "session_id": new_id(),
        "user_id": "7",
        "kind": "deposit",
        "provider": "allsecure",
        "money": money,
        "status": Status.PENDING,
        "locale": "sr",
        "correlation_id": "request-1",
        "created_at": now,
        "updated_at": now,
        "expires_at": now + timedelta(hours=1),
        "description": "Top-up",
    }
    return Payment(**(fields | changes))


def refund_of(payment: Payment, charge: str, money: Money | None = None, reason: str = "") -> RefundOrder:
    assert payment.session_id is not None
    return RefundOrder(new_id(), payment.payment_id, payment.session_id, charge, money or payment.money, reason)


def payout_to(charge: str, money: Money = EUROS) -> PayoutOrder:
    return PayoutOrder(new_id(), money, {"type": "card", "payment_id": str(new_id()), "charge_reference": charge})
