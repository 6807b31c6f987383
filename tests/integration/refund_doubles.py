"""What refunds work with, steered by tests: wallet's real handlers and the real mock, whose commands and answers can get lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from services.payments.ledger import NotPostedYet, Silent
from services.payments.providers.base import FoundRefund, RefundAnswer, RefundOrder, Unknown
from services.payments.providers.mock.refunds import MockRefunds
from shared.contracts.base import Message
from shared.contracts.payment_commands import Refused
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
from tests.integration.funds_world import funds
from tests.integration.wallet_world import WalletWorld

Answer = TypeVar("Answer")


class SteeredLedger:
    """Wallet's real handlers; commands can be lost on their way there, or their answers on the way back."""

    def __init__(self, book: WalletWorld) -> None:
        self.book = book
        self.asked: list[Message] = []
        self.lost: Counter[type[Message]] = Counter()
        self.unheard: Counter[type[Message]] = Counter()
        self._funds = funds(book)

    async def move(self, command: MoveFunds) -> FundsMoved | Refused:
        return await self._do(command, self._funds.move)

    async def reserve(self, command: ReserveFunds) -> FundsReserved | Refused:
        return await self._do(command, self._funds.reserve)

    async def settle(self, command: SettleHold) -> HoldSettled | Refused:
        return await self._do(command, self._funds.settle)

    async def release(self, command: ReleaseHold) -> HoldReleased | Refused:
        return await self._do(command, self._funds.release)

    async def posted(self, reference: str, correlation_id: str) -> bool:
        return bool(await self.book.rows("select 1 from wallet.transfers where reference = $1", reference))

    async def available(self, user_id: str, currency: str, correlation_id: str) -> int:
        return (await self.book.balance(user_id, currency))[0]

    async def _do(self, command: Any, work: Callable[[Any], Awaitable[Answer]]) -> Answer:
        self.asked.append(command)
        if self.lost[type(command)] > 0:
            self.lost[type(command)] -= 1
            raise Silent(command.TYPE)
        answer = await work(command)
        if self.unheard[type(command)] > 0:
            self.unheard[type(command)] -= 1
            raise Silent(command.TYPE)
        if isinstance(answer, Refused) and answer.code == "credit_not_posted":
            raise NotPostedYet(answer.detail)
        return answer


class SteeredRefunds:
    """The mock; requests can be lost on their way there, or their answers on the way back; `mute`: it tells nothing of what it has."""

    def __init__(self, mock: MockRefunds) -> None:
        self.mute = False
        self.mock = mock
        self.sent: list[RefundOrder] = []
        self.lost = 0
        self.unheard = 0

    async def refund(self, order: RefundOrder) -> RefundAnswer:
        self.sent.append(order)
        if self.lost > 0:
            self.lost -= 1
            return Unknown()
        answer = await self.mock.refund(order)
        if self.unheard > 0:
            self.unheard -= 1
            return Unknown()
        return answer

    async def find_refund(self, order: RefundOrder) -> FoundRefund:
        return Unknown() if self.mute else await self.mock.find_refund(order)


@dataclass
class FakeWithdrawals:
    """A user's unsent withdrawals: holds of wallet, which are released when they are canceled."""

    ledger: SteeredLedger
    holds: list[tuple[str, int]] = field(default_factory=list)
    canceled: list[str] = field(default_factory=list)

    async def cancel_for(self, user_id: str, currency: str, needed_minor: int, reason: str, actor: str, correlation_id: str) -> int:
        freed_minor = 0
        while freed_minor < needed_minor and self.holds:
            reference, amount_minor = self.holds.pop()
            await self.ledger.release(ReleaseHold(correlation_id=correlation_id, reference=reference))
            self.canceled.append(reference)
            freed_minor += amount_minor
        return freed_minor
