"""Commands of the mock's controls."""

from __future__ import annotations

from faststream.rabbit.subscriber import RabbitSubscriber

from services.payments.consumers import Register
from services.payments.handlers.mock_controls import ControlReply, MockControls
from shared.contracts.mock_controls import TellMockDispute, TellMockPayment
from shared.delivery.server import of


def mock_control_commands(controls: MockControls) -> Register:
    def register(commands: RabbitSubscriber) -> None:
        @commands(filter=of(TellMockPayment))
        async def on_tell_mock_payment(command: TellMockPayment) -> ControlReply:
            return await controls.payment(command)

        @commands(filter=of(TellMockDispute))
        async def on_tell_mock_dispute(command: TellMockDispute) -> ControlReply:
            return await controls.dispute(command)

    return register
