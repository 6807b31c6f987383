"""Questions about payments: one as its viewer may see it, at once or when it is settled."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from services.payments.domain import refusals
from services.payments.domain.payments import Payment, Status
from services.payments.store import payments as store
from services.payments.store.next_steps import StepSeals
from shared.contracts.base import utc_now
from shared.contracts.payment_commands import Refused
from shared.contracts.queries import GetPayment, PaymentView
from shared.postgres import Pool, connection
from shared.waiting import Waiters


@dataclass(frozen=True, slots=True)
class Views:
    pool: Pool
    steps: StepSeals
    waiters: Waiters[UUID]

    async def payment(self, query: GetPayment) -> PaymentView | Refused:
        """The payment, once it is no longer pending or the query's time is over; payment_not_found for whoever may not know of it."""
        try:
            payment_id = UUID(query.payment_id)
        except ValueError:
            return refusals.payment_not_found(query.correlation_id)

        async def ask() -> Payment | None:
            async with connection(self.pool) as db:
                (found,) = await store.find_visible_payments(db, [(payment_id, query.viewer_user_id, query.viewer_is_admin)])
                return found

        found = await self.waiters.until(payment_id, ask, _settled, query.wait_seconds)
        return refusals.payment_not_found(query.correlation_id) if found is None else self._view(found, query)

    def _view(self, payment: Payment, query: GetPayment) -> PaymentView:
        # Where to pay is for whoever pays: the mentor sees the payment, but not that.
        pays = query.viewer_is_admin or query.viewer_user_id == payment.user_id or payment.order_id is not None
        return PaymentView(
            payment_id=payment.payment_id,
            session_id=payment.session_id,
            user_id=payment.user_id,
            mentor_id=payment.mentor_id,
            coaching_session_id=payment.coaching_session_id,
            order_id=payment.order_id,
            kind=payment.kind,
            method=payment.provider,
            status=payment.told_at(utc_now()),
            amount_minor=payment.money.amount_minor,
            currency=payment.money.currency,
            credit_reference=payment.credit_reference,
            payment_url=self.steps.shown_url(payment) if pays else None,
            description=payment.description,
            refunded_amount_minor=payment.refunded_minor,
            dispute_status=payment.dispute_status,
            external_id=payment.external_id,
            metadata=dict(payment.metadata),
            problem=payment.refusal,
            expires_at=payment.expires_at,
            created_at=payment.created_at,
            updated_at=payment.updated_at,
        )


def _settled(payment: Payment | None) -> bool:
    return payment is None or payment.told_at(utc_now()) != Status.PENDING
