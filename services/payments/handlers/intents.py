"""Paying for a session: an intent at a provider, or at once from the payer's balance."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import structlog

from services.payments.domain import intents, refusals
from services.payments.domain.fees import platform_fee
from services.payments.domain.payments import PAID_FROM_BALANCE, NextStep, Payment, Status
from services.payments.domain.sessions import CoachingSession
from services.payments.handlers.balance_payments import BalancePayments
from services.payments.handlers.once import Once, check_deadline
from services.payments.handlers.opening import Opening
from services.payments.store import payments as store
from services.payments.store import sessions as session_store
from shared.contracts.intents import CreateIntent, IntentCreated
from shared.contracts.payment_commands import CommandReply, InProgress, Refused
from shared.keys import Keys
from shared.money import Money
from shared.postgres import Connection, transaction

log = structlog.get_logger(__name__)

IntentReply = CommandReply[IntentCreated]


class Intents:
    """`fee_bps`: the platform's part of a session's price, in hundredths of a percent; `keys` make the client secrets."""

    def __init__(self, opening: Opening, balance_payments: BalancePayments, keys: Keys, *, fee_bps: int) -> None:
        self._opening = opening
        self._balance_payments = balance_payments
        self._keys = keys
        self._fee_bps = fee_bps
        self._once: Once[IntentCreated] = Once(opening.pool, opening.answers, IntentReply)

    async def create(self, command: CreateIntent) -> IntentReply:
        """Makes the payment once per key; any repeat gets the first answer. From the balance it is completed or refused by the answer, or
        in progress while wallet does not tell. NotYet when a provider did not tell."""

        async def make(tx: Connection, payment_id: UUID) -> Payment:
            return await self._make(tx, command, payment_id)

        try:
            if command.method == PAID_FROM_BALANCE:
                return await self._pay_from_balance(command)
            return await self._opening.open(command, command.payment_id, self._once, make, self._created)
        except intents.NoProvider:
            return self._once.reply(_no_provider(command.correlation_id))

    async def _pay_from_balance(self, command: CreateIntent) -> IntentReply:
        async def work(tx: Connection, first_id: UUID | None) -> Payment | IntentReply:
            known_id = first_id or command.payment_id
            payment = await store.lock_payment(tx, known_id)
            if payment is None:
                check_deadline(command)
                payment = await self._opening.write_down(tx, await self._make(tx, command, known_id))
            pending = await self._balance_payments.begin(tx, payment.payment_id)
            return payment if pending else self._once.reply(self._ended(payment))

        begun: Payment | IntentReply = await self._once.begin(command, work, resource_id=command.payment_id)
        if isinstance(begun, CommandReply):
            return begun
        ended = await self._balance_payments.pay(begun)
        if ended is None or ended.status is Status.PENDING:
            return self._once.reply(InProgress(resource_id=begun.payment_id))
        async with transaction(self._opening.pool) as tx:
            return await self._once.keep(tx, command, self._once.reply(self._ended(ended)))

    async def _make(self, tx: Connection, command: CreateIntent, payment_id: UUID) -> Payment:
        """The payment as it begins, or as it is refused."""
        kept = await session_store.find(tx, command.session_id)
        session = None if kept is None else kept.session
        money = Money(command.amount_minor, command.currency)
        refusal = intents.does_not_fit(
            session, payer_id=command.user_id, mentor_id=command.mentor_id, money=money, request_id=command.correlation_id
        )
        provider, refusal = self._choose(command, money, refusal)
        begins: dict[str, Any] = self._opening.begins(refusal)
        if provider == PAID_FROM_BALANCE:
            begins["expires_at"] = None  # it is done at once, or as soon as wallet answers
        return Payment(
            payment_id=payment_id,
            user_id=command.user_id,
            kind="payment",
            provider=provider,
            money=money,
            locale=command.locale,
            correlation_id=command.correlation_id,
            description=command.description or _title(session),
            mentor_id=command.mentor_id,
            coaching_session_id=command.session_id,
            fee_minor=platform_fee(money.amount_minor, self._fee_bps),
            caller=command.idempotency.caller,
            external_id=command.external_id,
            metadata=command.metadata,
            **begins,
        )

    def _choose(self, command: CreateIntent, money: Money, refusal: Refused | None) -> tuple[str, Refused | None]:
        if refusal is not None:
            return (command.method or "none")[:32], refusal
        enabled = self._opening.enabled
        provider = intents.provider_for(command.method, enabled, production=self._opening.production)
        if provider is None:
            return (command.method or "none")[:32], refusals.method_refused((*enabled, PAID_FROM_BALANCE), command.correlation_id)
        if provider == "mock" and command.method != "mock":
            log.warning("MOCK MODE: the mock stands in", asked=command.method or "stripe", correlation_id=command.correlation_id)
        if provider == PAID_FROM_BALANCE:
            return provider, None
        return provider, self._opening.not_taken(provider, money, command.correlation_id)

    def _ended(self, payment: Payment) -> IntentCreated | Refused:
        """The answer of a payment from the balance that is no longer pending."""
        return payment.refusal if payment.refusal is not None else self._created(payment, NextStep())

    def _created(self, payment: Payment, step: NextStep) -> IntentCreated:
        assert payment.coaching_session_id is not None
        assert payment.mentor_id is not None
        from_balance = payment.provider == PAID_FROM_BALANCE
        return IntentCreated(
            payment_id=payment.payment_id,
            status="completed" if from_balance else "pending",
            amount_minor=payment.money.amount_minor,
            currency=payment.money.currency,
            method=payment.provider,
            session_id=payment.coaching_session_id,
            mentor_id=payment.mentor_id,
            client_secret=self._mock_secret(payment) if payment.provider == "mock" else step.client_secret,
            payment_url=step.url,
            expires_at=payment.expires_at,
        )

    def _mock_secret(self, payment: Payment) -> str:
        return intents.client_secret(payment.payment_id, self._keys.signing(intents.CONFIRMING_LABEL))


def _title(session: CoachingSession | None) -> str:
    return "" if session is None else session.title


def _no_provider(request_id: str) -> Refused:
    return Refused(
        code="provider_not_configured",
        detail="No payment provider is configured here; a payment from the balance names the method balance.",
        request_id=request_id,
    )
