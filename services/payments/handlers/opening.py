"""How every payment begins: it is written down, its session opened at the provider, the answer kept; a refused one is written down too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import structlog

from services.payments.domain import payments, refusals
from services.payments.domain.payments import Payment, Status
from services.payments.handlers.once import Once, check_deadline
from services.payments.providers.base import Accepted, Provider, Unknown
from services.payments.store import payments as store
from shared.contracts.base import Reply, new_id, utc_now
from shared.contracts.payment_commands import Command, CommandReply, Refused
from shared.delivery.errors import NotYet
from shared.postgres import Connection, Pool, transaction

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer", bound=Reply)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The provider that plays the method that was asked for, or why none does."""

    provider: str
    refusal: Refused | None


@dataclass(frozen=True, slots=True)
class Opening:
    """`enabled`: the providers that are on for new payments, the first is the default."""

    pool: Pool
    providers: Mapping[str, Provider]
    enabled: tuple[str, ...]
    production: bool
    session_ttl: timedelta
    reconcile_after_seconds: float

    def choose(self, method: str | None, request_id: str) -> Chosen:
        provider = payments.choose_method(method, self.enabled, production=self.production)
        if provider is None:
            return Chosen((method or "none")[:32], refusals.method_refused(self.enabled, request_id))
        if provider != (method or provider):
            log.warning("MOCK MODE: the mock stands in", asked=method, correlation_id=request_id)
        return Chosen(provider, None)

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
        answer: Callable[[Payment], Answer],
        before: Callable[[Payment], Awaitable[Refused | None]] | None = None,
    ) -> CommandReply[Answer]:
        """Makes the payment and its session once per key; any repeat gets the first answer. NotYet when the provider did not tell.

        `make` decides the new payment (or a refused one) under the given id, in the claiming transaction; a bare refusal leaves no payment.
        `answer` tells of an opened one. `before`: done before the provider is asked, each time that it may be asked; it may still refuse.
        """

        async def work(tx: Connection, first_id: UUID | None) -> Payment | CommandReply[Answer]:
            known_id = first_id or payment_id
            payment = await store.find_payment(tx, known_id)
            if payment is None:
                check_deadline(command)
                made = await make(tx, known_id)
                if isinstance(made, Refused):
                    return once.reply(made)
                payment = await self.write_down(tx, made)
            return payment if payment.refusal is None else once.reply(payment.refusal)

        begun: Payment | CommandReply[Answer] = await once.begin(command, work, resource_id=payment_id)
        if isinstance(begun, CommandReply):
            return begun
        if begun.payment_url is not None:
            return await self._accepted(command, once, begun, begun.payment_url, begun.expires_at or utc_now(), answer)
        if before is not None and (refusal := await before(begun)) is not None:
            return await once.refused(command, refusal)
        # No transaction is open while the provider is asked.
        match await self.providers[begun.provider].create(begun):
            case Accepted(payment_url, expires_at):
                return await self._accepted(command, once, begun, payment_url, expires_at, answer)
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

    async def _accepted(
        self,
        command: Command,
        once: Once[Answer],
        payment: Payment,
        payment_url: str,
        expires_at: datetime,
        answer: Callable[[Payment], Answer],
    ) -> CommandReply[Answer]:
        opened = payments.opened(payment, payment_url, expires_at)
        async with transaction(self.pool) as tx:
            await store.save_session(tx, payment.payment_id, payment_url, expires_at)
            reply = await once.keep(tx, command, once.reply(answer(opened)))
        log.info(
            f"{payment.kind} created",
            payment_id=str(payment.payment_id),
            provider=payment.provider,
            amount_minor=payment.money.amount_minor,
            currency=payment.money.currency,
            correlation_id=command.correlation_id,
        )
        return reply
