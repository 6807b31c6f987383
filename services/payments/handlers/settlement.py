"""Settling what providers say: raw events stored once, payments moved under their locks, `payment.completed` appended, in one transaction
a batch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Counter

from services.payments.domain import payments as domain
from services.payments.domain import suspense
from services.payments.domain.facts import Closed, Declined, Fact, Irrelevant, Look, Paid, PayoutTold
from services.payments.domain.orders import Matched
from services.payments.domain.payments import Decision, Mismatch, Moved, Payment, Status, Unchanged
from services.payments.domain.suspense import Item
from services.payments.handlers import told
from services.payments.handlers.kept_apart import alert
from services.payments.handlers.locked import Locked, write_matched
from services.payments.handlers.named import with_sessions
from services.payments.providers.base import BeingPaid, Canceled, Ended, Open, Provider, ProviderEvent, Told, Unknown
from services.payments.store import events as event_store
from services.payments.store import orders as order_store
from services.payments.store import payments as store
from services.payments.store import provider_sessions
from services.payments.store import suspense as suspense_store
from services.payments.store.events import StoredEvent
from services.payments.store.payments import SCHEMA
from shared.contracts.base import utc_now
from shared.contracts.payment_events import ProviderEventReceived
from shared.delivery import outbox
from shared.delivery.errors import NotYet, Permanent
from shared.delivery.failures import Failure
from shared.delivery.relay import Relay
from shared.postgres import Connection, Pool, transaction
from shared.sealing import Seal
from shared.waiting import Waiters

log = structlog.get_logger(__name__)

WATCHED_FOR: Final = timedelta(days=1)
"""How long a session that its provider cannot end is asked about after it is over on our side."""

SETTLED = Counter("purser_provider_events_total", "Provider events by what came of them", ["provider", "outcome"])

_QUIET: Final = frozenset({"applied", "matched", "duplicate", "unchanged", "ignored", "asked"})

Follow = Callable[[Connection, Fact, Payment | None, str], Awaitable[str]]
"""Writes down what a fact about a refund, a payout or a dispute means, in the transaction that stores its event: the payment it belongs to
comes locked, the text is the correlation id. Gives the outcome's name; NotYet when what it belongs to is still on its way."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A message whose event could be read."""

    message: ProviderEventReceived
    event: ProviderEvent

    @property
    def session_id(self) -> UUID | None:
        fact = self.event.fact
        return None if isinstance(fact, (Irrelevant, PayoutTold)) else fact.session_id


