"""The command that asks for a refund, and the questions about them."""

from __future__ import annotations

from faststream.rabbit.subscriber import RabbitSubscriber

from services.payments.consumers import Register
from services.payments.handlers.refund_views import RefundViews
from services.payments.handlers.refunds import RefundReply, RefundRequests
from shared.contracts.payment_commands import Refused
from shared.contracts.refunds import GetRefund, ListRefunds, RefundPage, RefundPayment, RefundRefused, RefundView
from shared.delivery.server import of


def refund_commands(requests: RefundRequests) -> Register:
    def register(commands: RabbitSubscriber) -> None:
        @commands(filter=of(RefundPayment))
        async def on_refund_payment(command: RefundPayment) -> RefundReply:
            return await requests.request(command)

    return register


def refund_questions(views: RefundViews) -> Register:
    def register(queries: RabbitSubscriber) -> None:
        @queries(filter=of(GetRefund))
        async def on_get_refund(query: GetRefund) -> RefundView | RefundRefused | Refused:
            return await views.one(query)

        @queries(filter=of(ListRefunds))
        async def on_list_refunds(query: ListRefunds) -> RefundPage | Refused:
            return await views.page(query)

    return register
