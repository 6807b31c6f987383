"""A refund's beginning: it is written down and counted with its payment, taken as far as it goes at once, and answered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from services.payments.domain import refunds as domain
from services.payments.domain import refusals
from services.payments.domain.payments import PAID_FROM_BALANCE, Payment
from services.payments.domain.refunds import Asked, Refund, State
from services.payments.handlers.once import Once, check_deadline
from services.payments.handlers.refund_saga import AGAIN_SECONDS, STEP_SECONDS, Contradicted, RefundSaga
from services.payments.store import audit
from services.payments.store import payments as payment_store
from services.payments.store import refunds as store
from shared.contracts.base import utc_now
from shared.contracts.payment_commands import CommandReply, InProgress, Refused
from shared.contracts.refunds import RefundMade, RefundPayment
from shared.postgres import Connection, Pool, transaction
from shared.sealing import Seal

log = structlog.get_logger(__name__)

RefundReply = CommandReply[RefundMade]

_AT_ONCE_SECONDS: Final = 8.0
"""How long the steps are taken while the caller waits; then the saga goes on alone."""

_ANSWERABLE: Final = frozenset({State.PENDING, State.SUCCEEDED, State.REVERSING, State.FAILED})


@dataclass(frozen=True, slots=True)
class RefundRequests:
    pool: Pool
    answers: Seal
    saga: RefundSaga

    async def request(self, command: RefundPayment) -> RefundReply:
        """Makes the refund once per key and answers when the provider has; InProgress when it, or wallet, is slow to tell."""
        once: Once[RefundMade] = Once(self.pool, self.answers, RefundReply)

        async def work(tx: Connection, first_id: UUID | None) -> UUID | RefundReply:
            refund_id = first_id or command.refund_id
            # Locked first: the same command, delivered twice at once, finds here what it made before.
            payment_id = _uuid(command.payment_id)
            payment = None if payment_id is None else await payment_store.lock_payment(tx, payment_id)
            known = await store.find(tx, refund_id)
            if isinstance(known, store.RefusedRequest):
                return once.reply(known.refusal)
            if known is None:
                check_deadline(command)
                refusal = await self._write_down(tx, command, refund_id, payment)
                if refusal is not None:
                    return once.reply(refusal)
            return refund_id

        begun = await once.begin(command, work, resource_id=command.refund_id)
        if isinstance(begun, CommandReply):
            return begun
        try:
            async with asyncio.timeout(_AT_ONCE_SECONDS):
                await self.saga.advance(begun)
        except (TimeoutError, Contradicted) as error:
            # It is written down: the saga goes on alone, and says aloud what stands against it.
            log.warning("refund goes on alone", refund_id=str(begun), error=repr(error), correlation_id=command.correlation_id)
        async with transaction(self.pool) as tx:
            return await once.keep(tx, command, once.reply(await self._answer(tx, begun)))

    async def _write_down(self, tx: Connection, command: RefundPayment, refund_id: UUID, payment: Payment | None) -> Refused | None:
        """Writes the refund, or why there is none: for whoever polls it, and as the answer."""
        begun = await self._begin(tx, payment, _asked(command, refund_id))
        if isinstance(begun, Refund):
            try:
                await store.insert(tx, begun, next_in_seconds=STEP_SECONDS)
            except store.ExternalIdReused:
                begun = refusals.external_id_reused(command.correlation_id)
            except store.ReferenceReused:
                begun = domain.reference_reused(command.correlation_id)
        if isinstance(begun, Refused):
            # Whoever may not know of the payment is told of none.
            told_of = None if begun.code == "payment_not_found" or payment is None else payment.payment_id
            asker = {"requested_by": command.requested_by, "caller": command.idempotency.caller}
            await store.insert_refused(tx, refund_id, told_of, begun, **asker)
            return begun
        await store.count(tx, begun.payment_id, begun.money.amount_minor, 0)
        await audit.write_down(
            tx,
            actor=f"user:{command.requested_by}",
            action="refund.record" if begun.origin == "manual" else "refund.force" if begun.forced else "refund.request",
            resource=f"refund:{refund_id}",
            request_id=command.correlation_id,
            payment_id=begun.payment_id,
            amount_minor=begun.money.amount_minor,
            currency=begun.money.currency,
            reason=begun.reason,
            reference=begun.provider_reference,
        )
        return None

    async def _begin(self, tx: Connection, payment: Payment | None, asked: Asked) -> Refund | Refused:
        if payment is None:
            return refusals.payment_not_found(asked.correlation_id)
        given_back_minor = await store.fee_given_back_minor(tx, payment.payment_id)
        sendable = payment.provider == PAID_FROM_BALANCE or payment.provider in self.saga.providers
        return domain.begin(payment, asked, given_back_minor, sendable=sendable, now=utc_now())

    async def _answer(self, tx: Connection, refund_id: UUID) -> RefundMade | Refused | InProgress:
        refund = await store.find(tx, refund_id)
        assert isinstance(refund, Refund)
        if refund.refusal is not None:
            return refund.refusal
        if refund.state not in _ANSWERABLE:
            await store.look_again(tx, refund_id, in_seconds=AGAIN_SECONDS)
            return InProgress(resource_id=refund_id)
        payment = await payment_store.find_payment(tx, refund.payment_id)
        assert payment is not None
        return RefundMade(
            payment_id=refund.payment_id,
            refund_id=refund_id,
            refund_status=refund.status,
            status=payment.told_at(utc_now()),
            refunded_amount_minor=payment.refunded_minor,
            amount_minor=refund.told_minor,
            currency=refund.money.currency,
            reason=refund.reason,
            failure_reason=refund.failure_reason,
            external_id=refund.external_id,
            metadata=dict(refund.metadata),
            created_at=refund.created_at,
        )


def _asked(command: RefundPayment, refund_id: UUID) -> Asked:
    return Asked(
        refund_id=refund_id,
        requested_by=command.requested_by,
        is_admin=command.requested_by_admin,
        amount_minor=command.amount_minor,
        reason=command.reason,
        force=command.force,
        manual_reference=command.manual_reference,
        caller=command.idempotency.caller,
        external_id=command.external_id,
        metadata=command.metadata,
        correlation_id=command.correlation_id,
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
