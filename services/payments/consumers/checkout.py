"""Questions of a payer's: what can be paid how, and what our own payment page needs."""

from __future__ import annotations

from faststream.rabbit.subscriber import RabbitSubscriber

from services.payments.consumers import Register
from services.payments.handlers.checkout import Checkout
from shared.contracts.checkout import CheckoutView, GetCheckout, ListMethods, MethodsView
from shared.contracts.payment_commands import Refused
from shared.delivery.server import of


def checkout_questions(checkout: Checkout) -> Register:
    def register(queries: RabbitSubscriber) -> None:
        @queries(filter=of(GetCheckout))
        async def on_get_checkout(query: GetCheckout) -> CheckoutView | Refused:
            return await checkout.session(query)

        @queries(filter=of(ListMethods))
        async def on_list_methods(query: ListMethods) -> MethodsView:
            return await checkout.methods(query)

    return register
