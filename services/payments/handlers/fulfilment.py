"""Delivers what was bought, once it is paid: made from what is stored with the order, tried again and again, told when it cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

import structlog
from prometheus_client import Counter

from services.payments.domain.orders import Form, Order, in_log
from services.payments.fulfilment.base import CannotFulfil, FulfilmentOrder, Locale
from services.payments.products import Product
from services.payments.store import due
from services.payments.store import orders as store
from services.payments.store.orders import Seals
from shared.postgres import Pool, connection, transaction
from shared.sealing import Unreadable
from shared.waiting import Waiters

log = structlog.get_logger(__name__)

FULFILMENTS = Counter("purser_fulfilments_total", "Attempts to deliver what was bought, by what came of them", ["product", "outcome"])

ATTEMPTS_MAX: Final = 8
"""Some four minutes; whatever has not passed by then needs somebody to look."""
TEXT_BYTES_MAX: Final = 200_000
_REASON_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Fulfilments:
    """A saga (sagas.py) over the orders that are due."""

    pool: Pool
    products: Mapping[str, Product]
    seals: Seals
    waiters: Waiters[UUID]

    @property
    def name(self) -> str:
        return "fulfilment"

    async def take_due(self, limit: int) -> Sequence[UUID]:
        async with transaction(self.pool) as tx:
            return await due.take_due(tx, "orders", limit)

    async def advance(self, saga_id: UUID) -> None:
        """Makes the text of one order, if it is due, and stores it; a failure is written down and tried again, or told as final."""
        async with connection(self.pool) as db:
            order = await store.find_order(db, saga_id)
        if order is None or order.fulfilment != "due":
            return
        try:
            async with connection(self.pool) as db:
                form = await store.find_form(db, self.seals, saga_id)
            text = self._text(order, form)
        except CannotFulfil as error:
            await self._failed(order, str(error), final=error.permanent)
            return
        except Unreadable as error:
            await self._failed(order, str(error), final=False)
            return
        async with transaction(self.pool) as tx:
            made = await store.save_text(tx, self.seals, saga_id, text)
        if made:
            FULFILMENTS.labels(order.product, "fulfilled").inc()
            log.info("order fulfilled", order_id=in_log(saga_id), product=order.product, correlation_id=order.correlation_id)
        self.waiters.wake([saga_id])

    async def try_failed_again(self) -> None:
        """At the start: what made deliveries fail for good may have been put right (a products file, a class of the deployer's, a key)."""
        async with transaction(self.pool) as tx:
            again = await store.try_failed_again(tx)
        if again:
            log.warning("failed deliveries are tried again", orders=again)

    def _text(self, order: Order, form: Form) -> str:
        if order.pruned:
            # Money that came for it when its time was over.
            raise CannotFulfil("what it is made from was deleted after its time", permanent=True)
        product = self.products.get(order.product)
        if product is None or product.fulfiller is None:
            raise CannotFulfil(f"nothing delivers {order.product!r} now")
        bought = FulfilmentOrder(
            order_id=str(order.order_id),
            product=order.product,
            locale=cast(Locale, order.locale),
            points=form.points,
            birth_date=form.birth_date,
            ordered_on=order.created_at.date(),
        )
        try:
            text = product.fulfiller.fulfil(bought)
        except CannotFulfil:
            raise
        except Exception as error:
            # A class of the deployer's: whatever it raises may be its passing trouble.
            log.exception("fulfiller failed", order_id=in_log(order.order_id), fulfiller=product.fulfiller.name)
            raise CannotFulfil(f"{product.fulfiller.name}: {type(error).__name__}") from error
        if not text.strip() or len(text.encode()) > TEXT_BYTES_MAX:
            raise CannotFulfil(f"{product.fulfiller.name}: the text must have 1 to {TEXT_BYTES_MAX} bytes", permanent=True)
        return text

    async def _failed(self, order: Order, reason: str, *, final: bool) -> None:
        async with transaction(self.pool) as tx:
            attempts = await store.note_failure(tx, order.order_id, reason[:_REASON_MAX], final=final)
            if attempts is not None and attempts >= ATTEMPTS_MAX and not final:
                final = True
                await store.note_failure(tx, order.order_id, reason[:_REASON_MAX], final=True)
        if attempts is None:
            return
        FULFILMENTS.labels(order.product, "failed" if final else "tried_again").inc()
        tell = log.error if final else log.warning
        tell(
            "order not fulfilled",
            order_id=in_log(order.order_id),
            product=order.product,
            reason=reason[:_REASON_MAX],
            attempts=attempts,
            final=final,
            correlation_id=order.correlation_id,
        )
        if final:
            self.waiters.wake([order.order_id])
