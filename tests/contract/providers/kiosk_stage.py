"""Kiosk on the stage: the guide's example, in the suite like any other provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from uuid import UUID

import httpx
import pytest

from services.gateway.ingress import Check
from services.payments.domain.return_pages import ReturnPages
from services.payments.providers.base import Payouts, Provider, Refunds
from shared.money import EXPONENTS, Money
from tests.contract.providers.kiosk.adapter import KioskProvider, KioskRefunds
from tests.contract.providers.kiosk.book import DisputeState
from tests.contract.providers.kiosk.client import KioskClient
from tests.contract.providers.kiosk.control import Charge
from tests.contract.providers.kiosk.emulator import API_KEY, SECRET, KioskEmulator
from tests.contract.providers.kiosk.signature import verify
from tests.contract.providers.receiver import Receiver
from tests.contract.providers.stage import Play, Session, TheirCharge
from tests.emulators.server import EmulatorServer
from tests.integration.payments_world import PaymentsWorld


class KioskStage:
    name: str = "kiosk"
    payouts: Payouts | None = None
    sums: Sequence[Money] = (Money(1_250, "eur"), Money(5_000, "jpy"), Money(5_125, "kwd"))
    plays: frozenset[Play] = frozenset(
        {"3ds", "attempts", "give_up", "refund_elsewhere", "fail_refunds", "disputes", "faults", "strangers", "confirm"}
    )
    create_operation = "create_payment"
    find_operation = "get_payment"
    refund_operation = "create_refund"

    def __init__(self, emulator: KioskEmulator, client: KioskClient, receiver: Receiver) -> None:
        self.emulator = emulator
        self.deliveries = emulator.deliveries
        self.faults = emulator.faults
        # A provider of the project's own is made by real_adapters and build_checks from settings: see wiring.py.
        self.provider: Provider = KioskProvider(client, ReturnPages(receiver.base_url), receiver.url(self.name))
        self.refunds: Refunds | None = KioskRefunds(client)
        self.check: Check = lambda received, now: verify(received, (SECRET,), now)
        self._notify_url = receiver.url(self.name)
        self._strangers = 0

    def attach(self, payments: PaymentsWorld) -> None:
        """Has a book of its own."""

    def hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tests.contract.providers.kiosk.client.CALL_SECONDS", 0.5)

    async def pay(self, session: Session) -> None:
        await self.emulator.control.pay(str(session.session_id))

    async def decline(self, session: Session) -> None:
        await self.emulator.control.decline(str(session.session_id))

    async def pay_with_3ds(self, session: Session, *, passes: bool) -> None:
        await self.emulator.control.require_3ds(str(session.session_id), passes)

    async def pay_slowly(self, session: Session) -> None:
        raise NotImplementedError

    async def settle_slowly(self, session: Session) -> None:
        raise NotImplementedError

    async def give_up(self, session: Session) -> None:
        await self.emulator.control.cancel(str(session.session_id))

    async def refund_elsewhere(self, session: Session, money: Money) -> None:
        await self.emulator.control.refund_elsewhere(self._charge(session).charge, money.major)

    async def fail_refunds(self, session: Session) -> None:
        charge = self._charge(session).charge
        for refund in self.emulator.control.refunds():
            if refund["charge"] == charge and refund["state"] == "done":
                await self.emulator.control.fail_refund(str(refund["refund"]))

    async def dispute(self, session: Session, event: str) -> None:
        states: dict[str, DisputeState] = {"opened": "opened", "won": "won", "lost": "lost"}
        await self.emulator.control.dispute(self._charge(session).charge, states[event])

    async def stranger(self) -> None:
        self._strangers += 1
        asked = {"reference": f"till-4-{self._strangers}", "amount": "12.50", "currency": "EUR", "description": "a newspaper"}
        urls = {"return_url": "https://shop.example.org/", "notify_url": self._notify_url}
        async with httpx.AsyncClient(trust_env=False, headers={"authorization": f"Bearer {API_KEY}"}) as till:
            (await till.post(f"{self.emulator.base_url}/payments", json=asked | urls)).raise_for_status()
        await self.emulator.control.pay(asked["reference"])

    async def charges(self) -> list[TheirCharge]:
        return [
            TheirCharge(
                UUID(one.reference), _money(one.amount, one), _money(one.refunded, one).amount_minor, _money(one.disputed, one).amount_minor
            )
            for one in self.emulator.control.charges()
            if not one.reference.startswith("till-")
        ]

    def _charge(self, session: Session) -> Charge:
        (charge,) = [one for one in self.emulator.control.charges() if one.reference == str(session.session_id)]
        return charge


def _money(amount: str, charge: Charge) -> Money:
    """Exact; read here in another way than the adapter does."""
    currency = charge.currency.lower()
    minor = Decimal(amount).scaleb(EXPONENTS[currency])
    assert minor == minor.to_integral_value()
    return Money(int(minor), currency)


@asynccontextmanager
async def kiosk_stage(receiver: Receiver) -> AsyncIterator[KioskStage]:
    emulator = KioskEmulator(webhooks_to=receiver.url("kiosk"), time_scale=0.0001, seed=1)
    async with EmulatorServer(emulator):
        client = KioskClient(emulator.base_url, API_KEY)
        try:
            yield KioskStage(emulator, client, receiver)
        finally:
            await client.close()
