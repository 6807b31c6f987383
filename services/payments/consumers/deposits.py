"""Commands of top-ups and of the mock's sessions."""

from __future__ import annotations

from faststream.rabbit.subscriber import RabbitSubscriber

from services.payments.consumers import Register
from services.payments.handlers.deposits import DepositReply, Deposits
from services.payments.handlers.mock_sessions import MockReply, MockSessions
from shared.contracts.payment_commands import CompleteMockSession, CreateDeposit
from shared.delivery.server import of


def deposit_commands(deposits: Deposits, mock_sessions: MockSessions) -> Register:
    def register(commands: RabbitSubscriber) -> None:
        @commands(filter=of(CreateDeposit))
        async def on_create_deposit(command: CreateDeposit) -> DepositReply:
            return await deposits.create(command)

        @commands(filter=of(CompleteMockSession))
        async def on_complete_mock_session(command: CompleteMockSession) -> MockReply:
            return await mock_sessions.complete(command)

    return register