@dataclass(slots=True)
class _Batch:
    """What the events of a batch have come to so far: payments that moved (with the correlation id of what moved them) and are to be
    written, or are already, those of marked orders, and money that is kept apart."""

    moved: dict[UUID, tuple[Payment, str]] = field(default_factory=dict)
    written: list[Payment] = field(default_factory=list)
    matched: dict[UUID, Payment] = field(default_factory=dict)
    kept: list[Item] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Settlement:
    """`follow`: who writes down the facts about what comes after the paying; `on_followed`: told when one of them has, or an order is
    due."""

    pool: Pool
    providers: Mapping[str, Provider]
    relay: Relay
    waiters: Waiters[UUID]
    seal: Seal
    follow: Mapping[type[Fact], Follow] = field(default_factory=dict)
    on_followed: Callable[[], None] = lambda: None

    async def handle(self, events: Sequence[ProviderEventReceived]) -> Sequence[Failure]:
        """One transaction for the batch; an event that no adapter can read fails alone."""
        reads, failures = self._read(events)
        try:
            if reads:
                await self._handle(reads)
        except NotYet:
            if len(reads) == 1:
                await self._ask_about(reads[0])
            raise
        return failures

    async def _handle(self, reads: list[_Read]) -> None:
        noted: list[tuple[_Read, str]] = []
        batch = _Batch()
        async with transaction(self.pool) as tx:
            facts = await with_sessions(tx, [(read.message.provider, read.event.fact) for read in reads])
            reads = [replace(read, event=replace(read.event, fact=fact)) for read, fact in zip(reads, facts, strict=True)]
            proofs = [read.event.fact for read in reads if isinstance(read.event.fact, Paid)]
            locked = await Locked.of(tx, [r.session_id for r in reads if r.session_id is not None], proofs)
            payments = locked.payments
            new = await event_store.insert_events(tx, self.seal, [_stored(read, payments) for read in reads])
            for read in reads:
                key = (read.message.provider, read.event.event_id)
                if key not in new:
                    noted.append((read, "duplicate"))
                    continue
                new.discard(key)  # the same event twice in one batch is applied once
                outcome = await self._apply(tx, read, locked, batch)
                noted.append((read, outcome))
            outcomes = [(r.message.provider, r.event.event_id, outcome) for r, outcome in noted if outcome not in ("applied", "duplicate")]
            await event_store.note_outcomes(tx, outcomes)
            await self.write(tx, list(batch.moved.values()))
            await write_matched(tx, list(batch.matched.values()))
            opened = await suspense_store.insert_items(tx, batch.kept)
        self.wake([*batch.written, *(payment for payment, _ in batch.moved.values())])
        if opened or any(type(read.event.fact) in self.follow for read in reads):
            self.on_followed()
        alert(opened)
        for read, outcome in noted:
            _tell(read, outcome, payments)

    async def _ask_about(self, read: _Read) -> None:
        """What goes back is told of before it is known that it had come: the word of that may have been lost, and the session be over."""
        async with transaction(self.pool) as tx:
            (fact,) = await with_sessions(tx, [(read.message.provider, read.event.fact)])
            if (session_id := replace(read, event=replace(read.event, fact=fact)).session_id) is not None:
                await provider_sessions.look_now(tx, session_id, read.message.provider)

    async def settle_told(self, told: Told, payment: Payment) -> None:
        """What a provider answered when it was asked, through the same decision and out of the same outbox as its events."""
        if isinstance(told, Unknown) or (isinstance(told, Open) and not told.expired):
            return

        def decide(locked: Locked, current: Payment) -> Decision | Matched:
            return domain.expire(current, utc_now()) if isinstance(told, Open) else locked.settle(told)

        await self._settle(payment, told, decide)

    async def settle_ended(self, ended: Ended, payment: Payment, *, expired: bool) -> None:
        """What came of ending the session at the provider, because it is over (`expired`) or was given up."""
        if isinstance(ended, (Unknown, BeingPaid)):
            return
        close = domain.expire if expired else domain.cancel

        def decide(locked: Locked, current: Payment) -> Decision | Matched:
            return close(current, utc_now()) if isinstance(ended, (Canceled, Closed)) else locked.settle(ended)

        await self._settle(payment, ended, decide)

    async def _settle(self, payment: Payment, told: Told | Ended, decide: Callable[[Locked, Payment], Decision | Matched]) -> None:
        if payment.session_id is None:
            return
        async with transaction(self.pool) as tx:
            locked = await Locked.of(tx, [payment.session_id], [told] if isinstance(told, Paid) else [])
            current = locked.payments[payment.session_id]
            decision = decide(locked, current)
            kept = _kept(told, decision, current, current.provider, current.correlation_id)
            opened = await suspense_store.insert_items(tx, kept)
            if isinstance(decision, Mismatch):
                SETTLED.labels(current.provider, decision.reason).inc()
                if current.told_at(utc_now()) == Status.EXPIRED:
                    # The money is kept in suspense; nobody waits for the session any more.
                    decision = domain.expire(current, utc_now())
            if isinstance(decision, Matched):
                await write_matched(tx, [decision.payment])
            moved = [decision.payment] if isinstance(decision, Moved) else []
            await self.write(tx, [(payment, payment.correlation_id) for payment in moved])
            if isinstance(told, Canceled) and told.still_payable:
                await provider_sessions.watch(tx, payment.payment_id, utc_now() + WATCHED_FOR)
        self.wake(moved)
        if opened:
            self.on_followed()
        alert(opened)
        for payment in moved:
            log.info("reconciled", payment_id=str(payment.payment_id), status=payment.status.value, correlation_id=payment.correlation_id)

    async def write(self, tx: Connection, moved: Sequence[tuple[Payment, str]]) -> None:
        """Payments that moved, each with the correlation id of what moved it, the orders that they pay, and what the others are told."""
        await store.save_settled(tx, [payment for payment, _ in moved])
        completed = _orders_of([payment for payment, _ in moved])
        if completed:
            await order_store.mark_paid(tx, completed)
        await outbox.append(tx, SCHEMA, [told.moved(payment, correlation_id) for payment, correlation_id in moved])

    def wake(self, moved: Sequence[Payment]) -> None:
        """To be called once what `write` wrote is committed."""
        if moved:
            self.relay.wake()
            # Whoever waits has named the payment by its own id or by its session's.
            self.waiters.wake(name for payment in moved for name in (payment.payment_id, payment.session_id) if name is not None)
        if _orders_of(moved):
            self.on_followed()

    async def _apply(self, tx: Connection, read: _Read, locked: Locked, batch: _Batch) -> str:
        """Decides one event against what is locked (and taken note of there, so that the next event of the batch sees it); the outcome's
        name."""
        fact, message = read.event.fact, read.message
        payment = locked.payments.get(read.session_id) if read.session_id is not None else None
        if payment is not None and payment.provider != message.provider:
            payment = None  # another provider's word is no proof for it
        if isinstance(fact, Look):
            return await self._look(tx, payment)
        if not isinstance(fact, (Paid, Declined, Closed)):
            if (follow := self.follow.get(type(fact))) is None:
                return "ignored"
            if payment is not None and payment.payment_id in batch.moved:
                # What follows the paying is written beside it, so the paying has to be there.
                await self.write(tx, [batch.moved.pop(payment.payment_id)])
                batch.written.append(payment)
            return await follow(tx, fact, payment, message.correlation_id)
        decision = domain.settle(None, fact) if payment is None else locked.settle(fact)
        batch.kept += _kept(fact, decision, payment, message.provider, message.correlation_id)
        match decision:
            case Moved(payment):
                batch.moved[payment.payment_id] = (payment, message.correlation_id)
                return "applied"
            case Matched(payment):
                batch.matched[payment.payment_id] = payment
                return "matched"
            case Unchanged():
                return "unchanged"
            case Mismatch(reason):
                return reason

    async def _look(self, tx: Connection, payment: Payment | None) -> str:
        """The event does not decide it: its provider is asked, by the reconciler, at once."""
        if payment is None or payment.session_id is None:
            return "ignored"
        await provider_sessions.look_now(tx, payment.session_id, payment.provider)
        return "asked"

    def _read(self, events: Sequence[ProviderEventReceived]) -> tuple[list[_Read], list[Failure]]:
        reads: list[_Read] = []
        failures: list[Failure] = []
        for index, message in enumerate(events):
            provider = self.providers.get(message.provider)
            if provider is None:
                # Gateway has its secret already, or still: what it tells is read once its credentials are here, too.
                failures.append(Failure(index, NotYet(f"no provider {message.provider}")))
                continue
            try:
                reads.append(_Read(message, provider.read_event(message.headers, message.body)))
            except Permanent as error:
                failures.append(Failure(index, error))
        return reads, failures


def _kept(fact: Told | Ended, decision: Decision | Matched, payment: Payment | None, provider: str, correlation_id: str) -> list[Item]:
    """The money of a proof that has found no place, if there is any."""
    if not isinstance(fact, Paid) or isinstance(decision, Matched):
        return []
    item = suspense.kept(fact, decision, payment, provider, correlation_id, utc_now())
    return [] if item is None else [item]


def _orders_of(moved: Sequence[Payment]) -> list[Payment]:
    """Those that complete an order."""
    return [payment for payment in moved if payment.order_id is not None and payment.status is Status.COMPLETED]


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


def _tell(read: _Read, outcome: str, payments: Mapping[UUID, Payment]) -> None:
    SETTLED.labels(read.message.provider, outcome).inc()
    payment = payments.get(read.session_id) if read.session_id is not None else None
    say = log.info if outcome in _QUIET else log.error
    say(
        "provider event",
        outcome=outcome,
        provider=read.message.provider,
        event_id=read.event.event_id,
        payment_id=None if payment is None else str(payment.payment_id),
        status=None if payment is None else payment.status.value,
        correlation_id=read.message.correlation_id,
    )
