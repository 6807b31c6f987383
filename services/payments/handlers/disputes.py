"""Disputes, step by step: what a provider tells of them is written down, and the money follows; every step can be taken again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import UUID
from weakref import WeakValueDictionary

import structlog
from prometheus_client import Counter

from services.payments.domain import disputes as domain
from services.payments.domain.disputes import AT_REST, Dispute, GoneBefore, State
from services.payments.domain.facts import DisputeTold, Fact
from services.payments.domain.payments import Payment, Status
from services.payments.handlers import told
from services.payments.handlers.refund_saga import UnsentWithdrawals
from services.payments.ledger import Silent
from services.payments.store import disputes as store
from services.payments.store import due
from services.payments.store import payments as payment_store
from services.payments.store import suspense as suspense_store
from services.payments.store.payments import SCHEMA
from shared.contracts.base import utc_now
from shared.contracts.payment_commands import Refused
from shared.contracts.wallet_commands import FundsMoved, MoveFunds
from shared.delivery import outbox
from shared.delivery.errors import NotYet
from shared.postgres import Connection, Pool, connection, transaction

log = structlog.get_logger(__name__)

TOLD: Final = Counter("purser_disputes_total", "Disputes by what was told of them", ["provider", "event"])

_REASON: Final = "the money is needed for a dispute"

REFUNDS_WAIT_SECONDS: Final = 3600.0
"""How long refunds under way are waited for: which of them fail decides what the owner bears. What is pending for longer counts as gone."""


class Book(Protocol):
    """What is asked of ledger.Ledger. Silent: it may or may not have been done."""

    async def move(self, command: MoveFunds) -> FundsMoved | Refused: ...
    async def available(self, user_id: str, currency: str, correlation_id: str) -> int: ...
    async def posted(self, reference: str, correlation_id: str) -> bool: ...


class Contradicted(Exception):
    """Wallet refuses what the dispute's own history makes necessary: somebody has to look, and it is tried again until then."""


