"""Our adapter with the real library, Stripe's stand-in, and the gateway's road for its webhooks, all on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from services.gateway.signatures import stripe as signatures
from services.payments.domain.facts import DisputeTold, Fact, Paid, RefundTold
from services.payments.domain.payments import Payment
from services.payments.domain.return_pages import ReturnPages
from services.payments.providers.base import Accepted, Created, Payer, RefundOrder
from services.payments.providers.stripe.adapter import StripeProvider
from services.payments.providers.stripe.client import StripeApi
from services.payments.providers.stripe.refunds import StripeRefunds
from services.payments.providers.stripe.statements import StripeStatements
from shared.contracts.base import new_id, utc_now
from shared.money import Money
from tests.contract.providers.receiver import Receiver
from tests.emulators.server import EmulatorServer
from tests.emulators.stripe import StripeEmulator
from tests.emulators.stripe.emulator import TEST_WEBHOOK_SECRET
from tests.unit.stripe_doubles import a_payment

EUROS = Money(5_000, "eur")
TTL = timedelta(hours=1)
PAGES = ReturnPages("https://pay.example")


@dataclass
class StripeWorld:
    emulator: StripeEmulator
    receiver: Receiver
    api: StripeApi
    provider: StripeProvider = field(init=False)
    refunds: StripeRefunds = field(init=False)
    statements: StripeStatements = field(init=False)

    def __post_init__(self) -> None:
        self.provider = StripeProvider(self.api, PAGES, session_ttl=TTL)
        self.refunds = StripeRefunds(self.api)
        self.statements = StripeStatements(self.api)

    @property
    def payer(self) -> Any:
        """Payers, their banks, and Stripe's own site."""
        return self.emulator.control

    def asked(self, money: Money = EUROS) -> Payment:
        """A payment that has only been written down."""
        now = utc_now()
        return a_payment(money, session_id=new_id(), created_at=now, updated_at=now, expires_at=now + TTL)

    async def created(self, payment: Payment, *, again: bool = False) -> Created:
        return await self.provider.create(payment, Payer(email="payer@example.org"), again=again)

    async def opened(self, money: Money = EUROS) -> Payment:
        """A payment that has its client secret."""
        payment = self.asked(money)
        made = await self.created(payment)
        assert isinstance(made, Accepted), made
        return known_as(payment, made)

    async def paid(self, money: Money = EUROS, method: str = "pm_card_visa") -> Payment:
        payment = await self.opened(money)
        assert await self.payer.pay(payment.provider_reference, method) == "succeeded"
        return payment

    def intents_of(self, payment: Payment) -> list[Any]:
        intents = self.emulator.book.account.intents.oldest_first()
        return [one for one in intents if one.metadata.get("purser_session_id") == str(payment.session_id)]

    def refunds_of(self, order: RefundOrder) -> list[Any]:
        return [one for one in self.payer.refunds() if one.metadata.get("purser_refund_id") == str(order.refund_id)]

    async def facts(self) -> list[Fact]:
        """What has been delivered since, in our words, with the gateway's check before; what says nothing to us is not in it."""
        await self.emulator.deliveries.flush()
        messages, self.receiver.inbox.messages = self.receiver.inbox.messages, []
        return [self.provider.read_event(message.headers, message.body).fact for message in messages]

    async def paying_of(self, payment: Payment) -> list[Fact]:
        """What Stripe has told of the session since."""
        return [fact for fact in await self.facts() if getattr(fact, "session_id", None) == payment.session_id]

    async def following(self) -> list[RefundTold | DisputeTold]:
        """What Stripe has told since of money that went back."""
        return [fact for fact in await self.facts() if isinstance(fact, (RefundTold, DisputeTold))]


def known_as(payment: Payment, made: Accepted) -> Payment:
    return replace(payment, provider_reference=made.provider_reference)


def order(payment: Payment, money: Money | None = None, **changes: Any) -> RefundOrder:
    fields: dict[str, Any] = {
        "refund_id": new_id(),
        "payment_id": payment.payment_id,
        "session_id": payment.session_id,
        "charge_reference": payment.provider_reference,
        "money": money or payment.money,
        "reason": "",
    }
    return RefundOrder(**(fields | changes))


def proof(facts: list[Fact]) -> tuple[UUID, str, Money]:
    """The one proof of payment among them."""
    (paid,) = [fact for fact in facts if isinstance(fact, Paid)]
    return paid.session_id, paid.charge_reference, paid.money


@asynccontextmanager
async def stripe_world() -> AsyncIterator[StripeWorld]:
    receiver = Receiver()
    async with EmulatorServer(receiver):
        emulator = StripeEmulator(webhooks_to=receiver.url("stripe"), time_scale=0.0001, seed=7)
        receiver.checks["stripe"] = lambda received, now: signatures.verify(received, (TEST_WEBHOOK_SECRET,), now)
        async with EmulatorServer(emulator):
            api = StripeApi(emulator.keys.secret, emulator.base_url)
            try:
                yield StripeWorld(emulator, receiver, api)
            finally:
                await api.close()
