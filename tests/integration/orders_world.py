"""Orders in a payments service's insides over a real database: what is on sale, what is asked, and what the mock tells of it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import orjson

from services.payments.domain.orders import Order
from services.payments.fulfilment.base import CannotFulfil, FulfilmentOrder, Points
from services.payments.fulfilment.chakras import Chakras
from services.payments.handlers.fulfilment import Fulfilments
from services.payments.handlers.mock_page import MockPage
from services.payments.handlers.opening import Opening
from services.payments.handlers.order_views import OrderViews
from services.payments.handlers.orders import Orders
from services.payments.mock_book import MockBook
from services.payments.products import Product
from services.payments.providers.base import Provider
from services.payments.providers.mock.adapter import sign
from services.payments.store import orders as store
from services.payments.store.orders import Seals
from shared import postgres
from shared.contracts.base import new_id, utc_now
from shared.contracts.orders import (
    CreateOrder,
    CreateOrderPayment,
    GetInterpretation,
    GetOrder,
    Interpretation,
    MarkOrderPaid,
    OrderCreated,
    OrderView,
)
from shared.contracts.payment_commands import Refused
from shared.contracts.payment_events import ProviderEventReceived
from shared.keys import Keys
from shared.money import Money
from shared.waiting import Waiters
from tests.integration.payments_world import ANSWERS, DATA_KEY, SECRET, STEPS, PaymentsWorld, payments_world, sameness

GUEST = "guest:somebody"
PRICE = Money(99_000, "rsd")
POINTS = [{"chakra": "anahata", "value": 7}, {"chakra": "ajna", "value": 0}]


@dataclass
class Moody:
    """A deliverer that fails as it is told to: so often for now, or for good."""

    name: str = "moody"
    failures: int = 0
    permanent: bool = False
    crashes: bool = False
    made: list[str] = field(default_factory=list)

    def validate(self, points: object, birth_date: date | None, ordered_on: date) -> Points:
        return ()

    def fulfil(self, order: FulfilmentOrder) -> str:
        if self.crashes:
            raise ZeroDivisionError
        if self.permanent or self.failures:
            self.failures -= 1
            raise CannotFulfil("not in the mood", permanent=self.permanent)
        self.made.append(order.order_id)
        return f"made for {order.order_id}"


@dataclass
class OrdersWorld:
    payments: PaymentsWorld
    orders: Orders
    views: OrderViews
    fulfilments: Fulfilments
    page: MockPage
    moody: Moody

    async def order(self, **changes: Any) -> OrderCreated:
        reply = await self.orders.create(order_command(**changes))
        assert isinstance(reply.answer, OrderCreated), reply.answer
        return reply.answer

    async def refused(self, **changes: Any) -> Refused:
        reply = await self.orders.create(order_command(**changes))
        assert isinstance(reply.answer, Refused)
        return reply.answer

    async def pay_again(self, order_id: UUID, **changes: Any) -> OrderCreated | Refused:
        command = CreateOrderPayment(**envelope(f"order:{order_id}"), order_id=order_id, payment_id=new_id(), **changes)
        answer = (await self.orders.pay_again(command)).answer
        assert isinstance(answer, OrderCreated | Refused)
        return answer

    async def mark(self, order_id: UUID, reference: str = "777") -> Any:
        command = MarkOrderPaid(
            **envelope("user:9"), order_id=order_id, admin_user_id="9", reference=reference, reason="seen on the provider's list"
        )
        return (await self.orders.mark_paid(command)).answer

    async def tell(self, *events: ProviderEventReceived) -> None:
        assert not await self.payments.settlement.handle(events)

    async def view(self, order_id: UUID) -> OrderView:
        view = await self.views.order(GetOrder(correlation_id="q", order_id=order_id))
        assert isinstance(view, OrderView)
        return view

    async def status(self, order_id: UUID) -> str:
        return (await self.view(order_id)).status

    async def read(self, order_id: UUID, wait_seconds: float = 0) -> str:
        """The text, or the code of the refusal."""
        answer = await self.views.interpretation(GetInterpretation(correlation_id="q", order_id=order_id, wait_seconds=wait_seconds))
        return answer.message if isinstance(answer, Interpretation) else answer.code

    async def fulfil_due(self) -> int:
        """Makes what is due, as the saga's runner would."""
        due = await self.fulfilments.take_due(50)
        for order_id in due:
            await self.fulfilments.advance(order_id)
        return len(due)

    async def fulfil_until_over(self, order_id: UUID) -> None:
        """Time passes: what is tried later is tried now."""
        while (await self.stored(order_id)).fulfilment == "due":
            await self.execute("update payments.orders set next_at = clock_timestamp() where next_at is not null")
            await self.fulfil_due()

    async def stored(self, order_id: UUID) -> Order:
        async with postgres.connection(self.payments.pool) as db:
            order = await store.find_order(db, order_id)
        assert order is not None
        return order

    async def completed(self) -> list[UUID]:
        """The payments that wallet is told to credit."""
        rows = await self.payments.rows("select payload from payments.outbox where message_type = 'payment.completed.v1' order by id")
        return [UUID(orjson.loads(row["payload"])["payment_id"]) for row in rows]

    async def outcomes(self) -> list[str]:
        rows = await self.payments.rows("select outcome from payments.provider_events order by stored_at, event_id")
        return [row["outcome"] for row in rows]

    async def execute(self, statement: str, *arguments: Any) -> None:
        async with postgres.connection(self.payments.pool) as db:
            await db.execute(statement, *arguments)

    def restarted(self, products: dict[str, Product]) -> Fulfilments:
        """The same service after a restart with other products."""
        return replace(self.fulfilments, products=products)


