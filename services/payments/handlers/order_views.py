"""Questions about orders: one as whoever knows its id may see it, and what it bought."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from services.payments.domain import refusals
from services.payments.domain.orders import Order, masked_email, masked_phone, told_at
from services.payments.domain.payments import Payment
from services.payments.store import orders as store
from services.payments.store import payments as payment_store
from services.payments.store.next_steps import StepSeals
from services.payments.store.orders import Seals
from shared.contracts.base import utc_now
from shared.contracts.orders import GetInterpretation, GetOrder, Interpretation, OrderView
from shared.contracts.payment_commands import Refused
from shared.postgres import Connection, Pool, connection
from shared.waiting import Waiters

Found = tuple[Order, list[Payment]]


@dataclass(frozen=True, slots=True)
class OrderViews:
    """`waiters` are woken by an order's id when what it bought is made."""

    pool: Pool
    seals: Seals
    steps: StepSeals
    waiters: Waiters[UUID]

    async def order(self, query: GetOrder) -> OrderView | Refused:
        """order_not_found when there is none."""
        async with connection(self.pool) as db:
            found = await _find(db, query.order_id)
            if found is None:
                return refusals.order_not_found(query.correlation_id)
            form = await store.find_form(db, self.seals, query.order_id)
        order, sessions = found
        shown = next((one for one in sessions if one.payment_id == order.paid_payment_id), sessions[-1])
        return OrderView(
            order_id=order.order_id,
            product=order.product,
            title=order.title,
            status=told_at(order, sessions, utc_now()),
            payment_id=shown.payment_id,
            session_id=shown.session_id,
            payment_status=shown.told_at(utc_now()),
            payment_url=self.steps.shown_url(shown),
            method=shown.provider,
            amount_minor=order.money.amount_minor,
            currency=order.money.currency,
            refunded_amount_minor=shown.refunded_minor,
            locale=order.locale,
            email=masked_email(form.email),
            phone=masked_phone(form.phone),
            points=tuple(dict(point) for point in form.points),
            external_id=order.external_id,
            metadata=dict(order.metadata),
            problem=order.refusal,
            expires_at=shown.expires_at,
            created_at=order.created_at,
            updated_at=max(order.updated_at, shown.updated_at),
        )

    async def interpretation(self, query: GetInterpretation) -> Interpretation | Refused:
        """The text that was made of the order, as soon as it is there or when the question's time is over."""

        async def ask() -> Found | None:
            async with connection(self.pool) as db:
                return await _find(db, query.order_id)

        found = await self.waiters.until(query.order_id, ask, _is_over, query.wait_seconds)
        if found is None:
            return refusals.order_not_found(query.correlation_id)
        refusal = _refusal(*found, query.correlation_id)
        if refusal is not None:
            return refusal
        async with connection(self.pool) as db:
            text = await store.find_text(db, self.seals, query.order_id)
        assert text is not None
        return Interpretation(order_id=query.order_id, message=text)


async def _find(db: Connection, order_id: UUID) -> Found | None:
    order = await store.find_order(db, order_id)
    return None if order is None else (order, await payment_store.list_of_order(db, order_id))


def _is_over(found: Found | None) -> bool:
    return found is None or found[0].fulfilment != "due"


def _refusal(order: Order, sessions: list[Payment], request_id: str) -> Refused | None:
    """Why there is no text of the order; None when there is."""
    if order.paid_payment_id is None:
        return Refused(code="order_not_paid", detail="The order is not paid.", request_id=request_id)
    if told_at(order, sessions, utc_now()) == "refunded":
        return Refused(code="order_refunded", detail="The order was refunded.", request_id=request_id)
    match order.fulfilment:
        case "fulfilled":
            return None
        case "failed":
            return Refused(code="fulfilment_failed", detail="What was bought could not be made yet; we know of it.", request_id=request_id)
        case "none":
            return Refused(code="interpretation_not_found", detail="This product has no text.", request_id=request_id)
        case _:
            return Refused(code="not_ready", detail="What was bought is being made; ask again.", request_id=request_id)
