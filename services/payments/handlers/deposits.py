"""A deposit's beginning: a payment to the payer's own balance."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.payments.domain.payments import NextStep, Payment
from services.payments.handlers.once import Once
from services.payments.handlers.opening import Opening
from shared.contracts.payment_commands import CommandReply, CreateDeposit, DepositCreated
from shared.money import Money
from shared.postgres import Connection

DepositReply = CommandReply[DepositCreated]


class Deposits:
    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._once: Once[DepositCreated] = Once(opening.pool, opening.answers, DepositReply)

    async def create(self, command: CreateDeposit) -> DepositReply:
        """Makes the payment and its session once per key; any repeat gets the first answer. NotYet when the provider did not tell."""

        async def make(_: Connection, payment_id: UUID) -> Payment:
            money = Money(command.amount_minor, command.currency)
            chosen = self._opening.choose(command.method, money, command.correlation_id)
            begins: Any = self._opening.begins(chosen.refusal)
            return Payment(
                payment_id=payment_id,
                user_id=command.user_id,
                kind="deposit",
                provider=chosen.provider,
                money=money,
                locale=command.locale,
                correlation_id=command.correlation_id,
                caller=command.idempotency.caller,
                external_id=command.external_id,
                metadata=command.metadata,
                **begins,
            )

        return await self._opening.open(command, command.payment_id, self._once, make, _created)


def _created(payment: Payment, step: NextStep) -> DepositCreated:
    assert payment.session_id is not None
    assert step.url is not None
    assert payment.expires_at is not None
    return DepositCreated(
        payment_id=payment.payment_id,
        session_id=payment.session_id,
        payment_url=step.url,
        client_secret=step.client_secret,
        amount_minor=payment.money.amount_minor,
        currency=payment.money.currency,
        method=payment.provider,
        expires_at=payment.expires_at,
    )
