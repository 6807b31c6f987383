"""What arrives at payments: commands and questions by FastStream, raw provider events in bulk."""

from __future__ import annotations

from faststream.rabbit import RabbitBroker

from services.payments.handlers.deposits import DepositReply, Deposits
from services.payments.handlers.mock_sessions import MockReply, MockSessions
from services.payments.handlers.settlement import Settlement
from services.payments.handlers.views import Views
from shared.contracts.payment_commands import CompleteMockSession, CreateDeposit, Refused
from shared.contracts.payment_events import ProviderEventReceived
from shared.contracts.queries import GetPayment, GetPaymentsHealth, HealthView, PaymentView
from shared.contracts.topology import PAYMENTS_COMMANDS, PAYMENTS_PROVIDER_EVENTS, PAYMENTS_QUERIES
from shared.delivery.broker import BrokerLink
from shared.delivery.consumer import BatchConsumer
from shared.delivery.publisher import Publisher
from shared.delivery.server import of, serve
from shared.health import Health


def subscribe_commands(broker: RabbitBroker, publisher: Publisher, deposits: Deposits, mock_sessions: MockSessions) -> None:
    router, commands = serve(PAYMENTS_COMMANDS, publisher)

    @commands(filter=of(CreateDeposit))
    async def on_create_deposit(command: CreateDeposit) -> DepositReply:
        return await deposits.create(command)

    @commands(filter=of(CompleteMockSession))
    async def on_complete_mock_session(command: CompleteMockSession) -> MockReply:
        return await mock_sessions.complete(command)

    broker.include_router(router)


def subscribe_queries(broker: RabbitBroker, publisher: Publisher, views: Views, health: Health) -> None:
    router, queries = serve(PAYMENTS_QUERIES, publisher)

    @queries(filter=of(GetPayment))
    async def on_get_payment(query: GetPayment) -> PaymentView | Refused:
        return await views.payment(query)

    @queries(filter=of(GetPaymentsHealth))
    async def on_get_health(query: GetPaymentsHealth) -> HealthView:
        report = await health.report()
        return HealthView(service=report.service, ready=report.ready, checks=report.checks)

    broker.include_router(router)


def provider_events(link: BrokerLink, publisher: Publisher, settlement: Settlement) -> BatchConsumer[ProviderEventReceived]:
    return BatchConsumer(link, PAYMENTS_PROVIDER_EVENTS, settlement, publisher)
