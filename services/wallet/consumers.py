"""What arrives at wallet: completed payments in bulk, commands, and questions."""

from __future__ import annotations

from typing import Final

from faststream.rabbit import RabbitBroker

from services.wallet.handlers.credits import Credits
from services.wallet.handlers.funds import Funds
from services.wallet.handlers.questions import Questions
from shared.contracts.operator import GetHeld, HeldView
from shared.contracts.payment_commands import Refused
from shared.contracts.payment_events import PaymentCompleted
from shared.contracts.queries import (
    BalancesView,
    GetBalances,
    GetTransfer,
    GetWalletHealth,
    HealthView,
    ListTransactions,
    ListTransfers,
    OpenStream,
    StreamOpened,
    TransactionPage,
    TransfersView,
    TransferView,
)
from shared.contracts.topology import WALLET_COMMANDS, WALLET_PAYMENT_COMPLETED, WALLET_QUERIES
from shared.contracts.wallet_commands import (
    FundsMoved,
    FundsReserved,
    HoldReleased,
    HoldSettled,
    MoveFunds,
    ReleaseHold,
    ReserveFunds,
    SettleHold,
)
from shared.delivery.broker import BrokerLink
from shared.delivery.consumer import BatchConsumer
from shared.delivery.publisher import Publisher
from shared.delivery.server import of, serve

BATCH_EVENTS: Final = 200
"""A batch is taken to the ledger when it has this many credits: past it a batch only takes longer, not less a credit. The last envelope
may bring ENVELOPE_EVENTS more, which stays well below store.MAX_BATCH."""


def consume_credits(link: BrokerLink, publisher: Publisher, credits: Credits) -> BatchConsumer[PaymentCompleted]:
    return BatchConsumer(link, WALLET_PAYMENT_COMPLETED, credits, publisher, max_events=BATCH_EVENTS)


def take_commands(broker: RabbitBroker, publisher: Publisher, funds: Funds) -> None:
    router, subscriber = serve(WALLET_COMMANDS, publisher)

    @subscriber(filter=of(MoveFunds))
    async def on_move_funds(command: MoveFunds) -> FundsMoved | Refused:
        return await funds.move(command)

    @subscriber(filter=of(ReserveFunds))
    async def on_reserve_funds(command: ReserveFunds) -> FundsReserved | Refused:
        return await funds.reserve(command)

    @subscriber(filter=of(SettleHold))
    async def on_settle_hold(command: SettleHold) -> HoldSettled | Refused:
        return await funds.settle(command)

    @subscriber(filter=of(ReleaseHold))
    async def on_release_hold(command: ReleaseHold) -> HoldReleased | Refused:
        return await funds.release(command)

    broker.include_router(router)


def answer_questions(broker: RabbitBroker, publisher: Publisher, questions: Questions) -> None:
    router, subscriber = serve(WALLET_QUERIES, publisher)

    @subscriber(filter=of(GetTransfer))
    async def get_transfer(question: GetTransfer) -> TransferView:
        return await questions.get_transfer(question)

    @subscriber(filter=of(GetBalances))
    async def get_balances(question: GetBalances) -> BalancesView:
        return await questions.get_balances(question)

    @subscriber(filter=of(ListTransactions))
    async def list_transactions(question: ListTransactions) -> TransactionPage | Refused:
        return await questions.list_transactions(question)

    @subscriber(filter=of(ListTransfers))
    async def list_transfers(question: ListTransfers) -> TransfersView:
        return await questions.list_transfers(question)

    @subscriber(filter=of(GetHeld))
    async def get_held(question: GetHeld) -> HeldView:
        return await questions.get_held()

    @subscriber(filter=of(OpenStream))
    async def open_stream(question: OpenStream) -> StreamOpened:
        return await questions.open_stream(question)

    @subscriber(filter=of(GetWalletHealth))
    async def get_wallet_health(question: GetWalletHealth) -> HealthView:
        return await questions.get_health()

    broker.include_router(router)
