"""The command that transfers money between users, and the question about it."""

from __future__ import annotations

from faststream.rabbit.subscriber import RabbitSubscriber

from services.payments.consumers import Register
from services.payments.handlers.transfers import TransferReply, Transfers
from shared.contracts.payment_commands import Refused
from shared.contracts.transfers import GetUserTransfer, MakeTransfer, UserTransferView
from shared.delivery.server import of


def transfer_commands(transfers: Transfers) -> Register:
    def register(commands: RabbitSubscriber) -> None:
        @commands(filter=of(MakeTransfer))
        async def on_make_transfer(command: MakeTransfer) -> TransferReply:
            return await transfers.make(command)

    return register


def transfer_questions(transfers: Transfers) -> Register:
    def register(queries: RabbitSubscriber) -> None:
        @queries(filter=of(GetUserTransfer))
        async def on_get_user_transfer(query: GetUserTransfer) -> UserTransferView | Refused:
            return await transfers.one(query)

    return register
