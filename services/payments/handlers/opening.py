"""How every payment begins: it is written down, its session opened at the provider, the answer kept; a refused one is written down too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeVar
from uuid import UUID

import structlog
from prometheus_client import Counter

from services.payments.domain import capabilities, payments, refusals
from services.payments.domain.payments import NextStep, Payment, Status
from services.payments.handlers.once import Once, check_deadline
from services.payments.providers.base import Accepted, Payer, Provider, Rejected, Unavailable, Unknown
from services.payments.store import orders as order_store
from services.payments.store import payments as store
from services.payments.store import provider_sessions
from services.payments.store.next_steps import StepSeals
from shared.contracts.base import Reply, new_id, utc_now
from shared.contracts.payment_commands import Command, CommandReply, Refused
from shared.delivery.errors import NotYet
from shared.money import Money
from shared.postgres import Connection, Pool, transaction
from shared.sealing import Seal

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer", bound=Reply)

UNAVAILABLE: Final = Counter("purser_provider_unavailable_total", "Payments that a provider would not open now", ["provider"])

NOBODY: Final = Payer()


@dataclass(frozen=True, slots=True)
class Chosen:
    """The provider that plays the method that was asked for, or why none does."""

    provider: str
    refusal: Refused | None


@dataclass(frozen=True, slots=True)
class Opening:
    """`enabled`: the providers that are on for new payments, the first is the default. `answers` seals the kept answers."""

    pool: Pool
    providers: Mapping[str, Provider]
    enabled: tuple[str, ...]
    production: bool
    session_ttl: timedelta
    reconcile_after_seconds: float
    answers: Seal
    steps: StepSeals

    def choose(self, method: str | None, money: Money, request_id: str) -> Chosen:
        """Who takes `money` by `method`; refused when nobody does, or not such a sum."""
        provider = payments.choose_method(method, self.enabled, production=self.production)
        if provider is None:
            return Chosen((method or "none")[:32], refusals.method_refused(self.enabled, request_id))
        if provider != (method or provider):
            log.warning("MOCK MODE: the mock stands in", asked=method, correlation_id=request_id)
        return Chosen(provider, self.not_taken(provider, money, request_id))

    def not_taken(self, provider: str, money: Money, request_id: str) -> Refused | None:
        """Why this provider cannot take `money`; None when it can."""
        return capabilities.not_taken(provider, self.providers[provider].currencies, money, request_id)

    def begins(self, refusal: Refused | None) -> dict[str, object]:
        """The fields that a new payment, or a refused one, begins with."""
        now = utc_now()
        return {
            "session_id": None if refusal else new_id(),
            "status": Status.FAILED if refusal else Status.PENDING,
            "created_at": now,
            "updated_at": now,
            "refusal": refusal,
            "expires_at": None if refusal else now + self.session_ttl,
        }

    async def open(
        self,
        command: Command,
        payment_id: UUID,
        once: Once[Answer],
        make: Callable[[Connection, UUID], Awaitable[Payment | Refused]],
        answer: Callable[[Payment, NextStep], Answer],
        before: Callable[[Payment], Awaitable[Refused | None]] | None = None,
        payer: Payer = NOBODY,
    ) -> CommandReply[Answer]:
        """Makes the payment and its session once per key; any repeat gets the first answer. NotYet when the provider did not tell.

        `make` decides the new payment (or a refused one) under the given id, in the claiming transaction; a bare refusal leaves no payment.
        `answer` tells of an opened one and where the payer goes on. `before`: done before the provider is asked, each time that it may be
        asked; it may still refuse. A provider that refuses to serve leaves the key free for a repeat, which goes on here. What has ended
        before its session was known to be there (canceled, over) is refused: nobody is sent to pay it any more. Unreadable
        (shared/sealing.py) when what an earlier answer to the same request was sealed with is gone.
        """
        again = True

        async def work(tx: Connection, first_id: UUID | None) -> Payment | CommandReply[Answer]:
            known_id = first_id or payment_id
            payment = await store.find_payment(tx, known_id)
            if payment is None:
                check_deadline(command)
                made = await make(tx, known_id)
                if isinstance(made, Refused):
                    return once.reply(made)
                payment = await self.write_down(tx, made)
                nonlocal again
                # Delivered twice at once: the other one may be asking the provider already.
                again = payment.session_id != made.session_id
            return payment if payment.refusal is None else once.reply(payment.refusal)

        begun: Payment | CommandReply[Answer] = await once.begin(command, work, resource_id=payment_id)
        if isinstance(begun, CommandReply):
            return begun
        if begun.was_opened:
            return await self._accepted(command, once, begun, self.steps.open(begun), answer)
        if (over := _over(begun, command.correlation_id)) is not None:
            return await once.refused(command, over)
        if before is not None and (refusal := await before(begun)) is not None:
            return await once.refused(command, refusal)
        # No transaction is open while the provider is asked.
        match await self.providers[begun.provider].create(begun, payer, again=again):
            case Accepted() as accepted:
                step = NextStep(accepted.payment_url, accepted.client_secret)
                return await self._accepted(command, once, self._opened(begun, accepted, step), step, answer)
            case Rejected(reason):
                return await self._rejected(command, once, begun, reason)
            case Unavailable(reason):
                UNAVAILABLE.labels(begun.provider).inc()
                log.error("a provider refuses to serve", provider=begun.provider, reason=reason, correlation_id=command.correlation_id)
                return await once.unavailable(command, refusals.provider_unavailable(begun.provider, command.correlation_id))
            case Unknown():
                raise NotYet(f"{begun.provider} did not tell whether the session exists")

    async def write_down(self, tx: Connection, payment: Payment) -> Payment:
        """The payment as it is in the table: refused when its external_id is in use, the first one when it was delivered twice at once."""
        try:
            written = await store.insert_payment(tx, payment, reconcile_after_seconds=self.reconcile_after_seconds)
        except store.ExternalIdReused:
            refusal = refusals.external_id_reused(payment.correlation_id)
            payment = payments.refuse(payment, refusal)
            written = await store.insert_payment(tx, payment, reconcile_after_seconds=self.reconcile_after_seconds)
        if written:
            return payment
        known = await store.find_payment(tx, payment.payment_id)
        assert known is not None
        return known

    def _opened(self, payment: Payment, accepted: Accepted, step: NextStep) -> Payment:
        return replace(
            payment,
            sealed_url=self.steps.close_url(step),
            client_secret=self.steps.close_secret(step),
            expires_at=accepted.expires_at,
            provider_reference=accepted.provider_reference,
        )

    async def _accepted(
        self, command: Command, once: Once[Answer], opened: Payment, step: NextStep, answer: Callable[[Payment, NextStep], Answer]
    ) -> CommandReply[Answer]:
        async with transaction(self.pool) as tx:
            current = await store.lock_payment(tx, opened.payment_id)
            assert current is not None
            if not current.was_opened and (over := _over(current, command.correlation_id)) is not None:
                return await once.keep(tx, command, once.reply(over))
            await provider_sessions.save_session(tx, opened)
            reply = await once.keep(tx, command, once.reply(answer(opened, step)))
        log.info(
            f"{opened.kind} created",
            payment_id=str(opened.payment_id),
            provider=opened.provider,
            amount_minor=opened.money.amount_minor,
            currency=opened.money.currency,
            correlation_id=command.correlation_id,
        )
        return reply

    async def _rejected(self, command: Command, once: Once[Answer], payment: Payment, reason: str) -> CommandReply[Answer]:
        """The provider's own no is final for this payment; of an order that was made with it, too. NotYet when somebody else has had
        another answer meanwhile."""
        refusal = refusals.rejected(payment.provider, reason, command.correlation_id)
        async with transaction(self.pool) as tx:
            current = await store.lock_payment(tx, payment.payment_id)
            assert current is not None
            if current.was_opened or current.status is Status.COMPLETED:
                raise NotYet(f"{payment.provider} rejects what it had taken")
            await provider_sessions.save_rejected(tx, payment.payment_id, refusal)
            if payment.order_id is not None:
                await order_store.save_rejected(tx, payment.order_id, refusal)
            reply = await once.keep(tx, command, once.reply(refusal))
        log.warning(
            "a provider rejects a payment",
            payment_id=str(payment.payment_id),
            provider=payment.provider,
            reason=reason,
            correlation_id=command.correlation_id,
        )
        return reply


def _over(payment: Payment, request_id: str) -> Refused | None:
    """Why nobody may be sent to pay it any more; None while it can be paid, or has been."""
    status = payment.told_at(utc_now())
    return refusals.session_over(status, request_id) if status in (Status.CANCELED, Status.EXPIRED, Status.FAILED) else None
