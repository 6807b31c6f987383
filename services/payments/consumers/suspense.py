"""The command that decides a suspense item, and the questions about them."""

from __future__ import annotations

from faststream.rabbit.subscriber import RabbitSubscriber

from services.payments.consumers import Register
from services.payments.handlers.suspense import Suspense, SuspenseReply
from shared.contracts.payment_commands import Refused
from shared.contracts.suspense import DecideSuspenseItem, GetSuspenseItem, ListSuspenseItems, SuspenseItemView, SuspensePage
from shared.delivery.server import of


def suspense_commands(suspense: Suspense) -> Register:
    def register(commands: RabbitSubscriber) -> None:
        @commands(filter=of(DecideSuspenseItem))
        async def on_decide_suspense_item(command: DecideSuspenseItem) -> SuspenseReply:
            return await suspense.decide(command)

    return register


def suspense_questions(suspense: Suspense) -> Register:
    def register(queries: RabbitSubscriber) -> None:
        @queries(filter=of(GetSuspenseItem))
        async def on_get_suspense_item(query: GetSuspenseItem) -> SuspenseItemView | Refused:
            return await suspense.one(query)

        @queries(filter=of(ListSuspenseItems))
        async def on_list_suspense_items(query: ListSuspenseItems) -> SuspensePage | Refused:
            return await suspense.page(query)

    return register
