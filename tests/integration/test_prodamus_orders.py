"""Prodamus from end to end of payments: its links, its signed notifications, and what an operator does where it cannot be asked."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.gateway.signatures import prodamus as check
from services.gateway.signatures.base import Received
from services.payments.handlers.suspense import Suspense
from services.payments.handlers.suspense_saga import SuspenseSaga
from services.payments.providers.prodamus.adapter import PaymentPage
from shared.contracts.base import new_id, utc_now
from shared.contracts.intents import PaymentCanceled, PaymentConfirmed
from shared.contracts.orders import OrderCreated, OrderMarkedPaid
from shared.contracts.payment_commands import DepositCreated, Refused
from shared.contracts.payment_events import ProviderEventReceived
from shared.contracts.suspense import DecideSuspenseItem
from shared.money import Money
from tests.contract.prodamus_world import Stages, World, both_stages, playing
from tests.emulators.prodamus import DEFAULT_PAGE
from tests.integration.intents_world import cancel_command, confirm_command, emptied
from tests.integration.orders_world import OrdersWorld, orders_world
from tests.integration.payments_world import ANSWERS, SilentLedger, deposit_command, sameness
from tests.unit.prodamus_payments import provider

PRICE = Money(99_000, "rub")


@dataclass
class Shop:
    """Orders of ours, and Prodamus' page beside them."""

    orders: OrdersWorld
    page: World
    told: int = 0
    seen: list[ProviderEventReceived] = field(default_factory=list)

    async def order(self, **changes: Any) -> OrderCreated:
        """Made, and its link opened by the payer."""
        created = await self.orders.order(method="prodamus", **changes)
        await self.visit(created.payment_url)
        return created

    async def deposit(self) -> DepositCreated:
        created = await self.orders.payments.deposit(method="prodamus", currency="rub")
        await self.visit(created.payment_url)
        return created

    async def visit(self, payment_url: str) -> None:
        await self.page.prodamus.control.visit(payment_url)

    async def pay(self, session_id: UUID) -> str:
        """The payer pays; the page's own number of it. What it tells is on its way."""
        return (await self.page.prodamus.control.pay(str(session_id))).charge

    async def hear(self) -> list[str]:
        """What has come from the page since, as the gateway lets it through; the outcome of each event that is kept."""
        came = (await self.page.told())[self.told :]
        self.told += len(came)
        for one in came:
            assert one.sign is not None
            headers = [(b"content-type", one.content_type.encode()), (b"sign", one.sign.encode())]
            verified = check.verify(Received(headers, one.body), (DEFAULT_PAGE.key,))
            body = base64.b64encode(verified.body)
            self.seen.append(ProviderEventReceived(correlation_id="event-1", provider="prodamus", headers=verified.headers, body=body))
        await self.orders.tell(*self.seen[len(self.seen) - len(came) :])
        return await self.orders.outcomes()

    async def confirm(self, payment_id: UUID, key: str | None = None) -> PaymentConfirmed | Refused:
        sameness_of = sameness(key, operation="POST /api/v1/payments/confirm/{payment_id}")
        answer = (await self.orders.payments.confirming.confirm(confirm_command(payment_id, idempotency=sameness_of))).answer
        assert isinstance(answer, PaymentConfirmed | Refused)
        return answer

    async def stored(self, payment_id: UUID) -> dict[str, Any]:
        (row,) = await self.orders.payments.rows("select * from payments.payments where payment_id = $1", payment_id)
        return row

    async def suspense(self) -> list[tuple[str, str, int]]:
        rows = await self.orders.payments.rows("select * from payments.suspense_items order by created_at")
        return [(row["charge_reference"], row["reason"], row["amount_minor"]) for row in rows]


@dataclass
class Running:
    orders: OrdersWorld
    stages: Stages
    page: PaymentPage


@pytest.fixture(scope="module")
async def running(module_database_url: str) -> AsyncIterator[Running]:
    async with AsyncExitStack() as stack:
        stages = await stack.enter_async_context(both_stages())
        url, hook = f"{stages[0].base_url}/p/{DEFAULT_PAGE.name}", f"{stages[1].base_url}/hook"
        page = PaymentPage(url=url, key=DEFAULT_PAGE.key, notification_url=hook, sys="demo")
        orders = await stack.enter_async_context(orders_world(module_database_url, more=[provider(page)], price=PRICE))
        yield Running(orders, stages, page)


