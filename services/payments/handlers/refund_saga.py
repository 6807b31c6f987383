"""Money back to the payer, step by step: hold it, send it at the provider, settle or release; every step can be taken again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Protocol
from uuid import UUID

import structlog
from prometheus_client import Counter

from services.payments.domain import refund_steps as steps
from services.payments.domain.payments import Payment
from services.payments.domain.refunds import Refund, State
from services.payments.handlers import told
from services.payments.ledger import NotPostedYet, Silent
from services.payments.providers.base import FoundRefund, NoSuchRefund, RefundAccepted, RefundDeclined, RefundOrder, Refunds, Unknown
from services.payments.store import disputes as dispute_store
from services.payments.store import due
from services.payments.store import payments as payment_store
from services.payments.store import refunds as store
from services.payments.store.payments import SCHEMA
from shared.contracts.base import utc_now
from shared.contracts.payment_commands import Refused
from shared.contracts.wallet_commands import (
    FundsMoved,
    FundsReserved,
    HoldReleased,
    HoldSettled,
    Leg,
    MoveFunds,
    ReleaseHold,
    ReserveFunds,
    SettleHold,
)
from shared.delivery import outbox
from shared.delivery.relay import Relay
from shared.postgres import Connection, Pool, connection, transaction

log = structlog.get_logger(__name__)

ENDED: Final = Counter("purser_refunds_total", "Refunds by how they ended, each time that they do", ["provider", "outcome"])

STEP_SECONDS: Final = 20.0
"""How long whoever took a step is believed to be at the next one; then somebody else goes on."""

AGAIN_SECONDS: Final = 1.0

_PENDING_SECONDS: Final = 60.0
"""A provider that tells later is asked after this time, lest its event was lost."""

Step = Callable[[Refund], Refund]
"""What a step's outcome makes of the refund as it is then, under its lock."""


class Funds(Protocol):
    """What the saga asks of ledger.Ledger. Silent: it may or may not have been done."""

    async def move(self, command: MoveFunds) -> FundsMoved | Refused: ...
    async def reserve(self, command: ReserveFunds) -> FundsReserved | Refused: ...
    async def settle(self, command: SettleHold) -> HoldSettled | Refused: ...
    async def release(self, command: ReleaseHold) -> HoldReleased | Refused: ...
    async def available(self, user_id: str, currency: str, correlation_id: str) -> int: ...
    async def posted(self, reference: str, correlation_id: str) -> bool: ...


class UnsentWithdrawals(Protocol):
    """A user's withdrawals that nobody has begun to send."""

    async def cancel_for(self, user_id: str, currency: str, needed_minor: int, reason: str, actor: str, correlation_id: str) -> int:
        """Cancels as many as are needed, the newest first; what is available again for it, in minor units. Silent: some of it, perhaps."""
        ...


class Contradicted(Exception):
    """Wallet refuses what the refund's own history makes necessary: somebody has to look, and it is tried again until then."""


