"""A deposit's beginning: the payment is written down, then its session is opened at the provider, then the answer is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from services.payments import domain, idempotency, store
from services.payments.domain import Payment, Status
from services.payments.providers.base import Accepted, Provider, Unknown
from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_commands import CommandReply, CreateDeposit, DepositCreated, Refused
from shared.delivery.errors import NotYet
from shared.money import Money
from shared.postgres import Connection, Pool, transaction

log = structlog.get_logger(__name__)

DepositReply = CommandReply[DepositCreated]

_IN_USE_WAIT_SECONDS: Final = 3.0
_IN_USE_RECHECK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Deposits:
    pool: Pool
    providers: Mapping[str, Provider]
    enabled: tuple[str, ...]
    production: bool
    session_ttl: timedelta
    reconcile_after_seconds: float

    async def create(self, command: CreateDeposit) -> DepositReply:
        """Makes the payment and its session once per key; any repeat gets the first answer. NotYet when the provider did not tell."""
        try:
            begun = await self._begin(command)
        except domain.TooLate:
            return DepositReply(answer=domain.too_late(command.correlation_id))
        if isinstance(begun, CommandReply):
            return begun
        # No transaction is open while the provider is asked.
        match await self.providers[begun.provider].create(begun):
            case Accepted(payment_url, expires_at):
                return await self._accepted(command, begun, payment_url, expires_at)
            case Unknown():
                raise NotYet(f"{begun.provider} did not tell whether the session exists")

    async def _begin(self, command: CreateDeposit) -> Payment | DepositReply:
        deadline = asyncio.get_running_loop().time() + _IN_USE_WAIT_SECONDS
        while True:
            async with transaction(self.pool) as tx:
                match await idempotency.claim(tx, command.idempotency, command.message_id, command.payment_id):
                    case idempotency.Answered(answer):
                        kept = DepositReply.model_validate_json(answer)
                        return kept.model_copy(update={"replayed": True})
                    case idempotency.Reused():
                        return DepositReply(answer=domain.key_reused(command.correlation_id))
                    case idempotency.Claimed(payment_id):
                        # Written down already: the same command again, after a crash half-way, which goes on however late.
                        begun = await store.find_payment(tx, payment_id or command.payment_id)
                        payment = begun or await self._write_down(tx, command)
                        if payment.refusal is not None:
                            return await self._keep(tx, command, DepositReply(answer=payment.refusal))
                        return payment
                    case idempotency.InUse():
                        pass
            if asyncio.get_running_loop().time() > deadline:
                return DepositReply(answer=domain.key_in_use(command.correlation_id))
            await asyncio.sleep(_IN_USE_RECHECK_SECONDS)

    async def _write_down(self, tx: Connection, command: CreateDeposit) -> Payment:
        if utc_now() > command.deadline:
            raise domain.TooLate  # and so the claim of its key is undone
        payment = self._open(command)
        if await store.insert_payment(tx, payment, reconcile_after_seconds=self.reconcile_after_seconds):
            return payment
        # Delivered twice at once, without a key: the other one was first.
        known = await store.find_payment(tx, payment.payment_id)
        assert known is not None
        return known

    def _open(self, command: CreateDeposit) -> Payment:
        """The payment as it begins, or, refused, as it ends: a poller then learns why."""
        now = utc_now()
        method = domain.choose_method(command.method, self.enabled, production=self.production)
        refusal: Refused | None = None
        if method is None:
            refusal = domain.method_refused(self.enabled, command.correlation_id)
        elif method != (command.method or method):
            log.warning("MOCK MODE: the mock stands in", asked=command.method, correlation_id=command.correlation_id)
        return Payment(
            payment_id=command.payment_id,
            session_id=None if refusal else new_id(),
            user_id=command.user_id,
            kind="deposit",
            provider=method or (command.method or "none")[:32],
            money=Money(command.amount_minor, command.currency),
            status=Status.FAILED if refusal else Status.PENDING,
            locale=command.locale,
            correlation_id=command.correlation_id,
            created_at=now,
            updated_at=now,
            refusal=refusal,
            expires_at=None if refusal else now + self.session_ttl,
        )

    async def _accepted(self, command: CreateDeposit, payment: Payment, payment_url: str, expires_at: datetime) -> DepositReply:
        assert payment.session_id is not None
        answer = DepositCreated(
            payment_id=payment.payment_id,
            session_id=payment.session_id,
            payment_url=payment_url,
            amount_minor=payment.money.amount_minor,
            currency=payment.money.currency,
            method=payment.provider,
            expires_at=expires_at,
        )
        async with transaction(self.pool) as tx:
            await store.save_session(tx, payment.payment_id, payment_url, expires_at)
            reply = await self._keep(tx, command, DepositReply(answer=answer))
        log.info(
            "deposit created",
            payment_id=str(payment.payment_id),
            provider=payment.provider,
            amount_minor=payment.money.amount_minor,
            currency=payment.money.currency,
            correlation_id=command.correlation_id,
        )
        return reply

    @staticmethod
    async def _keep(tx: Connection, command: CreateDeposit, reply: DepositReply) -> DepositReply:
        text = reply.model_dump_json()
        kept = await idempotency.keep(tx, command.idempotency, text)
        return reply if kept == text else DepositReply.model_validate_json(kept).model_copy(update={"replayed": True})
