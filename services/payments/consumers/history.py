"""Questions about what has been."""

from __future__ import annotations

from faststream.rabbit.subscriber import RabbitSubscriber

from services.payments.consumers import Register
from services.payments.handlers.history import History
from shared.contracts.history import GetTimeline, ListPayments, PaymentList, TimelineView
from shared.contracts.payment_commands import Refused
from shared.delivery.server import of


def history_questions(history: History) -> Register:
    def register(queries: RabbitSubscriber) -> None:
        @queries(filter=of(ListPayments))
        async def on_list_payments(query: ListPayments) -> PaymentList | Refused:
            return await history.payments(query)

        @queries(filter=of(GetTimeline))
        async def on_get_timeline(query: GetTimeline) -> TimelineView | Refused:
            return await history.timeline(query)

    return register
