"""The money of suspense items on its way: into the book, and out of suspense as it was decided; every step can be taken again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

import structlog
from prometheus_client import Counter

from services.payments.domain import suspense as domain
from services.payments.domain.facts import DisputeTold, Fact, RefundTold
from services.payments.domain.payments import Payment
from services.payments.domain.suspense import Decided, Item
from services.payments.handlers.kept_apart import alert
from services.payments.handlers.settlement import Follow
from services.payments.ledger import Silent
from services.payments.providers.base import NoSuchRefund, RefundAccepted, RefundAnswer, RefundDeclined, RefundOrder, Refunds, Unknown
from services.payments.store import audit, due
from services.payments.store import disputes as dispute_store
from services.payments.store import payments as payment_store
from services.payments.store import refunds as refund_store
from services.payments.store import suspense as store
from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_commands import Refused
from shared.contracts.wallet_commands import FundsMoved, MoveFunds
from shared.delivery.errors import NotYet
from shared.postgres import Connection, Pool, connection, transaction

log = structlog.get_logger(__name__)

SETTLED: Final = Counter("purser_suspense_settled_total", "Suspense items by what became of them", ["provider", "outcome"])


class Moves(Protocol):
    """What is asked of ledger.Ledger. Silent: it may or may not have been done."""

    async def move(self, command: MoveFunds) -> FundsMoved | Refused: ...


class Contradicted(Exception):
    """Wallet refuses what the item's own history makes necessary: somebody has to look, and it is tried again until then."""


@dataclass(frozen=True, slots=True)
class SuspenseSaga:
    """`refunds`: the providers that can send money back."""

    pool: Pool
    ledger: Moves
    refunds: Mapping[str, Refunds]

    @property
    def name(self) -> str:
        return "suspense"

    async def take_due(self, limit: int) -> Sequence[UUID]:
        async with transaction(self.pool) as tx:
            return await due.take_due(tx, "suspense_items", limit)

    async def advance(self, saga_id: UUID) -> None:
        await self.go_on(saga_id)

    async def go_on(self, item_id: UUID) -> str | None:
        """Takes as many steps as can be taken now; why the provider has declined to send it back, if it has just now."""
        async with connection(self.pool) as db:
            item = await store.find(db, item_id)
        if item is None or item.status != "open":
            return None
        try:
            if not item.received:
                item = await self._receive(item)
            return None if item.decided is None else await self._leave(item, item.decided)
        except Silent as silence:
            log.info("suspense item waits", item_id=str(item_id), waits_for=str(silence), correlation_id=item.correlation_id)
            return None

    async def _receive(self, item: Item) -> Item:
        await self._move(item, domain.received(item))
        async with transaction(self.pool) as tx:
            await store.note_received(tx, item.item_id)
            received = await store.find(tx, item.item_id)
        assert received is not None
        return received

    async def _leave(self, item: Item, decided: Decided) -> str | None:
        if decided.decision == "refund" and item.refund_state != "settled":
            match await self._refund(item, decided):
                case RefundAccepted(reference, settled):
                    async with transaction(self.pool) as tx:
                        noted = await store.note_refund(tx, decided.decision_id, "settled" if settled else "pending", reference)
                    if not (settled and noted):
                        return None
                case RefundDeclined(reason):
                    return reason if await self._declined(item, reason) else None
                case Unknown():
                    return None
        await self._move(item, domain.left(item, decided, await self._paid_by(decided)))
        async with transaction(self.pool) as tx:
            settled = await store.settle(tx, item)
        if settled:
            SETTLED.labels(item.provider, decided.decision).inc()
            log.info("suspense item settled", item_id=str(item.item_id), decision=decided.decision, correlation_id=item.correlation_id)
        return None

    async def _refund(self, item: Item, decided: Decided) -> RefundAnswer:
        """Sent once: whoever may have sent it before asks first; what the provider has taken is not sent again. No transaction is open."""
        provider = self.refunds[item.provider]
        order = RefundOrder(
            refund_id=decided.decision_id,
            # A charge of nothing of ours has no payment: the item stands in its place.
            payment_id=item.payment_id or item.item_id,
            session_id=item.session_id,
            charge_reference=item.charge_reference,
            money=item.money,
            reason=decided.reason or item.reason,
            provider_reference=item.refund_reference,
            sent_at=item.refund_sent_at,
        )
        if item.refund_state is not None:
            answer = await provider.find_refund(order)
            if not isinstance(answer, (Unknown, NoSuchRefund)):
                return answer
            if item.refund_state == "pending":
                return Unknown()
            if isinstance(answer, Unknown) and not domain.may_be_sent_again(item, utc_now()):
                log.error("a provider does not tell what became of a suspense item's refund; please look", item_id=str(item.item_id))
                return answer
        if item.refund_state is None:
            async with transaction(self.pool) as tx:
                await store.note_refund(tx, decided.decision_id, "sent", None)
        return await provider.refund(order)

    async def _declined(self, item: Item, reason: str) -> bool:
        async with transaction(self.pool) as tx:
            reopened = await store.reopen(tx, item)
        log.warning("refund of a suspense item declined", item_id=str(item.item_id), reason=reason, correlation_id=item.correlation_id)
        return reopened

    async def _paid_by(self, decided: Decided) -> Payment | None:
        if decided.payment_id is None:
            return None
        async with connection(self.pool) as db:
            return await payment_store.find_payment(db, decided.payment_id)

    async def _move(self, item: Item, command: MoveFunds) -> None:
        answer = await self.ledger.move(command)
        if isinstance(answer, Refused):
            raise Contradicted(f"{command.reference}: {answer.code}")

    async def follow(self, tx: Connection, told: RefundTold, payment: Payment | None, correlation_id: str) -> str | None:
        """What a provider tells later of an item's refund, written down; None: it is no item's, or only a part of one that is a payment's.
        `payment`: of the session that it names."""
        if told.refund_id is not None:
            item = await store.lock_refunded_by(tx, told.refund_id)
        elif payment is not None:
            item = await store.lock_other_charge(tx, payment, told.charge_reference)
        elif told.session_id is not None and told.charge_reference is not None:
            item = await store.lock_kept(tx, told.session_id, told.charge_reference)
        else:
            item = None
        if item is None:
            return None
        if told.refund_id is not None or item.refund_reference == told.provider_reference:
            return await self._refund_told(tx, item, told)
        known = payment is not None and await _is_known(tx, payment, told)
        if item.decided is None and told.outcome == "succeeded" and told.money == item.money and not known:
            return await self._refunded_elsewhere(tx, item, told, correlation_id)
        if payment is not None:
            return None
        # Nothing is there to book it with: an operator has to know, and no repeat will change that.
        return "taken_from_suspense" if told.outcome == "succeeded" else "unchanged"

    async def disputed(self, tx: Connection, told: DisputeTold, payment: Payment | None, correlation_id: str) -> str | None:
        """A dispute takes an item's money as a refund at the provider's own site does, and brings it back when it is won; as `follow`."""
        as_refund = RefundTold(
            session_id=told.session_id,
            refund_id=None,
            provider_reference=told.dispute_reference,
            money=told.money,
            outcome="failed" if told.event == "won" else "succeeded",
            happened_at=told.happened_at,
            reason="a dispute took it",
            charge_reference=told.charge_reference,
        )
        return await self.follow(tx, as_refund, payment, correlation_id)

    async def _refund_told(self, tx: Connection, item: Item, told: RefundTold) -> str:
        assert item.decided is not None
        if told.outcome == "failed" and item.status == "open":
            if item.refund_state == "settled":
                raise NotYet("its settling is under way")
            return "applied" if await store.reopen(tx, item) else "unchanged"
        if told.outcome == "failed":
            back = domain.come_back(item, "refund_failed", utc_now())
            opened = await store.insert_items(tx, [back])
            alert(opened)
            return "applied" if opened else "unchanged"
        if item.status != "open" or told.outcome == "pending":
            return "unchanged"
        noted = await store.note_refund(tx, item.decided.decision_id, "settled", told.provider_reference)
        await store.look_now(tx, item.item_id)
        return "applied" if noted else "unchanged"

    async def _refunded_elsewhere(self, tx: Connection, item: Item, told: RefundTold, correlation_id: str) -> str:
        """Somebody sent it back at the provider's own site: nothing is left to decide."""
        reason = told.reason[:500] or "made at the provider's own site"
        decided = Decided("refund", new_id(), domain.BY_RULE, utc_now(), reason=reason)
        await store.decide(tx, item.item_id, decided, next_in_seconds=0)
        await store.note_refund(tx, decided.decision_id, "settled", told.provider_reference)
        await audit.write_down(
            tx,
            actor=decided.by,
            action="suspense.refund",
            resource=item.reference,
            request_id=correlation_id,
            provider=item.provider,
            charge_reference=item.charge_reference,
            amount_minor=item.money.amount_minor,
            currency=item.money.currency,
            reference=told.provider_reference,
            reason=reason,
        )
        return "applied"


