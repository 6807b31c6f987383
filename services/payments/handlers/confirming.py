"""Confirming and canceling a payment: its provider decides, and our record is brought up to date with what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

import structlog

from services.payments.domain import capabilities, intents, refusals
from services.payments.domain.payments import Payment, Status
from services.payments.handlers.inquiry import Inquiry
from services.payments.handlers.once import Once, check_deadline
from services.payments.mock_book import MockBook
from services.payments.providers.base import BeingPaid
from services.payments.providers.mock.adapter import MockProvider, outcome_event_id
from services.payments.store import audit, questions
from services.payments.store import payments as store
from shared.contracts.base import Reply, new_id, utc_now
from shared.contracts.intents import CancelPayment, ConfirmPayment, PaymentCanceled, PaymentConfirmed
from shared.contracts.payment_commands import CommandReply, SignedEvent
from shared.delivery.errors import NotYet
from shared.postgres import Connection, Pool, connection, transaction
from shared.sealing import Seal

log = structlog.get_logger(__name__)

_SHARE: Final = 4

ConfirmReply = CommandReply[PaymentConfirmed]
CancelReply = CommandReply[PaymentCanceled]
Answer = TypeVar("Answer", bound=Reply)


@dataclass(frozen=True, slots=True)
class Confirming:
    """`mock` is None where the mock is off."""

    pool: Pool
    answers: Seal
    inquiry: Inquiry
    mock: MockProvider | None

    async def confirm(self, command: ConfirmPayment) -> ConfirmReply:
        """Asks the provider, unless it is known already that the payment is paid; the mock pays what is pending. A pending answer is not
        kept, nor is that the provider cannot be asked: asked again, it may be another."""
        once: Once[PaymentConfirmed] = Once(self.pool, self.answers, ConfirmReply)
        begun = await self._begin(once, command, "payment.confirm")
        if isinstance(begun, CommandReply):
            return self._fresh(begun)
        if not intents.is_paid(_told(begun)):
            event = await self._pay_at_mock(begun)
            if event is not None:
                return await _kept(once, command, self.pool, _confirmed(begun, "completed", event))
            if self._tells_nothing(begun):
                return await once.unavailable(command, capabilities.lacks(begun.provider, "status", command.correlation_id))
            if await self._has_room(begun):
                await self.inquiry.bring_up_to_date(begun)
        now = await self._reread(begun)
        status = _told(now)
        refused = intents.cannot_be_confirmed(status, command.correlation_id)
        if refused is not None:
            return await once.refused(command, refused)
        reply = once.reply(_confirmed(now, status))
        return reply if status == Status.PENDING else await _kept(once, command, self.pool, _confirmed(now, status))

    async def cancel(self, command: CancelPayment) -> CancelReply:
        """Ends the session at the provider, then here; what was paid meanwhile completes. NotYet when the provider did not tell."""
        once: Once[PaymentCanceled] = Once(self.pool, self.answers, CancelReply)
        begun = await self._begin(once, command, "payment.cancel")
        if isinstance(begun, CommandReply):
            return begun
        status = _told(begun)
        refused = intents.cannot_be_canceled(begun, status, command.correlation_id)
        if refused is None and status == Status.PENDING:
            if (provider := self.inquiry.providers.get(begun.provider)) is None:
                return await once.refused(command, intents.not_cancelable(command.correlation_id))
            ended = await provider.cancel(begun)
            if isinstance(ended, BeingPaid):
                return await once.unavailable(command, refusals.being_paid(command.correlation_id))
            await self.inquiry.settlement.settle_ended(ended, begun, expired=False)
        elif status == Status.EXPIRED:
            # Told by the clock alone; the provider may know of a payment at the last moment.
            await self.inquiry.bring_up_to_date(begun)
        now = await self._reread(begun)
        refused = intents.cannot_be_canceled(now, _told(now), command.correlation_id)
        if refused is not None:
            return await once.refused(command, refused)
        if now.status is not Status.CANCELED:
            raise NotYet(f"{now.provider} did not tell whether the session has ended")
        canceled = PaymentCanceled(
            payment_id=now.payment_id, amount_minor=now.money.amount_minor, currency=now.money.currency, method=now.provider
        )
        return await _kept(once, command, self.pool, canceled)

    async def _has_room(self, payment: Payment) -> bool:
        """A provider that bears so many questions a minute is not asked more often because payers press a button: they have a share of
        their own. Beyond it what is known is told, and the webhook or the reconciler brings the rest."""
        provider = self.inquiry.providers.get(payment.provider)
        if provider is None or provider.questions_per_minute is None:
            return True
        per_minute = max(1, provider.questions_per_minute // _SHARE)
        async with transaction(self.pool) as tx:
            return await questions.take_questions(tx, f"{provider.name}: confirming", 1, per_minute) == 1

    async def _begin(self, once: Once[Answer], command: ConfirmPayment | CancelPayment, action: str) -> Payment | CommandReply[Answer]:
        """The payment, if the caller may act on it; who acts as an admin is written down."""

        async def work(tx: Connection, _: UUID | None) -> Payment | CommandReply[Answer]:
            check_deadline(command)
            payment = await _visible(tx, command)
            refused = intents.may_not_act(payment, user_id=command.user_id, is_admin=command.is_admin, request_id=command.correlation_id)
            if refused is not None:
                return once.reply(refused)
            assert payment is not None
            if payment.user_id != command.user_id:
                await audit.write_down(
                    tx,
                    actor=f"user:{command.user_id}",
                    action=action,
                    resource=f"payment:{payment.payment_id}",
                    request_id=command.correlation_id,
                    status=_told(payment),
                )
            return payment

        return await once.begin(command, work)

    async def _pay_at_mock(self, payment: Payment) -> SignedEvent | None:
        """The signed event of the mock's success, decided now if nothing was; None where it decided otherwise, or is not asked."""
        if self.mock is None or payment.provider != self.mock.name or _told(payment) != Status.PENDING:
            return None
        async with transaction(self.pool) as tx:
            session = await MockBook.lock(tx, payment.payment_id, None, whoever=True)
            if session is None:
                return None
            now = await MockBook.now(tx)
            if session.outcome is None and now < session.expires_at:
                event_id = outcome_event_id(session.session_id, "success")
                session = await MockBook.decide(tx, session, "success", event_id=event_id, charge=f"ch_{new_id().hex}", at=now)
                log.info("mock session confirmed", payment_id=str(payment.payment_id), correlation_id=payment.correlation_id)
            return self.mock.signed_event(session) if session.outcome == "success" else None

    def _tells_nothing(self, payment: Payment) -> bool:
        """Its provider cannot be asked what became of it. What is over on our side needs no asking."""
        provider = self.inquiry.providers.get(payment.provider)
        return provider is not None and not provider.capabilities.status and _told(payment) == Status.PENDING

    async def _reread(self, payment: Payment) -> Payment:
        async with connection(self.pool) as db:
            found = await store.find_payment(db, payment.payment_id)
        assert found is not None
        return found

    def _fresh(self, reply: ConfirmReply) -> ConfirmReply:
        """The kept answer; its event signed anew, since the kept signature would be stale by now."""
        if self.mock is None or not isinstance(reply.answer, PaymentConfirmed) or reply.answer.event is None:
            return reply
        event = self.mock.sign_again(reply.answer.event)
        return reply.model_copy(update={"answer": reply.answer.model_copy(update={"event": event})})


async def _kept(once: Once[Answer], command: ConfirmPayment | CancelPayment, pool: Pool, answer: Answer) -> CommandReply[Answer]:
    async with transaction(pool) as tx:
        return await once.keep(tx, command, once.reply(answer))


async def _visible(db: Connection, command: ConfirmPayment | CancelPayment) -> Payment | None:
    try:
        payment_id = UUID(command.payment_id)
    except ValueError:
        return None
    (found,) = await store.find_visible_payments(db, [(payment_id, command.user_id, command.is_admin)])
    return found


def _told(payment: Payment) -> str:
    return payment.told_at(utc_now())


def _confirmed(payment: Payment, status: str, event: SignedEvent | None = None) -> PaymentConfirmed:
    return PaymentConfirmed(
        payment_id=payment.payment_id,
        status=status,
        amount_minor=payment.money.amount_minor,
        currency=payment.money.currency,
        method=payment.provider,
        event=event,
    )
