"""The mock's controls: an admin makes the stand-in provider say what an integrator's test needs, on the road of every provider's event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from services.payments.domain import refusals
from services.payments.domain.payments import PAID_FROM_BALANCE
from services.payments.handlers.once import Once, check_deadline
from services.payments.mock_book import MockBook, MockSession
from services.payments.providers.mock import events as mock_events
from services.payments.providers.mock.events import MockEvent
from services.payments.store import audit
from services.payments.store import payments as payment_store
from shared.contracts.mock_controls import MockEventScheduled, TellMockDispute, TellMockPayment
from shared.contracts.payment_commands import CommandReply, FieldProblem, Refused
from shared.money import Money, MoneyError, parse_major
from shared.postgres import Connection, Pool
from shared.sealing import Seal

ControlReply = CommandReply[MockEventScheduled]


@dataclass(frozen=True, slots=True)
class MockControls:
    """`on`: is the mock a provider here? `wake`: tells its loop that something is due now."""

    pool: Pool
    answers: Seal
    on: bool
    wake: Callable[[], None]

    async def payment(self, command: TellMockPayment) -> ControlReply:
        """Each call is another event, and each success another charge, except for a repeat under the same key."""
        once: Once[MockEventScheduled] = Once(self.pool, self.answers, ControlReply)

        async def work(tx: Connection, _: UUID | None) -> ControlReply:
            check_deadline(command)
            session = await self._lock(tx, command.session_id)
            if session is None:
                return once.reply(refusals.session_not_found(command.correlation_id))
            money = _money(command, session)
            if isinstance(money, Refused):
                return once.reply(money)
            due_at = await MockBook.now(tx) + timedelta(seconds=command.delay_seconds)
            event = mock_events.session_event(session, command.outcome, money, due_at, command.correlation_id)
            return once.reply(await _schedule(tx, event, session, 1 + command.duplicate, command, f"mock.{command.outcome}"))

        return self._scheduled(await once.begin(command, work))

    async def dispute(self, command: TellMockDispute) -> ControlReply:
        """A session has one dispute; the same event again is a repeat of it."""
        once: Once[MockEventScheduled] = Once(self.pool, self.answers, ControlReply)

        async def work(tx: Connection, _: UUID | None) -> ControlReply:
            check_deadline(command)
            session = await self._lock(tx, command.payment_id)
            if session is None:
                return once.reply(await self._never_at_the_mock(tx, command))
            charged = session.charged if session.outcome == "success" else await mock_events.charged_by_control(tx, session.session_id)
            if charged is None:
                detail = "Nobody has paid it: there is nothing to dispute."
                return once.reply(Refused(code="payment_not_disputable", detail=detail, request_id=command.correlation_id))
            event = mock_events.dispute_event(session, command.event, charged, await MockBook.now(tx), command.correlation_id)
            return once.reply(await _schedule(tx, event, session, 1, command, f"mock.dispute_{command.event}"))

        return self._scheduled(await once.begin(command, work))

    async def _lock(self, tx: Connection, named: str) -> MockSession | None:
        session_id = _uuid(named)
        return await MockBook.lock(tx, session_id, None, whoever=True) if self.on and session_id is not None else None

    async def _never_at_the_mock(self, tx: Connection, command: TellMockDispute) -> Refused:
        payment_id = _uuid(command.payment_id)
        payment = await payment_store.find_payment(tx, payment_id) if self.on and payment_id is not None else None
        if payment is not None and payment.provider == PAID_FROM_BALANCE:
            detail = "It was paid from a balance: there is no bank that could dispute it."
            return Refused(code="payment_not_disputable", detail=detail, request_id=command.correlation_id)
        return Refused(code="payment_not_found", detail="There is no such payment.", request_id=command.correlation_id)

    def _scheduled(self, reply: ControlReply) -> ControlReply:
        self.wake()
        return reply


async def _schedule(
    tx: Connection, event: MockEvent, session: MockSession, times: int, command: TellMockPayment | TellMockDispute, action: str
) -> MockEventScheduled:
    await mock_events.schedule(tx, event, times)
    await audit.write_down(
        tx,
        actor=f"user:{command.actor_user_id}",
        action=action,
        resource=f"payment:{session.payment_id}",
        request_id=command.correlation_id,
        event_id=event.event_id,
        times=times,
        due_at=event.due_at,
        amount_minor=None if event.money is None else event.money.amount_minor,
        currency=None if event.money is None else event.money.currency,
    )
    return MockEventScheduled(
        payment_id=session.payment_id, session_id=session.session_id, event_id=event.event_id, times=times, due_at=event.due_at
    )


def _money(command: TellMockPayment, session: MockSession) -> Money | Refused:
    """What is paid: the session's own, unless it is told otherwise."""
    currency = command.currency or session.money.currency
    try:
        return Money(session.money.amount_minor, currency) if command.amount is None else parse_major(command.amount, currency)
    except MoneyError as error:
        return Refused(
            code="invalid_amount",
            detail="The amount is not valid.",
            errors=(FieldProblem(loc=("body", "amount"), msg=str(error)),),
            request_id=command.correlation_id,
        )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
