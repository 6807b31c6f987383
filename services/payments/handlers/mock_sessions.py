"""Completing a session of the mock: owner, amount and state are checked, the outcome decided once, its signed event handed out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from services.payments.domain import refusals
from services.payments.handlers.once import Once, check_deadline
from services.payments.mock_book import MockBook, MockSession
from services.payments.providers.mock.adapter import MockProvider, outcome_event_id
from shared.contracts.base import new_id
from shared.contracts.payment_commands import (
    CommandReply,
    CompleteMockSession,
    FieldProblem,
    MockSessionDecided,
    Refused,
)
from shared.money import MoneyError, parse_major
from shared.postgres import Connection, Pool
from shared.sealing import Seal

log = structlog.get_logger(__name__)

MockReply = CommandReply[MockSessionDecided]


@dataclass(frozen=True, slots=True)
class MockSessions:
    """`mock` is None where the mock is off: then there is no such session."""

    pool: Pool
    answers: Seal
    mock: MockProvider | None

    async def complete(self, command: CompleteMockSession) -> MockReply:
        """Decides the session, or tells what it was decided to be; the same outcome again gives the same event."""
        once: Once[MockSessionDecided] = Once(self.pool, self.answers, MockReply)

        async def work(tx: Connection, _: UUID | None) -> MockReply:
            check_deadline(command)
            return MockReply(answer=await self._decide(tx, command))

        reply = await once.begin(command, work)
        if not isinstance(reply.answer, MockSessionDecided):
            return reply
        if reply.replayed and self.mock is not None:
            # The same event, signed anew: a kept signature would be stale by now.
            fresh = self.mock.sign_again(reply.answer.event)
            return reply.model_copy(update={"answer": reply.answer.model_copy(update={"event": fresh})})
        log.info(
            "mock session decided",
            session_id=str(reply.answer.session_id),
            payment_id=str(reply.answer.payment_id),
            outcome=reply.answer.outcome,
            correlation_id=command.correlation_id,
        )
        return reply

    async def _decide(self, tx: Connection, command: CompleteMockSession) -> MockSessionDecided | Refused:
        request_id = command.correlation_id
        named = _uuid(command.session_id)
        if self.mock is None or named is None:
            return refusals.session_not_found(request_id)
        session = await MockBook.lock(tx, named, command.user_id)
        if session is None:
            return refusals.session_not_found(request_id)
        now = await MockBook.now(tx)
        refused = _wrong_amount(session, command.amount, request_id) or _final(session, command.outcome, now, request_id)
        if refused is not None:
            return refused
        if session.outcome is None:
            charge = f"ch_{new_id().hex}" if command.outcome == "success" else None
            event_id = outcome_event_id(session.session_id, command.outcome)
            session = await MockBook.decide(tx, session, command.outcome, event_id=event_id, charge=charge, at=now)
        return MockSessionDecided(
            payment_id=session.payment_id,
            session_id=session.session_id,
            outcome=command.outcome,
            event=self.mock.signed_event(session),
        )


def _wrong_amount(session: MockSession, amount: str | None, request_id: str) -> Refused | None:
    if amount is None:
        return None
    try:
        named = parse_major(amount, session.money.currency)
    except MoneyError as error:
        return Refused(
            code="invalid_amount",
            detail="The amount is not valid.",
            errors=(FieldProblem(loc=("body", "amount"), msg=str(error)),),
            request_id=request_id,
        )
    if named != session.money:
        return Refused(code="amount_mismatch", detail="The amount is not the session's amount; nothing was moved.", request_id=request_id)
    return None


def _final(session: MockSession, outcome: str, now: datetime, request_id: str) -> Refused | None:
    if session.outcome is not None and session.outcome != outcome:
        return Refused(code="session_final", detail=f"The session has ended with {session.outcome}.", request_id=request_id)
    if session.outcome is None and now >= session.expires_at:
        return Refused(code="session_final", detail="The session has expired.", request_id=request_id)
    return None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
