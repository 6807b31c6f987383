"""Settling what providers say: raw events stored once, payments moved under their locks, `payment.completed` appended, in one transaction
a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from prometheus_client import Counter

from services.payments import domain, store
from services.payments.domain import Declined, Irrelevant, Mismatch, Moved, Paid, Payment, Status, Unchanged
from services.payments.providers.base import Open, Provider, ProviderEvent, Told, Unknown
from services.payments.store import SCHEMA, StoredEvent
from shared.contracts.base import utc_now
from shared.contracts.payment_events import PaymentCompleted, ProviderEventReceived
from shared.delivery import outbox
from shared.delivery.errors import Permanent
from shared.delivery.failures import Failure
from shared.delivery.relay import Relay
from shared.postgres import Pool, transaction
from shared.waiting import Waiters

log = structlog.get_logger(__name__)

SETTLED = Counter("purser_provider_events_total", "Provider events by what came of them", ["provider", "outcome"])


@dataclass(frozen=True, slots=True)
class _Read:
    """A message whose event could be read."""

    message: ProviderEventReceived
    event: ProviderEvent

    @property
    def session_id(self) -> UUID | None:
        return None if isinstance(self.event.fact, Irrelevant) else self.event.fact.session_id


@dataclass(frozen=True, slots=True)
class Settlement:
    pool: Pool
    providers: Mapping[str, Provider]
    relay: Relay
    waiters: Waiters[UUID]

    async def handle(self, events: Sequence[ProviderEventReceived]) -> Sequence[Failure]:
        """One transaction for the batch; an event that no adapter can read fails alone."""
        reads, failures = self._read(events)
        if not reads:
            return failures
        noted: list[tuple[_Read, str]] = []
        moved: dict[UUID, tuple[Payment, str]] = {}
        async with transaction(self.pool) as tx:
            payments = await store.lock_by_session(tx, [r.session_id for r in reads if r.session_id is not None])
            new = await store.insert_events(tx, [_stored(read, payments) for read in reads])
            for read in reads:
                key = (read.message.provider, read.event.event_id)
                if key not in new:
                    noted.append((read, "duplicate"))
                    continue
                new.discard(key)  # the same event twice in one batch is applied once
                outcome = _apply(read, payments, moved)
                noted.append((read, outcome))
            outcomes = [(r.message.provider, r.event.event_id, outcome) for r, outcome in noted if outcome not in ("applied", "duplicate")]
            await store.note_outcomes(tx, outcomes)
            await store.save_settled(tx, [payment for payment, _ in moved.values()])
            await outbox.append(tx, SCHEMA, [(p.user_id, _completed(p, cid)) for p, cid in moved.values() if p.status is Status.COMPLETED])
        if moved:
            self.relay.wake()
            self.waiters.wake(payment.payment_id for payment, _ in moved.values())
        for read, outcome in noted:
            _tell(read, outcome, payments)
        return failures

    async def settle_told(self, told: Told, payment: Payment) -> None:
        """What a provider answered when it was asked, through the same decision and out of the same outbox as its events."""
        if isinstance(told, Unknown) or (isinstance(told, Open) and not told.expired) or payment.session_id is None:
            return
        async with transaction(self.pool) as tx:
            locked = (await store.lock_by_session(tx, [payment.session_id]))[payment.session_id]
            decision = domain.expire(locked, utc_now()) if isinstance(told, Open) else domain.settle(locked, told)
            if isinstance(decision, Mismatch):
                log.error(
                    "what the provider tells does not fit",
                    reason=decision.reason,
                    provider=locked.provider,
                    payment_id=str(locked.payment_id),
                    correlation_id=locked.correlation_id,
                )
                SETTLED.labels(locked.provider, decision.reason).inc()
            if not isinstance(decision, Moved):
                return
            moved = decision.payment
            await store.save_settled(tx, [moved])
            if moved.status is Status.COMPLETED:
                await outbox.append(tx, SCHEMA, [(moved.user_id, _completed(moved, moved.correlation_id))])
        self.relay.wake()
        self.waiters.wake([moved.payment_id])
        log.info("reconciled", payment_id=str(moved.payment_id), status=moved.status.value, correlation_id=moved.correlation_id)

    def _read(self, events: Sequence[ProviderEventReceived]) -> tuple[list[_Read], list[Failure]]:
        reads: list[_Read] = []
        failures: list[Failure] = []
        for index, message in enumerate(events):
            provider = self.providers.get(message.provider)
            try:
                if provider is None:
                    raise Permanent(f"no provider {message.provider}")
                reads.append(_Read(message, provider.read_event(message.headers, message.body)))
            except Permanent as error:
                failures.append(Failure(index, error))
        return reads, failures


def _apply(read: _Read, payments: dict[UUID, Payment], moved: dict[UUID, tuple[Payment, str]]) -> str:
    """Decides one event against the locked payments (updated in place, so that the next event of the batch sees it); the outcome's name."""
    fact = read.event.fact
    if isinstance(fact, Irrelevant):
        return "ignored"
    assert isinstance(fact, (Paid, Declined))
    match domain.settle(payments.get(fact.session_id), fact):
        case Moved(payment):
            payments[fact.session_id] = payment
            moved[payment.payment_id] = (payment, read.message.correlation_id)
            return "applied"
        case Unchanged():
            return "unchanged"
        case Mismatch(reason):
            return reason


def _stored(read: _Read, payments: Mapping[UUID, Payment]) -> StoredEvent:
    payment = payments.get(read.session_id) if read.session_id is not None else None
    message = read.message
    return StoredEvent(
        provider=message.provider,
        event_id=read.event.event_id,
        headers=message.headers,
        body=message.body,
        payment_id=None if payment is None else payment.payment_id,
        correlation_id=message.correlation_id,
        received_at=message.occurred_at,
    )


def _completed(payment: Payment, correlation_id: str) -> PaymentCompleted:
    assert payment.credit_reference is not None
    assert payment.completed_at is not None
    return PaymentCompleted(
        correlation_id=correlation_id,
        payment_id=payment.payment_id,
        user_id=payment.user_id,
        provider=payment.provider,
        amount_minor=payment.money.amount_minor,
        currency=payment.money.currency,
        credit_reference=payment.credit_reference,
        description=payment.description,
        completed_at=payment.completed_at,
    )


def _tell(read: _Read, outcome: str, payments: Mapping[UUID, Payment]) -> None:
    SETTLED.labels(read.message.provider, outcome).inc()
    payment = payments.get(read.session_id) if read.session_id is not None else None
    say = log.info if outcome in ("applied", "duplicate", "unchanged", "ignored") else log.error
    say(
        "provider event",
        outcome=outcome,
        provider=read.message.provider,
        event_id=read.event.event_id,
        payment_id=None if payment is None else str(payment.payment_id),
        status=None if payment is None else payment.status.value,
        correlation_id=read.message.correlation_id,
    )
