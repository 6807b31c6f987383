"""Paying from the balance: wallet moves the whole set or nothing, and is asked until it is known which."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

import structlog

from services.payments.domain import intents, refusals
from services.payments.domain.facts import Paid
from services.payments.domain.payments import Payment, Status
from services.payments.handlers import told
from services.payments.handlers.settlement import Settlement
from services.payments.ledger import Silent
from services.payments.store import balance_payments as asked
from services.payments.store import payments as store
from services.payments.store.payments import SCHEMA
from shared.contracts.base import utc_now
from shared.contracts.payment_commands import Refused
from shared.contracts.wallet_commands import FundsMoved, MoveFunds
from shared.delivery import outbox
from shared.postgres import Connection, Pool, connection, transaction

log = structlog.get_logger(__name__)


class Moves(Protocol):
    """The part of the ledger that this needs."""

    async def move(self, command: MoveFunds) -> FundsMoved | Refused: ...


@dataclass(frozen=True, slots=True)
class BalancePayments:
    """Every step can be repeated: the set's reference is the payment's, and who finds it moved writes that down."""

    pool: Pool
    ledger: Moves
    settlement: Settlement

    async def begin(self, tx: Connection, payment_id: UUID) -> bool:
        """To be called in the transaction before `pay`; False when the payment is not pending (any more)."""
        return await asked.begin_asking(tx, payment_id)

    async def pay(self, payment: Payment) -> Payment | None:
        """Asks wallet; the payment as it has ended by that, completed or failed with its refusal. None: not known yet, it is asked again.
        No transaction is open. Wallet refuses for good: an earlier asking that arrives late moves nothing either."""
        try:
            answer = await self.ledger.move(intents.movement(payment))
        except Silent:
            return None
        if isinstance(answer, FundsMoved):
            return await self._moved(payment)
        if answer.code == "insufficient_funds":
            return await self._refused(payment)
        log.error(
            "wallet refuses a payment from the balance",
            code=answer.code,
            payment_id=str(payment.payment_id),
            correlation_id=payment.correlation_id,
        )
        return None

    async def resume(self, payment: Payment) -> None:
        """What became of a pending payment that nobody waits for."""
        async with transaction(self.pool) as tx:
            pending = await self.begin(tx, payment.payment_id)
        if pending:
            await self.pay(payment)

    async def _moved(self, payment: Payment) -> Payment | None:
        assert payment.session_id is not None
        proof = Paid(payment.session_id, str(payment.payment_id), payment.money, utc_now())
        await self.settlement.settle_told(proof, payment)
        async with connection(self.pool) as db:
            return await store.find_payment(db, payment.payment_id)

    async def _refused(self, payment: Payment) -> Payment | None:
        async with transaction(self.pool) as tx:
            locked = await store.lock_payment(tx, payment.payment_id)
            assert locked is not None
            if locked.status is not Status.PENDING:
                return locked
            refusal = refusals.insufficient_funds(payment.correlation_id)
            failed = replace(locked, status=Status.FAILED, refusal=refusal)
            await asked.save_refused(tx, failed)
            await outbox.append(tx, SCHEMA, [(told.outbox_key(failed), told.updated(failed, failed.correlation_id))])
        self.settlement.relay.wake()
        self.settlement.waiters.wake([failed.payment_id])
        return failed