@pytest.fixture
async def shop(running: Running, module_database_url: str) -> AsyncIterator[Shop]:
    await emptied(running.orders.payments, module_database_url)
    async with playing(running.stages) as page:
        yield Shop(running.orders, page)


async def test_an_order_is_paid_at_the_page_and_delivered_once_however_often_it_is_told(shop: Shop) -> None:
    shop.page.merchant.answers = [500, 503]
    created = await shop.order()
    assert (created.method, created.amount_minor, created.currency) == ("prodamus", 99_000, "rub")

    charge = await shop.pay(created.session_id)

    assert await shop.hear() == ["applied"]
    assert len(shop.seen) == 3
    assert await shop.orders.completed() == [created.payment_id]
    assert (await shop.stored(created.payment_id))["credit_reference"] == f"prodamus:{charge}"
    assert await shop.orders.fulfil_due() == 1
    assert await shop.orders.status(created.order_id) == "fulfilled"


async def test_a_repeat_under_the_same_key_gets_the_same_link(shop: Shop) -> None:
    first, again = await shop.order(key="key-1"), await shop.order(key="key-1")
    assert first == again


async def test_the_payer_goes_back_and_the_order_is_paid_by_another_link(shop: Shop) -> None:
    first = await shop.order()
    await shop.page.prodamus.control.decline(str(first.session_id))
    assert await shop.hear() == ["ignored"]
    await shop.page.prodamus.control.cancel(str(first.session_id))
    assert await shop.hear() == ["ignored", "applied"]

    second = await shop.orders.pay_again(first.order_id)
    assert isinstance(second, OrderCreated)
    assert second.method == "prodamus"
    await shop.visit(second.payment_url)
    paid = await shop.pay(second.session_id)
    await shop.hear()
    late = await shop.pay(first.session_id)

    assert await shop.hear() == ["ignored", "applied", "applied", "second_payment"]
    assert await shop.orders.completed() == [second.payment_id]
    assert paid != late
    assert await shop.suspense() == [(late, "second_payment", 99_000)], "the first link could not be ended"


@pytest.mark.parametrize(("price", "reason", "amount_minor"), [("1.00", "less_than_asked", 100), ("990.00", "something_else_paid", 99_000)])
async def test_a_link_of_the_payers_own_making_pays_nothing(shop: Shop, price: str, reason: str, amount_minor: int) -> None:
    created = await shop.order()
    if reason == "something_else_paid":
        link = shop.page.prodamus.book.link_of(str(created.session_id))
        lines = {0: {"name": "A cup of tea", "price": price, "quantity": "1"}}
        parameters = {name: value for name, value in link.request.parameters.items() if name != "signature"}
        shop.page.prodamus.open(link.page, parameters | {"products": lines}, as_new=True)  # type: ignore[dict-item]
        charge = await shop.pay(created.session_id)
    else:
        charge = (await shop.page.prodamus.control.pay_tampered(str(created.session_id), price)).charge

    assert await shop.hear() == [reason]
    assert await shop.orders.status(created.order_id) == "pending"
    assert await shop.suspense() == [(charge, reason, amount_minor)]


# ---- where it cannot be asked


async def test_an_admins_word_and_the_pages_own_are_one_payment_and_another_charge_a_second(shop: Shop) -> None:
    """The notification was lost; the operator reads the page's number off the cabinet's list, and resends it there later."""
    created = await shop.order()
    charge = await shop.pay(created.session_id)
    await shop.page.told()
    shop.told = 1  # it never reached us

    marked = await shop.orders.mark(created.order_id, charge)
    assert isinstance(marked, OrderMarkedPaid)
    assert await shop.orders.status(created.order_id) == "paid"
    await shop.page.prodamus.control.resend(charge)
    assert await shop.hear() == ["matched"]
    await shop.page.prodamus.control.resend(charge)
    assert await shop.hear() == ["matched"], "the same event"
    second = (await shop.page.prodamus.control.pay_again(str(created.session_id))).charge
    assert await shop.hear() == ["matched", "second_payment"]

    assert await shop.orders.completed() == [created.payment_id], "booked once"
    row = await shop.stored(created.payment_id)
    assert (row["charge_reference"], row["credit_reference"]) == (charge, f"prodamus:{charge}")
    assert await shop.suspense() == [(second, "second_payment", 99_000)]
    audit = await shop.orders.payments.rows("select action, resource from payments.audit")
    assert audit == [{"action": "order.mark_paid", "resource": f"order:{created.order_id}"}]