async def _is_known(tx: Connection, payment: Payment, told: RefundTold) -> bool:
    """Is it a refund or a dispute of the (locked) payment already, since its end was told before its beginning?"""
    refund = await refund_store.lock_told(tx, payment.payment_id, None, told.provider_reference)
    disputes = await dispute_store.lock_of_payment(tx, payment.payment_id)
    return refund is not None or any(one.dispute_reference == told.provider_reference for one in disputes)


@dataclass(frozen=True, slots=True)
class RefundsToldOf:
    """Refunds of suspense items are told of as refunds of payments are: the items' come out here, all others go on to `otherwise`."""

    suspense: SuspenseSaga
    otherwise: Follow

    async def follow(self, tx: Connection, fact: Fact, payment: Payment | None, correlation_id: str) -> str:
        assert isinstance(fact, RefundTold)
        outcome = await self.suspense.follow(tx, fact, payment, correlation_id)
        return await self.otherwise(tx, fact, payment, correlation_id) if outcome is None else outcome


@dataclass(frozen=True, slots=True)
class DisputesToldOf:
    """Likewise disputes: those over charges that are kept in suspense come out here."""

    suspense: SuspenseSaga
    otherwise: Follow

    async def follow(self, tx: Connection, fact: Fact, payment: Payment | None, correlation_id: str) -> str:
        assert isinstance(fact, DisputeTold)
        outcome = await self.suspense.disputed(tx, fact, payment, correlation_id)
        return await self.otherwise(tx, fact, payment, correlation_id) if outcome is None else outcome
