"""Commands of session payments, and of coaching sessions; the question what a session costs."""

from __future__ import annotations

from faststream.rabbit.subscriber import RabbitSubscriber

from services.payments.consumers import Register
from services.payments.handlers.confirming import CancelReply, Confirming, ConfirmReply
from services.payments.handlers.intents import IntentReply, Intents
from services.payments.handlers.sessions import SessionReply, Sessions
from shared.contracts.intents import CancelPayment, ConfirmPayment, CreateIntent
from shared.contracts.payment_commands import Refused
from shared.contracts.sessions import GetSession, GetSessionPayments, PutSession, SessionPayments, SessionView
from shared.delivery.server import of


def intent_commands(intents: Intents, confirming: Confirming, sessions: Sessions) -> Register:
    def register(commands: RabbitSubscriber) -> None:
        @commands(filter=of(CreateIntent))
        async def on_create_intent(command: CreateIntent) -> IntentReply:
            return await intents.create(command)

        @commands(filter=of(ConfirmPayment))
        async def on_confirm_payment(command: ConfirmPayment) -> ConfirmReply:
            return await confirming.confirm(command)

        @commands(filter=of(CancelPayment))
        async def on_cancel_payment(command: CancelPayment) -> CancelReply:
            return await confirming.cancel(command)

        @commands(filter=of(PutSession))
        async def on_put_session(command: PutSession) -> SessionReply:
            return await sessions.put(command)

    return register


def session_questions(sessions: Sessions) -> Register:
    def register(queries: RabbitSubscriber) -> None:
        @queries(filter=of(GetSession))
        async def on_get_session(query: GetSession) -> SessionView | Refused:
            return await sessions.get(query)

        @queries(filter=of(GetSessionPayments))
        async def on_get_session_payments(query: GetSessionPayments) -> SessionPayments:
            return await sessions.payments(query)

    return register