async def test_an_order_marked_under_a_wrong_number_takes_the_pages_own_when_it_is_told(shop: Shop) -> None:
    created = await shop.order()
    await shop.orders.mark(created.order_id, "misread")
    charge = await shop.pay(created.session_id)

    assert await shop.hear() == ["matched"]
    row = await shop.stored(created.payment_id)
    assert (row["charge_reference"], row["credit_reference"]) == (charge, "prodamus:misread")


async def test_a_pending_payment_cannot_be_confirmed_and_a_paid_one_answers_as_ever(shop: Shop) -> None:
    made = await shop.deposit()
    for _ in range(2):
        refused = await shop.confirm(made.payment_id, "key-1")
        assert isinstance(refused, Refused)
        assert (refused.code, refused.detail) == ("operation_not_supported", "prodamus has no operation status.")
    assert (await shop.stored(made.payment_id))["status"] == "pending"

    await shop.pay(made.session_id)
    assert await shop.hear() == ["applied"]

    confirmed = await shop.confirm(made.payment_id, "key-1")
    assert isinstance(confirmed, PaymentConfirmed)
    assert (confirmed.status, confirmed.event) == ("completed", None)


async def test_canceling_closes_our_side_alone_and_what_is_paid_all_the_same_counts(shop: Shop) -> None:
    made = await shop.deposit()
    canceled = (await shop.orders.payments.confirming.cancel(cancel_command(made.payment_id))).answer
    assert isinstance(canceled, PaymentCanceled)
    row = await shop.stored(made.payment_id)
    assert (row["status"], row["watch_until"] > utc_now() + timedelta(hours=23)) == ("canceled", True)
    final = await shop.confirm(made.payment_id)
    assert isinstance(final, Refused)
    assert final.code == "session_final"

    await shop.pay(made.session_id)

    assert await shop.hear() == ["applied"]
    assert (await shop.stored(made.payment_id))["status"] == "completed"


async def test_a_session_expires_though_nobody_can_be_asked_and_late_money_is_credited(shop: Shop) -> None:
    made = await shop.deposit()
    await shop.orders.execute("update payments.payments set expires_at = now() - interval '1 second', reconcile_at = now()")
    await shop.orders.payments.reconciler.reconcile_due()
    assert (await shop.stored(made.payment_id))["status"] == "expired"
    await shop.orders.execute("update payments.payments set reconcile_at = now()")
    await shop.orders.payments.reconciler.reconcile_due()
    assert (await shop.stored(made.payment_id))["status"] == "expired"

    await shop.pay(made.session_id)

    assert await shop.hear() == ["applied"]
    assert await shop.orders.completed() == [made.payment_id]


async def test_a_currency_that_the_page_does_not_have_is_refused_before_any_link(shop: Shop) -> None:
    reply = await shop.orders.payments.deposits.create(deposit_command(method="prodamus", currency="rsd"))
    assert isinstance(reply.answer, Refused)
    assert (reply.answer.code, reply.answer.detail) == ("currency_not_available", "prodamus does not take rsd.")


async def test_money_kept_apart_cannot_be_sent_back_and_the_refusal_names_the_provider(shop: Shop) -> None:
    created = await shop.order()
    await shop.page.prodamus.control.pay_tampered(str(created.session_id), "1.00")
    await shop.hear()
    (item,) = await shop.orders.payments.rows("select item_id from payments.suspense_items")
    pool = shop.orders.payments.pool
    suspense = Suspense(pool, ANSWERS, SuspenseSaga(pool, SilentLedger(), {}), shop.orders.payments.settlement, lambda: None)
    command = DecideSuspenseItem(
        correlation_id="request-9",
        idempotency=sameness(caller="user:9", operation="POST /api/v1/suspense/{item_id}/refund"),
        deadline=utc_now() + timedelta(seconds=60),
        item_id=str(item["item_id"]),
        decision_id=new_id(),
        actor_user_id="9",
        decision="refund",
    )
    refused = (await suspense.decide(command)).answer
    assert isinstance(refused, Refused)
    assert (refused.code, refused.detail) == ("refund_not_supported", "prodamus has no operation refund.")
