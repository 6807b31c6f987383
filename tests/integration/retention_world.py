"""Orders and withdrawals over one real database, and the loop that deletes their personal data; a test says how old all of it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.payments.handlers.history import History
from services.payments.retention import Retention
from shared.contracts.base import new_id
from shared.contracts.history import GetTimeline, TimelineView
from shared.contracts.orders import OrderCreated
from shared.contracts.withdrawals import GetWithdrawal, WithdrawalView
from tests.integration.disk_world import on_disk
from tests.integration.orders_world import OrdersWorld, orders_world, paid
from tests.integration.payments_world import ANSWERS, PaymentsWorld
from tests.integration.withdrawals_world import WithdrawalsWorld, withdrawals_world
from tests.unit.prodamus_payments import provider

DAYS = 400


@dataclass
class RetentionWorld:
    orders: OrdersWorld
    withdrawals: WithdrawalsWorld
    retention: Retention

    @property
    def payments(self) -> PaymentsWorld:
        return self.orders.payments

    async def ages(self, days: float = DAYS + 1) -> None:
        """Everything that there is was so many days ago."""
        for table, *columns in (
            ("orders", "created_at", "updated_at"),
            ("payments", "created_at", "updated_at", "expires_at"),
            ("withdrawals", "created_at", "updated_at"),
            ("provider_events", "received_at", "stored_at"),
        ):
            moved = ", ".join(f"{column} = {column} - make_interval(secs => $1)" for column in columns)
            await self.orders.execute(f"update payments.{table} set {moved}", days * 86_400.0)  # noqa: S608

    async def dump(self) -> str:
        return await on_disk(self.payments)

    async def order_row(self, order_id: UUID) -> dict[str, Any]:
        (row,) = await self.payments.rows("select * from payments.orders where order_id = $1", order_id)
        return row

    async def is_there(self, order_id: UUID) -> bool:
        row = await self.order_row(order_id)
        assert (row["contact"] is None) == (row["points"] is None) == (row["pruned_at"] is not None)
        return row["contact"] is not None

    async def fulfilled(self, **changes: Any) -> OrderCreated:
        created = await self.orders.order(**changes)
        await self.orders.tell(paid(created.session_id, f"ch_{new_id().hex}"))
        await self.orders.fulfil_due()
        assert await self.orders.status(created.order_id) == "fulfilled"
        return created

    async def raw(self, payment_id: UUID) -> dict[str, Any]:
        """What the timeline shows an admin of the payment's one event."""
        query = GetTimeline(correlation_id="q", payment_id=str(payment_id), viewer_user_id="9", viewer_is_admin=True)
        view = await History(self.payments.pool, self.payments.settlement.seal).timeline(query)
        assert isinstance(view, TimelineView)
        (step,) = [step for step in view.steps if step.step == "provider_event.received"]
        return dict(step.detail)

    async def shown(self, withdrawal_id: UUID) -> str:
        """The account of a withdrawal, as an admin sees it."""
        query = GetWithdrawal(correlation_id="q", withdrawal_id=str(withdrawal_id), viewer_user_id="9", viewer_is_admin=True)
        view = await self.withdrawals.withdrawals.get(query)
        assert isinstance(view, WithdrawalView)
        return view.destination.account


@asynccontextmanager
async def retention_world(database_url: str) -> AsyncIterator[RetentionWorld]:
    """The mock and Prodamus; withdrawals are paid out by hand."""
    async with AsyncExitStack() as stack:
        orders = await stack.enter_async_context(orders_world(database_url, more=[provider()]))
        withdrawals = await stack.enter_async_context(withdrawals_world(database_url, method="manual"))
        yield RetentionWorld(orders, withdrawals, Retention(orders.payments.pool, ANSWERS, days=DAYS))
