"""Questions about payments, and whether we are there."""

from __future__ import annotations

from faststream.rabbit.subscriber import RabbitSubscriber

from services.payments.consumers import Register
from services.payments.handlers.views import Views
from shared.contracts.payment_commands import Refused
from shared.contracts.queries import GetPayment, GetPaymentsHealth, HealthView, PaymentView
from shared.delivery.server import of
from shared.health import Health


def payment_questions(views: Views, health: Health) -> Register:
    def register(queries: RabbitSubscriber) -> None:
        @queries(filter=of(GetPayment))
        async def on_get_payment(query: GetPayment) -> PaymentView | Refused:
            return await views.payment(query)

        @queries(filter=of(GetPaymentsHealth))
        async def on_get_health(query: GetPaymentsHealth) -> HealthView:
            report = await health.report()
            return HealthView(service=report.service, ready=report.ready, checks=report.checks)

    return register
