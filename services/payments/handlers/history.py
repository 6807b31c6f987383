"""What has been: the list of payments as they are told, and every step of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.payments.domain import refusals, timeline
from services.payments.domain.payments import Payment
from services.payments.domain.timeline import Step
from services.payments.store import history
from services.payments.store import timeline as store
from services.payments.store.cursors import MalformedCursor
from services.payments.store.history import Filter
from shared.contracts.base import utc_now
from shared.contracts.history import GetTimeline, ListedPayment, ListPayments, PaymentList, TimelineStep, TimelineView
from shared.contracts.payment_commands import Refused
from shared.postgres import Pool, connection
from shared.sealing import Seal


@dataclass(frozen=True, slots=True)
class History:
    """`seal` opens raw provider events."""

    pool: Pool
    seal: Seal

    async def payments(self, query: ListPayments) -> PaymentList | Refused:
        wanted = Filter(query.user_id, query.status, query.external_id, query.since, query.until, query.ended)
        now = utc_now()
        try:
            async with connection(self.pool) as db:
                found, next_cursor = await history.page(db, wanted, now, limit=query.limit, skip=query.skip, cursor=query.cursor)
        except MalformedCursor:
            return refusals.invalid_cursor(query.correlation_id)
        return PaymentList(items=tuple(listed(payment, now) for payment in found), next_cursor=next_cursor)

    async def timeline(self, query: GetTimeline) -> TimelineView | Refused:
        """Every step that payments knows of; payment_not_found for whoever may not know of it."""
        try:
            asked_id = UUID(query.payment_id)
        except ValueError:
            return refusals.payment_not_found(query.correlation_id)
        admin = query.viewer_is_admin
        async with connection(self.pool) as db:
            subject = await store.find_subject(db, asked_id, query.viewer_user_id, is_admin=admin)
            if subject is None:
                return refusals.payment_not_found(query.correlation_id)
            payment = subject.payment
            events = await store.list_events(db, payment.payment_id, self.seal if admin else None)
            kinds = [await read(db, payment.payment_id) for read in (store.list_suspense, store.list_refunds, store.list_disputes)]
            followed = [kept for kind in kinds for kept in kind]
            steps = [*timeline.of_payment(subject, events), *(step for kept in followed for step in timeline.of_what_followed(kept))]
            if admin:
                resources = [f"payment:{payment.payment_id}", *(f"{kept.kind}:{kept.thing_id}" for kept in followed)]
                steps += [step for action in await store.list_actions(db, resources) for step in timeline.of_action(action)]
            # Whatever payments tells the others, it writes when it takes a step.
            moments = [*(step.at for step in steps), payment.updated_at]
            messages = await store.list_messages(db, payment, moments)
        steps += [step for message in messages for step in timeline.of_message(message)]
        return TimelineView(
            payment_id=payment.payment_id,
            steps=tuple(_told(step) for step in timeline.in_order(steps)),
            references=tuple(timeline.references(payment, followed)),
            truncated=len(events) == store.EVENTS_MAX or any(len(kind) == store.FOLLOWED_MAX for kind in kinds),
        )


def _told(step: Step) -> TimelineStep:
    return TimelineStep(at=step.at, step=step.name, service=step.service, ids=step.ids, detail=step.detail)


def listed(payment: Payment, now: datetime) -> ListedPayment:
    """As lists tell it."""
    return ListedPayment(
        payment_id=payment.payment_id,
        session_id=payment.session_id,
        user_id=payment.user_id,
        mentor_id=payment.mentor_id,
        coaching_session_id=payment.coaching_session_id,
        kind=payment.kind,
        method=payment.provider,
        status=payment.told_at(now),
        amount_minor=payment.money.amount_minor,
        currency=payment.money.currency,
        credit_reference=payment.credit_reference,
        description=payment.description,
        created_at=payment.created_at,
        updated_at=payment.updated_at,
    )
