"""The mock provider's own book in PostgreSQL: its sessions, and the one outcome of each, decided under the session's lock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from shared.money import Money
from shared.postgres import Connection, Pool, transaction

Outcome = Literal["success", "failure", "canceled"]


@dataclass(frozen=True, slots=True)
class MockSession:
    """`paid`: what was paid, where the mock's controls made it another sum than the session's."""

    session_id: UUID
    payment_id: UUID
    owner: str | None
    money: Money
    expires_at: datetime
    outcome: Outcome | None = None
    event_id: str | None = None
    charge_reference: str | None = None
    decided_at: datetime | None = None
    paid: Money | None = None

    @property
    def charged(self) -> Money:
        return self.paid or self.money


class MockBook:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open(self, session: MockSession) -> MockSession:
        """Writes the session down; one that is there already stays as it is and is returned."""
        async with transaction(self._pool) as tx:
            await tx.execute(
                """
                insert into payments.mock_sessions (session_id, payment_id, owner, amount_minor, currency, expires_at)
                values ($1, $2, $3, $4, $5, $6) on conflict (session_id) do nothing
                """,
                session.session_id,
                session.payment_id,
                session.owner,
                session.money.amount_minor,
                session.money.currency,
                session.expires_at,
            )
            row = await tx.fetchrow("select * from payments.mock_sessions where session_id = $1", session.session_id)
            return _session(row)

    async def find(self, session_id: UUID) -> tuple[MockSession, bool] | None:
        """The session, and whether it has ended undecided, which is then for good: whoever was deciding it is waited for."""
        async with transaction(self._pool) as tx:
            row = await tx.fetchrow("select * from payments.mock_sessions where session_id = $1 for update", session_id)
            if row is None:
                return None
            session = _session(row)
            return session, session.outcome is None and await MockBook.now(tx) >= session.expires_at

    async def end(self, session_id: UUID) -> MockSession | None:
        """Ends a session that nobody has decided; what it was or became. None when there is none."""
        async with transaction(self._pool) as tx:
            row = await tx.fetchrow("select * from payments.mock_sessions where session_id = $1 for update", session_id)
            if row is None:
                return None
            session = _session(row)
            if session.outcome is not None:
                return session
            event_id = f"evt_{session_id.hex}_canceled"
            return await MockBook.decide(tx, session, "canceled", event_id=event_id, charge=None, at=await MockBook.now(tx))

    @staticmethod
    async def lock(tx: Connection, session_or_payment_id: UUID, owner: str | None, *, whoever: bool = False) -> MockSession | None:
        """The session, by its own id or its payment's, locked until the transaction's end; None when there is none or it is not the
        owner's, unless `whoever` may have it. A guest's has no owner."""
        row = await tx.fetchrow(
            """
            select * from payments.mock_sessions
            where (session_id = $1 or payment_id = $1) and (owner = $2 or owner is null or $3) for update
            """,
            session_or_payment_id,
            owner,
            whoever,
        )
        return None if row is None else _session(row)

    @staticmethod
    async def now(tx: Connection) -> datetime:
        """The book's one clock, to be asked under the session's lock: with more, a session could end by one and be decided by another."""
        moment = await tx.fetchval("select clock_timestamp()")
        assert isinstance(moment, datetime)
        return moment

    @staticmethod
    async def decide(
        tx: Connection,
        session: MockSession,
        outcome: Outcome,
        *,
        event_id: str,
        charge: str | None,
        at: datetime,
        paid: Money | None = None,
    ) -> MockSession:
        """Writes the outcome of a locked, undecided session."""
        await tx.execute(
            """
            update payments.mock_sessions
            set outcome = $2, event_id = $3, charge_reference = $4, decided_at = $5, paid_amount_minor = $6, paid_currency = $7
            where session_id = $1 and outcome is null
            """,
            session.session_id,
            outcome,
            event_id,
            charge,
            at,
            None if paid is None else paid.amount_minor,
            None if paid is None else paid.currency,
        )
        return replace(session, outcome=outcome, event_id=event_id, charge_reference=charge, decided_at=at, paid=paid)


def _session(row: Any) -> MockSession:
    return MockSession(
        session_id=row["session_id"],
        payment_id=row["payment_id"],
        owner=row["owner"],
        money=Money(row["amount_minor"], row["currency"]),
        expires_at=row["expires_at"],
        outcome=row["outcome"],
        event_id=row["event_id"],
        charge_reference=row["charge_reference"],
        decided_at=row["decided_at"],
        paid=None if row["paid_amount_minor"] is None else Money(row["paid_amount_minor"], row["paid_currency"]),
    )
