"""Questions about refunds: one, and those of a payment, as their viewer may see them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from services.payments.domain import refunds as domain
from services.payments.domain import refusals
from services.payments.domain.payments import Payment
from services.payments.domain.refunds import Refund
from services.payments.store import cursors
from services.payments.store import payments as payment_store
from services.payments.store import refunds as store
from shared.contracts.base import utc_now
from shared.contracts.payment_commands import Refused
from shared.contracts.refunds import GetRefund, ListRefunds, RefundItem, RefundPage, RefundRefused, RefundView
from shared.postgres import Connection, Pool, connection


@dataclass(frozen=True, slots=True)
class RefundViews:
    pool: Pool

    async def one(self, query: GetRefund) -> RefundView | RefundRefused | Refused:
        """refund_not_found for whoever may not know of it."""
        payment_id, refund_id = _uuid(query.payment_id), _uuid(query.refund_id)
        if payment_id is None or refund_id is None:
            return domain.refund_not_found(query.correlation_id)
        async with connection(self.pool) as db:
            found = await store.find_visible(db, payment_id, refund_id, query.viewer_user_id, is_admin=query.viewer_is_admin)
            match found:
                case None:
                    return domain.refund_not_found(query.correlation_id)
                case store.RefusedRequest():
                    return RefundRefused(refund_id=refund_id, problem=found.refusal)
                case Refund():
                    payment = await payment_store.find_payment(db, payment_id)
        assert payment is not None
        return RefundView(
            payment_id=payment_id,
            status=payment.told_at(utc_now()),
            refunded_amount_minor=payment.refunded_minor,
            refund=_item(found),
            problem=found.refusal,
        )

    async def page(self, query: ListRefunds) -> RefundPage | Refused:
        """payment_not_found for whoever may not know of the payment; invalid_cursor."""
        payment_id = _uuid(query.payment_id)
        async with connection(self.pool) as db:
            payment = None if payment_id is None else await _visible(db, payment_id, query)
            if payment is None:
                return refusals.payment_not_found(query.correlation_id)
            try:
                found, next_cursor = await store.page(db, payment.payment_id, query.limit, query.cursor, query.external_id)
            except cursors.MalformedCursor:
                return Refused(code="invalid_cursor", detail="The cursor is not one of this list's.", request_id=query.correlation_id)
        return RefundPage(payment_id=payment.payment_id, items=tuple(map(_item, found)), next_cursor=next_cursor)


async def _visible(db: Connection, payment_id: UUID, query: ListRefunds) -> Payment | None:
    (payment,) = await payment_store.find_visible_payments(db, [(payment_id, query.viewer_user_id, query.viewer_is_admin)])
    return payment if payment is not None and payment.payment_id == payment_id else None


def _item(refund: Refund) -> RefundItem:
    return RefundItem(
        refund_id=refund.refund_id,
        refund_status=refund.status,
        amount_minor=refund.told_minor,
        currency=refund.money.currency,
        origin=refund.origin,
        reason=refund.reason,
        failure_reason=refund.failure_reason,
        external_id=refund.external_id,
        metadata=dict(refund.metadata),
        created_at=refund.created_at,
        updated_at=refund.updated_at,
        settled_at=refund.settled_at,
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
