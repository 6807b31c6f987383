"""Asks wallet to hold and move money. A wallet's silence is not an answer: the same command is asked again until it tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import structlog
from pydantic import TypeAdapter

from shared.contracts.base import Message
from shared.contracts.payment_commands import Refused
from shared.contracts.queries import BalancesView, GetBalances, GetTransfer, TransferView
from shared.contracts.wallet_commands import (
    FundsMoved,
    FundsReserved,
    HoldReleased,
    HoldSettled,
    MoveFunds,
    MoveFundsAnswer,
    ReleaseHold,
    ReleaseHoldAnswer,
    ReserveFunds,
    ReserveFundsAnswer,
    SettleHold,
    SettleHoldAnswer,
)
from shared.delivery.errors import DeliveryError
from shared.delivery.requests import Requests

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

_TIMEOUT_SECONDS: Final = 5.0
_POSTED_WAIT_SECONDS: Final = 2.0

AT_ONCE: Final = 25
"""Half of payments.commands' prefetch: whoever waits for a silent wallet holds one of its deliveries, and what needs none must go on."""

_TURN_SECONDS: Final = 0.5

_MOVED: Final[TypeAdapter[FundsMoved | Refused]] = TypeAdapter(MoveFundsAnswer)
_RESERVED: Final[TypeAdapter[FundsReserved | Refused]] = TypeAdapter(ReserveFundsAnswer)
_SETTLED: Final[TypeAdapter[HoldSettled | Refused]] = TypeAdapter(SettleHoldAnswer)
_RELEASED: Final[TypeAdapter[HoldReleased | Refused]] = TypeAdapter(ReleaseHoldAnswer)
_BALANCES: Final[TypeAdapter[BalancesView]] = TypeAdapter(BalancesView)
_TRANSFER: Final[TypeAdapter[TransferView]] = TypeAdapter(TransferView)


class Silent(Exception):
    """Wallet did not answer: it may or may not have done it. Asked again with the same reference, it tells."""


class NotPostedYet(Silent):
    """The credit that this waits for is still on its way."""


class Ledger:
    """Every method raises Silent when wallet did not answer, or too many wait for it to do so already; and returns Refused only for a
    decision against it."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def move(self, command: MoveFunds) -> FundsMoved | Refused:
        return _decided(await self._ask(command, _MOVED))

    async def reserve(self, command: ReserveFunds) -> FundsReserved | Refused:
        return _decided(await self._ask(command, _RESERVED))

    async def settle(self, command: SettleHold) -> HoldSettled | Refused:
        return _decided(await self._ask(command, _SETTLED))

    async def release(self, command: ReleaseHold) -> HoldReleased | Refused:
        return _decided(await self._ask(command, _RELEASED))

    async def available(self, user_id: str, currency: str, correlation_id: str) -> int:
        """What the user has available now, in minor units; it may have changed by the time this is read."""
        view = await self._ask(GetBalances(user_ids=(user_id,), currency=currency, correlation_id=correlation_id), _BALANCES)
        return sum(balance.available_minor for balance in view.balances)

    async def posted(self, reference: str, correlation_id: str) -> bool:
        """Is this reference in the journal? Waits a little for one that is still on its way."""
        view = await self._ask(
            GetTransfer(reference=reference, wait_seconds=_POSTED_WAIT_SECONDS, correlation_id=correlation_id), _TRANSFER
        )
        return view.posted

    async def _ask(self, message: Message, answers: TypeAdapter[Answer]) -> Answer:
        try:
            async with self._turn(message):
                return await self._requests.ask(message, answers, timeout_seconds=_TIMEOUT_SECONDS)
        except DeliveryError as error:
            log.warning("wallet did not answer", asked=message.TYPE, error=type(error).__name__, correlation_id=message.correlation_id)
            raise Silent(message.TYPE) from error

    @asynccontextmanager
    async def _turn(self, message: Message) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            log.warning("too many wait for wallet", asked=message.TYPE, correlation_id=message.correlation_id)
            raise Silent(message.TYPE) from None
        try:
            yield
        finally:
            self._turns.release()


def _decided(answer: Answer) -> Answer:
    if isinstance(answer, Refused) and answer.code == "credit_not_posted":
        raise NotPostedYet(answer.detail)
    return answer