@dataclass(frozen=True, slots=True)
class RefundSaga:
    """`providers`: those that can send money back."""

    pool: Pool
    ledger: Funds
    providers: Mapping[str, Refunds]
    withdrawals: UnsentWithdrawals
    relay: Relay

    @property
    def name(self) -> str:
        return "refunds"

    async def take_due(self, limit: int) -> Sequence[UUID]:
        async with transaction(self.pool) as tx:
            return await due.take_due(tx, "refunds", limit)

    async def advance(self, saga_id: UUID) -> None:
        """Takes as many steps as can be taken now."""
        async with connection(self.pool) as db:
            refund = await store.find(db, saga_id)
            if not isinstance(refund, Refund):
                return
            payment = await payment_store.find_payment(db, refund.payment_id)
        assert payment is not None
        resumed = True
        try:
            while (step := await self._step(refund, payment, resumed=resumed)) is not None:
                before = refund.state
                refund = await self._take(refund, step)
                if refund.state is before:
                    return
                resumed = False
        except Silent as silence:
            log.info(
                "refund waits", refund_id=str(saga_id), state=refund.state, waits_for=str(silence), correlation_id=refund.correlation_id
            )

    async def _step(self, refund: Refund, payment: Payment, *, resumed: bool) -> Step | None:
        """What comes of the refund's next step; None: nothing is known yet, or nothing is left to do. No transaction is open."""
        match refund.state:
            case State.FREEING:
                return await self._make_way(refund, payment)
            case State.RESERVING:
                return await self._reserve(refund, payment)
            case State.SENDING:
                return await self._send(refund, payment, resumed=resumed)
            case State.PENDING:
                return await self._look(refund, payment)
            case State.SETTLING:
                return await self._settle(refund, payment)
            case State.RELEASING:
                if refund.needs_hold:
                    _done(await self.ledger.release(ReleaseHold(correlation_id=refund.correlation_id, reference=refund.reference)))
                return steps.ended
            case State.REVERSING:
                _done(await self.ledger.move(self._moved(refund, payment, "reversal", steps.reversing_legs(refund))))
                return steps.ended
            case State.SUCCEEDED | State.FAILED:
                return None

    async def _make_way(self, refund: Refund, payment: Payment) -> Step:
        """A step of its own: the hold takes "as much as there is" once, so whatever is to be there must be there before."""
        assert refund.owner_id is not None
        assert payment.credit_reference is not None
        if not await self.ledger.posted(payment.credit_reference, refund.correlation_id):
            raise NotPostedYet(payment.credit_reference)
        currency = refund.money.currency
        available_minor = await self.ledger.available(refund.owner_id, currency, refund.correlation_id)
        needed_minor = refund.wanted_minor - max(0, available_minor)
        if needed_minor > 0:
            actor = "system" if refund.requested_by is None else f"user:{refund.requested_by}"
            reason = f"refund of payment {refund.payment_id}"
            await self.withdrawals.cancel_for(refund.owner_id, currency, needed_minor, reason, actor, refund.correlation_id)
        return steps.freed

    async def _reserve(self, refund: Refund, payment: Payment) -> Step:
        if not refund.needs_hold:
            return partial(steps.reserved, held_minor=None, now=utc_now())
        answer = await self.ledger.reserve(_hold(refund, payment))
        if isinstance(answer, FundsReserved):
            return partial(steps.reserved, held_minor=answer.held_minor, now=utc_now())
        if answer.code != "insufficient_funds":
            raise Contradicted(answer.code)
        return steps.not_covered

    async def _send(self, refund: Refund, payment: Payment, *, resumed: bool) -> Step | None:
        """Whoever comes to it again asks first what became of it, and sends it again under the same key when it never arrived, or, for as
        long as the provider knows the key, when nobody knows."""
        if (provider := self.providers.get(refund.provider)) is None:
            log.error("nobody here can send this refund", provider=refund.provider, refund_id=str(refund.refund_id))
            return None
        order = _order(refund, payment)
        looked_at: datetime | None = utc_now()
        answer: FoundRefund = await provider.find_refund(order) if resumed else Unknown()
        if isinstance(answer, (Unknown, NoSuchRefund)):
            if isinstance(answer, Unknown) and not steps.may_be_sent_again(refund, utc_now()):
                log.error("a provider does not tell what became of a refund; please look", refund_id=str(refund.refund_id))
                return None
            answer, looked_at = await provider.refund(order), None
        return _answered(answer, looked_at)

    async def _look(self, refund: Refund, payment: Payment) -> Step | None:
        provider, looked_at = self.providers.get(refund.provider), utc_now()
        answer: FoundRefund = Unknown() if provider is None else await provider.find_refund(_order(refund, payment))
        return None if isinstance(answer, RefundAccepted) and not answer.settled else _answered(answer, looked_at)

    async def _settle(self, refund: Refund, payment: Payment) -> Step:
        legs = steps.settling_legs(refund, payment.user_id)
        if refund.needs_hold:
            target = steps.clearing(refund)
            command = SettleHold(correlation_id=refund.correlation_id, reference=refund.reference, target=target, legs=legs)
            _done(await self.ledger.settle(command))
        else:
            _done(await self.ledger.move(self._moved(refund, payment, "settle", legs)))
        return partial(steps.settled, now=utc_now())

    def _moved(self, refund: Refund, payment: Payment, part: str, legs: tuple[Leg, ...]) -> MoveFunds:
        return MoveFunds(
            correlation_id=refund.correlation_id,
            reference=f"{refund.reference}:{part}",
            kind="refund",
            currency=refund.money.currency,
            legs=legs,
            payment_id=refund.payment_id,
            description=payment.description,
            after=payment.credit_reference,
        )

    async def _take(self, seen: Refund, step: Step) -> Refund:
        """Writes the step, unless somebody else has taken it; the refund as it is then."""
        async with transaction(self.pool) as tx:
            await payment_store.lock_payment(tx, seen.payment_id)
            before = await store.lock(tx, seen.refund_id)
            if before.state is not seen.state:
                return before
            after = step(before)
            await write(tx, before, after)
        if after.state is not before.state:
            self.relay.wake()
            _tell(after)
        return after


