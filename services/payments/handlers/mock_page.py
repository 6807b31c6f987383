"""What the stand-in provider's page shows of a session, and its payer's giving up. What completes one is in mock_sessions.py."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from services.payments.domain import refusals
from services.payments.domain.payments import Payment, Status
from services.payments.handlers.settlement import Settlement
from services.payments.mock_book import MockBook
from services.payments.providers.mock.adapter import MockProvider
from services.payments.store import payments as store
from shared.contracts.base import utc_now
from shared.contracts.orders import EndMockSession, GetMockSession, MockSessionEnded, MockSessionView
from shared.contracts.payment_commands import CommandReply, Refused
from shared.postgres import Pool, connection
from shared.waiting import Waiters

EndedReply = CommandReply[MockSessionEnded]


@dataclass(frozen=True, slots=True)
class MockPage:
    """`mock` is None where the mock is off: then there is no such session."""

    pool: Pool
    mock: MockProvider | None
    book: MockBook
    settlement: Settlement
    waiters: Waiters[UUID]

    async def session(self, query: GetMockSession) -> MockSessionView | Refused:
        """session_not_found for whoever may not know of it."""

        async def ask() -> Payment | None:
            return await self._find(query.session_id, query.viewer_user_id)

        payment = await ask()
        if payment is not None:
            payment = await self.waiters.until(payment.payment_id, ask, _is_settled, query.wait_seconds)
        found = None if payment is None else await self.book.find(query.session_id)
        if payment is None or found is None:
            return refusals.session_not_found(query.correlation_id)
        session, _ = found
        return MockSessionView(
            session_id=session.session_id,
            payment_id=payment.payment_id,
            kind=payment.kind,
            order_id=payment.order_id,
            coaching_session_id=payment.coaching_session_id,
            status=payment.told_at(utc_now()),
            decided=session.outcome,
            amount_minor=session.money.amount_minor,
            currency=session.money.currency,
            description=payment.description,
            locale=payment.locale,
            expires_at=session.expires_at,
        )

    async def end(self, command: EndMockSession) -> EndedReply:
        """Ends the session at the mock, and here what that means: canceled, or what had been decided before. Idempotent by nature."""
        if utc_now() > command.deadline:
            return EndedReply(answer=refusals.too_late(command.correlation_id))
        payment = await self._find(command.session_id, command.user_id)
        if payment is None or self.mock is None:
            return EndedReply(answer=refusals.session_not_found(command.correlation_id))
        if payment.status is Status.PENDING:
            await self.settlement.settle_ended(await self.mock.cancel(payment), payment, expired=False)
            payment = await self._find(command.session_id, command.user_id)
            assert payment is not None
        return EndedReply(answer=MockSessionEnded(session_id=command.session_id, status=payment.told_at(utc_now())))

    async def _find(self, session_id: UUID, viewer: str | None) -> Payment | None:
        if self.mock is None:
            return None
        async with connection(self.pool) as db:
            return await store.find_session(db, session_id, self.mock.name, viewer)


def _is_settled(payment: Payment | None) -> bool:
    return payment is None or payment.told_at(utc_now()) != Status.PENDING
