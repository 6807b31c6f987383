"""Commands and questions of withdrawals."""

from __future__ import annotations

from faststream.rabbit.subscriber import RabbitSubscriber

from services.payments.consumers import Register
from services.payments.handlers.withdrawals import WithdrawalReply, Withdrawals
from shared.contracts.payment_commands import Refused
from shared.contracts.withdrawals import (
    CreateWithdrawal,
    DecideWithdrawal,
    GetWithdrawal,
    ListWithdrawals,
    WithdrawalPage,
    WithdrawalView,
)
from shared.delivery.server import of


def withdrawal_commands(withdrawals: Withdrawals) -> Register:
    def register(commands: RabbitSubscriber) -> None:
        @commands(filter=of(CreateWithdrawal))
        async def on_create_withdrawal(command: CreateWithdrawal) -> WithdrawalReply:
            return await withdrawals.create(command)

        @commands(filter=of(DecideWithdrawal))
        async def on_decide_withdrawal(command: DecideWithdrawal) -> WithdrawalReply:
            return await withdrawals.decide(command)

    return register


def withdrawal_questions(withdrawals: Withdrawals) -> Register:
    def register(queries: RabbitSubscriber) -> None:
        @queries(filter=of(GetWithdrawal))
        async def on_get_withdrawal(query: GetWithdrawal) -> WithdrawalView | Refused:
            return await withdrawals.get(query)

        @queries(filter=of(ListWithdrawals))
        async def on_list_withdrawals(query: ListWithdrawals) -> WithdrawalPage | Refused:
            return await withdrawals.page(query)

    return register