def paid(session_id: UUID, charge: str = "ch_1", *, amount_minor: int = PRICE.amount_minor, currency: str = "rsd") -> ProviderEventReceived:
    """A new event of the mock: this charge paid the session."""
    event_id = f"evt_{new_id().hex}"
    data = {"session_id": str(session_id), "charge": charge, "amount_minor": amount_minor, "currency": currency}
    body = orjson.dumps({"id": event_id, "type": "session.paid", "created": utc_now().isoformat(), "data": data})
    signed = sign(event_id, body, Keys((SECRET,)))
    return ProviderEventReceived(correlation_id="event-1", provider="mock", headers=signed.headers, body=base64.b64encode(signed.body))


def envelope(caller: str, key: str | None = None, *, operation: str = "POST /api/v1/orders", body: str = "body") -> dict[str, Any]:
    return {
        "correlation_id": "request-1",
        "idempotency": sameness(key, caller=caller, operation=operation, body=body),
        "deadline": utc_now() + timedelta(seconds=60),
    }


def order_command(key: str | None = None, *, caller: str = GUEST, body: str = "body", **changes: Any) -> CreateOrder:
    fields: dict[str, Any] = {
        "order_id": new_id(),
        "payment_id": new_id(),
        "user_id": None,
        "product": "chakras",
        "email": "ana@example.rs",
        "phone": None,
        "points": POINTS,
        "method": "mock",
        "locale": "sr",
    }
    return CreateOrder(**(envelope(caller, key, body=body) | fields | changes))


@asynccontextmanager
async def orders_world(
    database_url: str, *, session_ttl_seconds: int = 3600, more: Sequence[Provider] = (), price: Money = PRICE
) -> AsyncIterator[OrdersWorld]:
    enabled = ("mock", *(provider.name for provider in more))
    async with payments_world(database_url, enabled=enabled, session_ttl_seconds=session_ttl_seconds, more=more) as payments:
        moody = Moody()
        titles: Any = {"en": "Reading", "ru": "Разбор", "sr": "Čitanje"}
        products = {
            "chakras": Product("chakras", price, titles, Chakras()),
            "moody": Product("moody", price, titles, moody),
            "thing": Product("thing", price, titles, None),
        }
        seals = Seals.of((DATA_KEY,))
        waiters: Waiters[UUID] = Waiters()
        opening = Opening(
            payments.pool,
            {"mock": payments.mock} | {provider.name: provider for provider in more},
            enabled,
            True,
            timedelta(seconds=session_ttl_seconds),
            0.001,
            ANSWERS,
            STEPS,
        )
        yield OrdersWorld(
            payments=payments,
            orders=Orders(opening, payments.settlement, products, seals),
            views=OrderViews(payments.pool, seals, STEPS, waiters),
            fulfilments=Fulfilments(payments.pool, products, seals, waiters),
            page=MockPage(payments.pool, payments.mock, MockBook(payments.pool), payments.settlement, waiters),
            moody=moody,
        )