@dataclass(frozen=True, slots=True)
class DisputeSaga:
    pool: Pool
    ledger: Book
    withdrawals: UnsentWithdrawals
    # Of an owner's disputes one at a time looks what there is and takes it, lest more withdrawals give way than have to.
    owners: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    @property
    def name(self) -> str:
        return "disputes"

    async def take_due(self, limit: int) -> Sequence[UUID]:
        async with transaction(self.pool) as tx:
            return await due.take_due(tx, "disputes", limit)

    # ---- what a provider tells

    async def follow(self, tx: Connection, fact: Fact, payment: Payment | None, correlation_id: str) -> str:
        """Writes it down with the payment as it is told now; the money follows. NotYet while the payment is not known to be paid."""
        assert isinstance(fact, DisputeTold)
        if payment is None:
            return "unknown_reference" if fact.session_id is not None else "ignored"
        # As it is now: another event of the same batch may have changed it.
        payment = await payment_store.lock_payment(tx, payment.payment_id)
        if payment is None or not (payment.status is Status.COMPLETED or await _is_of_another_charge(tx, fact, payment)):
            raise NotYet("the payment is not known to be paid")
        known = await store.lock_of_payment(tx, payment.payment_id)
        dispute = next((one for one in known if one.dispute_reference == fact.dispute_reference), None)
        if dispute is None:
            if fact.money.currency != payment.money.currency:
                return "currency_mismatch"
            # Whoever has what was in suspense by now was not paid by this payment: the platform bears it.
            gone = await store.gone_before(tx, payment) if payment.status is Status.COMPLETED else GoneBefore(payment.money.amount_minor, 0)
            dispute = domain.begin(payment, fact, gone, correlation_id)
            await store.insert(tx, dispute)
        else:
            changed = domain.told(dispute, fact.event)
            if changed is None:
                return "contradiction" if domain.contradicts(dispute, fact.event) else "unchanged"
            dispute = changed
            await store.save(tx, dispute)
        TOLD.labels(dispute.provider, fact.event).inc()
        log.warning(
            "dispute",
            told=fact.event,
            dispute_id=str(dispute.dispute_id),
            payment_id=str(payment.payment_id),
            amount_minor=dispute.money.amount_minor,
            currency=dispute.money.currency,
            correlation_id=correlation_id,
        )
        await self._tell(tx, payment, [one for one in known if one.dispute_id != dispute.dispute_id] + [dispute], correlation_id)
        return "applied"

    async def _tell(self, tx: Connection, payment: Payment, disputes: Sequence[Dispute], correlation_id: str) -> None:
        """Open pages are told when the payment is told otherwise now; one that is not paid is not disputed."""
        if payment.status is not Status.COMPLETED:
            return
        disputed = domain.payment_with(payment, disputes, utc_now())
        if disputed.dispute_status == payment.dispute_status:
            return
        await store.save_status(tx, disputed)
        await outbox.append(tx, SCHEMA, [(told.outbox_key(disputed), told.updated(disputed, correlation_id))])

    # ---- the money

    async def advance(self, saga_id: UUID) -> None:
        """Takes as many steps as can be taken now."""
        async with connection(self.pool) as db:
            dispute = await store.find(db, saga_id)
            payment = None if dispute is None else await payment_store.find_payment(db, dispute.payment_id)
        try:
            while dispute is not None and payment is not None and dispute.state not in AT_REST:
                async with self.owners.setdefault(dispute.owner_id or str(dispute.dispute_id), asyncio.Lock()):
                    await self._step(dispute, payment)
                dispute = await self._through(dispute)
        except Silent as silence:
            log.info("dispute waits", dispute_id=str(saga_id), waits_for=str(silence))

    async def _step(self, dispute: Dispute, payment: Payment) -> None:
        """Takes the step that the state names; Silent when it is not known whether it was. No transaction is open."""
        match dispute.state:
            case State.FREEING:
                dispute = await self._divide(dispute)
                if dispute.owner_id is not None and dispute.owner_minor:
                    await self._make_way(dispute, payment)
            case State.OPENING:
                await self._move(domain.opened(dispute, payment.credit_reference))
                if dispute.owner_id is not None and dispute.owner_minor:
                    # Something else may have taken what was there when it was looked.
                    await self._free(dispute, needed_minor=0)
            case State.CLOSING:
                await self._move(domain.won(dispute))

    async def _make_way(self, dispute: Dispute, payment: Payment) -> None:
        """The owner's unsent withdrawals give way, only as far as needed: what they hold is out of the dispute's reach."""
        assert dispute.owner_id is not None
        if payment.credit_reference is not None and not await self.ledger.posted(payment.credit_reference, dispute.correlation_id):
            # What it credits may be all that is needed.
            raise Silent("the payment's credit")
        await self._free(dispute, needed_minor=dispute.owner_minor)

    async def _divide(self, dispute: Dispute) -> Dispute:
        """The dispute as it is borne, now that its payment's refunds have ended; Silent while one has not."""
        async with transaction(self.pool) as tx:
            payment = await payment_store.lock_payment(tx, dispute.payment_id)
            assert payment is not None
            disputes = await store.lock_of_payment(tx, dispute.payment_id)
            current = next(one for one in disputes if one.dispute_id == dispute.dispute_id)
            gone = await store.gone_before(tx, payment, current)
            if gone.uncertain and await store.may_wait(tx, current, REFUNDS_WAIT_SECONDS):
                raise Silent("a refund under way")
            if current.state is State.FREEING:
                current = domain.divided(current, payment, gone)
                await store.save_division(tx, current)
        return current

    async def _free(self, dispute: Dispute, *, needed_minor: int) -> None:
        assert dispute.owner_id is not None
        currency = dispute.money.currency
        missing_minor = needed_minor - await self.ledger.available(dispute.owner_id, currency, dispute.correlation_id)
        if missing_minor > 0:
            await self.withdrawals.cancel_for(dispute.owner_id, currency, missing_minor, _REASON, "system", dispute.correlation_id)

    async def _move(self, command: MoveFunds) -> None:
        answer = await self.ledger.move(command)
        if isinstance(answer, Refused):
            raise Contradicted(f"{command.reference}: {answer.code}")

    async def _through(self, dispute: Dispute) -> Dispute | None:
        """The dispute after its step; None when somebody else has taken that meanwhile."""
        async with transaction(self.pool) as tx:
            payment = await payment_store.lock_payment(tx, dispute.payment_id)
            assert payment is not None
            disputes = await store.lock_of_payment(tx, dispute.payment_id)
            current = next(one for one in disputes if one.dispute_id == dispute.dispute_id)
            if current.state is not dispute.state:
                return None
            # Its end may have been told since it was looked at.
            after = domain.through(current)
            await store.save(tx, after)
            others = [one for one in disputes if one.dispute_id != dispute.dispute_id]
            await self._tell(tx, payment, [*others, after], dispute.correlation_id)
        log.info("dispute", dispute_id=str(after.dispute_id), state=after.state, correlation_id=after.correlation_id)
        return after


async def _is_of_another_charge(tx: Connection, fact: DisputeTold, payment: Payment) -> bool:
    """Over a charge that is, or was, in suspense: it waits for no payment."""
    return await suspense_store.lock_other_charge(tx, payment, fact.charge_reference) is not None
