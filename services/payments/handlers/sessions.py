"""Coaching sessions: written by their mentors, read by everybody who is signed in."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from services.payments.domain import refusals
from services.payments.domain.sessions import CoachingSession, Kept
from services.payments.handlers.history import listed
from services.payments.handlers.once import Once, check_deadline
from services.payments.store import audit, session_payments
from services.payments.store import sessions as store
from shared.contracts.base import utc_now
from shared.contracts.payment_commands import CommandReply, Refused
from shared.contracts.sessions import GetSession, GetSessionPayments, PutSession, SessionPayments, SessionSaved, SessionView
from shared.money import Money
from shared.postgres import Connection, Pool, connection
from shared.sealing import Seal

SessionReply = CommandReply[SessionSaved]


@dataclass(frozen=True, slots=True)
class Sessions:
    pool: Pool
    answers: Seal

    async def put(self, command: PutSession) -> SessionReply:
        """The session as it is afterwards; the same again is the same."""
        once: Once[SessionSaved] = Once(self.pool, self.answers, SessionReply)
        price = Money(command.price_minor, command.currency)
        session = CoachingSession(command.session_id, command.mentor_id, price, command.title)

        async def work(tx: Connection, _: UUID | None) -> SessionReply:
            check_deadline(command)
            kept = await store.put(tx, session)
            if kept is None:
                return once.reply(_mentor_fixed(command.correlation_id))
            if command.user_id != session.mentor_id:
                await audit.write_down(
                    tx,
                    actor=f"user:{command.user_id}",
                    action="session.put",
                    resource=f"session:{session.session_id}",
                    request_id=command.correlation_id,
                    price_minor=price.amount_minor,
                    currency=price.currency,
                    mentor_id=session.mentor_id,
                )
            return once.reply(SessionSaved(created=kept.created, session=_view(kept)))

        return await once.begin(command, work)

    async def get(self, query: GetSession) -> SessionView | Refused:
        async with connection(self.pool) as db:
            kept = await store.find(db, query.session_id)
        if kept is None:
            return refusals.session_not_found(query.correlation_id)
        return _view(kept)

    async def payments(self, query: GetSessionPayments) -> SessionPayments:
        """What the payer has begun and paid."""
        now = utc_now()
        who = (query.user_id, query.session_id)
        async with connection(self.pool) as db:
            open_one = await session_payments.newest_open(db, *who, now)
            paid = await session_payments.newest_paid(db, *who)
            ended_id = await session_payments.newest_ended(db, *who, now)
        return SessionPayments(
            open=None if open_one is None else listed(open_one, now),
            paid=None if paid is None else listed(paid, now),
            ended_payment_id=ended_id,
        )


def _view(kept: Kept) -> SessionView:
    session = kept.session
    return SessionView(
        session_id=session.session_id,
        mentor_id=session.mentor_id,
        price_minor=session.price.amount_minor,
        currency=session.price.currency,
        title=session.title,
        created_at=kept.created_at,
        updated_at=kept.updated_at,
    )


def _mentor_fixed(request_id: str) -> Refused:
    return Refused(code="session_mentor_fixed", detail="The session is another mentor's, and stays theirs.", request_id=request_id)