async def write(tx: Connection, before: Refund, after: Refund) -> None:
    """Saves the next state of a refund that is locked with its payment, counts it there, and tells who watches what is back now."""
    seconds = _PENDING_SECONDS if after.state is State.PENDING else STEP_SECONDS
    await store.save(tx, before.state, after, next_in_seconds=seconds)
    refunding_minor, refunded_minor = steps.counted(before, after)
    if refunding_minor or refunded_minor:
        payment = await store.count(tx, after.payment_id, refunding_minor, refunded_minor)
        if refunding_minor < 0:
            await dispute_store.look_now(tx, after.payment_id)
        if refunded_minor:
            await outbox.append(tx, SCHEMA, [(told.outbox_key(payment), told.updated(payment, after.correlation_id))])


def _answered(answer: FoundRefund, looked_at: datetime | None) -> Step | None:
    """`looked_at`: when it was asked for what has become of it; none: for making it."""
    match answer:
        case RefundAccepted(reference, settled):
            return partial(steps.made if settled else steps.taken, provider_reference=reference)
        case RefundDeclined(reason):
            return partial(steps.declined, reason=reason, seen_at=looked_at)
        case Unknown() | NoSuchRefund():
            return None


def _hold(refund: Refund, payment: Payment) -> ReserveFunds:
    assert refund.owner_id is not None
    return ReserveFunds(
        correlation_id=refund.correlation_id,
        reference=refund.reference,
        kind="refund",
        user_id=refund.owner_id,
        amount_minor=refund.wanted_minor,
        currency=refund.money.currency,
        up_to=refund.forced,
        payment_id=refund.payment_id,
        description=payment.description,
        after=payment.credit_reference,
    )


def _order(refund: Refund, payment: Payment) -> RefundOrder:
    assert payment.session_id is not None
    assert payment.charge_reference is not None
    return RefundOrder(
        refund_id=refund.refund_id,
        payment_id=refund.payment_id,
        session_id=payment.session_id,
        charge_reference=payment.charge_reference,
        money=refund.money,
        reason=refund.reason,
        provider_reference=refund.provider_reference,
        sent_at=refund.sent_at,
    )


def _done(answer: FundsMoved | HoldSettled | HoldReleased | Refused) -> None:
    if isinstance(answer, Refused):
        raise Contradicted(answer.code)


def _tell(refund: Refund) -> None:
    if refund.state in (State.SUCCEEDED, State.FAILED):
        ENDED.labels(refund.provider, refund.status).inc()
    log.info(
        "refund",
        state=refund.state.value,
        refund_id=str(refund.refund_id),
        payment_id=str(refund.payment_id),
        amount_minor=refund.money.amount_minor,
        currency=refund.money.currency,
        loss_minor=refund.loss_minor,
        reason=refund.failure_reason,
        correlation_id=refund.correlation_id,
    )
