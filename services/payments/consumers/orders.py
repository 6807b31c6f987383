"""Commands and questions about orders, and of the stand-in provider's page."""

from __future__ import annotations

from faststream.rabbit.subscriber import RabbitSubscriber

from services.payments.consumers import Register
from services.payments.handlers.mock_page import EndedReply, MockPage
from services.payments.handlers.on_sale import OnSale
from services.payments.handlers.order_views import OrderViews
from services.payments.handlers.orders import MarkedReply, OrderReply, Orders
from shared.contracts.orders import (
    CreateOrder,
    CreateOrderPayment,
    EndMockSession,
    GetInterpretation,
    GetMockSession,
    GetOrder,
    GetProduct,
    Interpretation,
    MarkOrderPaid,
    MockSessionView,
    OrderView,
    ProductView,
)
from shared.contracts.payment_commands import Refused
from shared.delivery.server import of


def order_commands(orders: Orders, mock_page: MockPage) -> Register:
    def register(commands: RabbitSubscriber) -> None:
        @commands(filter=of(CreateOrder))
        async def on_create_order(command: CreateOrder) -> OrderReply:
            return await orders.create(command)

        @commands(filter=of(CreateOrderPayment))
        async def on_create_order_payment(command: CreateOrderPayment) -> OrderReply:
            return await orders.pay_again(command)

        @commands(filter=of(MarkOrderPaid))
        async def on_mark_order_paid(command: MarkOrderPaid) -> MarkedReply:
            return await orders.mark_paid(command)

        @commands(filter=of(EndMockSession))
        async def on_end_mock_session(command: EndMockSession) -> EndedReply:
            return await mock_page.end(command)

    return register


def order_questions(views: OrderViews, mock_page: MockPage) -> Register:
    def register(queries: RabbitSubscriber) -> None:
        @queries(filter=of(GetOrder))
        async def on_get_order(query: GetOrder) -> OrderView | Refused:
            return await views.order(query)

        @queries(filter=of(GetInterpretation))
        async def on_get_interpretation(query: GetInterpretation) -> Interpretation | Refused:
            return await views.interpretation(query)

        @queries(filter=of(GetMockSession))
        async def on_get_mock_session(query: GetMockSession) -> MockSessionView | Refused:
            return await mock_page.session(query)

    return register


def product_questions(on_sale: OnSale) -> Register:
    def register(queries: RabbitSubscriber) -> None:
        @queries(filter=of(GetProduct))
        async def on_get_product(query: GetProduct) -> ProductView | Refused:
            return await on_sale.product(query)

    return register
