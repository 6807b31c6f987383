"""Asks whoever has the money what became of a pending payment, and brings our record up to date with the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from prometheus_client import Counter

from services.payments.domain.payments import PAID_FROM_BALANCE, Payment, Status
from services.payments.handlers.balance_payments import BalancePayments
from services.payments.handlers.settlement import WATCHED_FOR, Settlement
from services.payments.providers.base import Open, Provider, Told
from services.payments.store import provider_sessions
from shared.contracts.base import utc_now
from shared.postgres import transaction

NOT_OVER_FOR: Final = timedelta(hours=1)
"""How long what is being paid is told as pending after its provider has said so: it is asked again long before."""

ASKED = Counter("purser_reconciler_asked_total", "Payments whose provider was asked", ["provider"])


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Silence changes nothing; it may be asked again at any time, by anybody."""

    providers: Mapping[str, Provider]
    settlement: Settlement
    balance_payments: BalancePayments

    async def bring_up_to_date(self, payment: Payment) -> None:
        """Asks the payment's provider; no transaction is open. What the provider raises is raised."""
        if payment.provider == PAID_FROM_BALANCE:
            ASKED.labels(payment.provider).inc()
            await self.balance_payments.resume(payment)
            return
        provider = self.providers.get(payment.provider)
        if provider is None or payment.session_id is None:
            return
        told: Told = Open(expired=False)
        if provider.capabilities.status:
            ASKED.labels(payment.provider).inc()
            told = await provider.find(payment)
        if isinstance(told, Open) and told.being_paid:
            now = utc_now()
            async with transaction(self.settlement.pool) as tx:
                await provider_sessions.keep_open(tx, payment.payment_id, now + NOT_OVER_FOR, now + WATCHED_FOR)
            return
        over = payment.status is Status.PENDING and payment.told_at(utc_now()) == Status.EXPIRED
        if isinstance(told, Open) and over:
            # Over on our side: ended there too before we say so, or somebody could still pay it.
            await self.settlement.settle_ended(await provider.cancel(payment), payment, expired=True)
        else:
            await self.settlement.settle_told(told, payment)
