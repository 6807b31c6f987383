"""What a provider tells of refunds: of those that we asked for, and of those that it made without us."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog
from prometheus_client import Counter

from services.payments.domain import refund_steps as steps
from services.payments.domain import refunds as domain
from services.payments.domain.facts import Fact, RefundTold
from services.payments.domain.payments import Payment, Status
from services.payments.domain.refund_steps import Told
from services.payments.domain.refunds import State
from services.payments.handlers import refund_saga
from services.payments.store import audit
from services.payments.store import disputes as dispute_store
from services.payments.store import payments as payment_store
from services.payments.store import refunds as store
from services.payments.store import suspense as suspense_store
from shared.contracts.base import new_id, utc_now
from shared.delivery.errors import NotYet
from shared.postgres import Connection

log = structlog.get_logger(__name__)

ELSEWHERE: Final = Counter("purser_refunds_elsewhere_total", "Refunds that a provider made without being asked by us", ["provider"])


@dataclass(frozen=True, slots=True)
class RefundFacts:
    async def follow(self, tx: Connection, fact: Fact, payment: Payment | None, correlation_id: str) -> str:
        """Writes down what it means; the saga does the rest. NotYet while what it belongs to is under way."""
        assert isinstance(fact, RefundTold)
        if payment is None:
            # What carries no reference of ours is somebody else's, who shares the account at the provider.
            ours = fact.session_id is not None or fact.refund_id is not None
            return "unknown_reference" if ours else "ignored"
        # As it is now: another event of the same batch may have changed what is on its way back.
        payment = await payment_store.lock_payment(tx, payment.payment_id)
        if payment is None or not (payment.status is Status.COMPLETED or await _waits_for_no_payment(tx, fact, payment)):
            raise NotYet("the payment is not known to be paid")
        refund = await store.lock_told(tx, payment.payment_id, fact.refund_id, fact.provider_reference)
        if refund is None and fact.refund_id is not None:
            # Perhaps of money in suspense: when it is declined, somebody decides again, and it is forgotten.
            return "unknown_refund" if fact.outcome != "failed" else Told.UNCHANGED.value
        decision = Told.ELSEWHERE if refund is None else steps.tell(refund, fact)
        if not isinstance(decision, Told):
            assert refund is not None
            await refund_saga.write(tx, refund, decision)
            if decision.state is not State.PENDING:
                await store.look_again(tx, decision.refund_id, in_seconds=0)
            moved = decision.state is not refund.state or decision.failure_reason != refund.failure_reason
            return "applied" if moved else Told.UNCHANGED.value
        match decision:
            case Told.EARLY:
                raise NotYet("the refund's earlier step is under way")
            case Told.ELSEWHERE if fact.outcome == "succeeded":
                return await self._made_elsewhere(tx, fact, payment, correlation_id)
            case Told.ELSEWHERE if fact.outcome == "failed":
                return await self._failed_elsewhere(tx, fact, payment, correlation_id)
            case Told.ELSEWHERE:
                return Told.UNCHANGED.value
            case _:
                return decision.value

    async def _made_elsewhere(self, tx: Connection, fact: RefundTold, payment: Payment, correlation_id: str) -> str:
        """The money has left: it is booked like a forced refund, and whoever runs the place is told."""
        if fact.money.currency != payment.money.currency:
            return "currency_mismatch"
        if await store.is_asked_for(tx, payment.payment_id, fact.money.amount_minor):
            raise NotYet("this may be the refund that is being asked for")
        if fact.money.amount_minor > domain.left_minor(payment) and payment.refunding_minor:
            raise NotYet("refunds under way stand in its place; the provider will decline them")
        given_back_minor = await store.fee_given_back_minor(tx, payment.payment_id)
        # What disputes have taken nobody gives twice; and what another charge brought is not the payment's owner's.
        takeable_minor = domain.left_minor(payment) - await dispute_store.borne_minor(tx, payment.payment_id)
        if await suspense_store.lock_other_charge(tx, payment, fact.charge_reference) is not None:
            takeable_minor = 0
        now = utc_now()
        refund = domain.made_elsewhere(
            payment, fact, new_id(), given_back_minor, takeable_minor=takeable_minor, correlation_id=correlation_id, now=now
        )
        try:
            await store.insert(tx, refund, next_in_seconds=0)
        except store.ReferenceReused:
            return Told.MISMATCH.value
        await store.count(tx, payment.payment_id, refund.money.amount_minor, 0)
        await audit.write_down(
            tx,
            actor="system",
            action="refund.elsewhere",
            resource=f"refund:{refund.refund_id}",
            request_id=correlation_id,
            payment_id=payment.payment_id,
            amount_minor=refund.told_minor,
            excess_minor=refund.excess_minor,
            currency=refund.money.currency,
            reference=fact.provider_reference,
        )
        ELSEWHERE.labels(payment.provider).inc()
        log.error(
            "a provider refunded what nobody asked for here; it is booked, please look",
            provider=payment.provider,
            payment_id=str(payment.payment_id),
            refund_id=str(refund.refund_id),
            reference=fact.provider_reference,
            amount_minor=refund.told_minor,
            excess_minor=refund.excess_minor,
            currency=refund.money.currency,
            correlation_id=correlation_id,
        )
        return "applied"

    async def _failed_elsewhere(self, tx: Connection, fact: RefundTold, payment: Payment, correlation_id: str) -> str:
        """Nothing has to be booked. But it is remembered: word of its success may come only now, and is older."""
        if fact.money.currency != payment.money.currency:
            return "currency_mismatch"
        refund = domain.failed_elsewhere(payment, fact, new_id(), correlation_id=correlation_id, now=utc_now())
        await store.insert(tx, refund, next_in_seconds=None)
        return "applied"


async def _waits_for_no_payment(tx: Connection, fact: RefundTold, payment: Payment) -> bool:
    """What we ask for, we ask for when it is paid; and what is made at the provider's own site may be of a charge that is in suspense."""
    return fact.refund_id is not None or await suspense_store.lock_other_charge(tx, payment, fact.charge_reference) is not None
