"""Prodamus on the stage: a link that only its payer opens, and notifications as the only word."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import pytest

from services.payments.providers.base import Payouts, Refunds
from services.payments.providers.prodamus.adapter import ProdamusProvider
from shared.money import Money, parse_major
from tests.contract.providers.receiver import Receiver
from tests.contract.providers.stage import Play, Session, TheirCharge
from tests.contract.providers.wiring import adapters_for, check_for
from tests.emulators.prodamus import ProdamusEmulator
from tests.emulators.prodamus.emulator import DEFAULT_PAGE
from tests.emulators.server import EmulatorServer
from tests.integration.payments_world import PaymentsWorld


class ProdamusStage:
    name: Final = "prodamus"
    refunds: Refunds | None = None
    payouts: Payouts | None = None
    sums: Final = (Money(150_050, "rub"), Money(5_000, "usd"), Money(1, "kzt"))
    plays: frozenset[Play] = frozenset({"attempts", "give_up"})
    create_operation = find_operation = refund_operation = ""

    def __init__(self, emulator: ProdamusEmulator, receiver: Receiver) -> None:
        self.emulator = emulator
        self.deliveries = emulator.deliveries
        self.faults = emulator.faults
        settings = {"prodamus_page_url": emulator.page_url(), "prodamus_secret_key": DEFAULT_PAGE.key}
        self.provider: ProdamusProvider = adapters_for(receiver, **settings, prodamus_sys="purser").providers[self.name]  # type: ignore[assignment]
        self.check = check_for(self.name, receiver, prodamus_secret_key=DEFAULT_PAGE.key)

    def attach(self, payments: PaymentsWorld) -> None:
        """Has a book of its own."""

    def hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        raise NotImplementedError

    async def pay(self, session: Session) -> None:
        await self.emulator.control.pay(await self._visit(session))

    async def decline(self, session: Session) -> None:
        await self.emulator.control.decline(await self._visit(session))

    async def pay_with_3ds(self, session: Session, *, passes: bool) -> None:
        raise NotImplementedError

    async def pay_slowly(self, session: Session) -> None:
        raise NotImplementedError

    async def settle_slowly(self, session: Session) -> None:
        raise NotImplementedError

    async def give_up(self, session: Session) -> None:
        await self.emulator.control.cancel(await self._visit(session))

    async def refund_elsewhere(self, session: Session, money: Money) -> None:
        (charge,) = [one for one in self.emulator.control.charges() if one.reference == str(session.session_id)]
        await self.emulator.control.refund_elsewhere(charge.charge, money.major)

    async def fail_refunds(self, session: Session) -> None:
        raise NotImplementedError

    async def dispute(self, session: Session, event: str) -> None:
        raise NotImplementedError

    async def stranger(self) -> None:
        raise NotImplementedError

    async def charges(self) -> list[TheirCharge]:
        return [
            TheirCharge(UUID(one.reference), parse_major(one.amount, one.currency), self._refunded(one.refunded, one.currency))
            for one in self.emulator.control.charges()
        ]

    async def _visit(self, session: Session) -> str:
        return await self.emulator.control.visit(session.payment_url)

    @staticmethod
    def _refunded(amount: str, currency: str) -> int:
        return 0 if not amount.strip("0.") else parse_major(amount, currency).amount_minor


@asynccontextmanager
async def prodamus_stage(receiver: Receiver) -> AsyncIterator[ProdamusStage]:
    emulator = ProdamusEmulator(webhooks_to=receiver.url("prodamus"), time_scale=0.0001)
    async with EmulatorServer(emulator):
        yield ProdamusStage(emulator, receiver)
