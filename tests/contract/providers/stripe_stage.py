"""Stripe on the stage: the real library against an account of the stand-in, a payer with cards, a bank that disputes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import pytest

from services.payments.providers.base import Payouts
from shared.money import Money
from tests.contract.providers.receiver import Receiver
from tests.contract.providers.stage import Play, Session, TheirCharge
from tests.contract.providers.wiring import adapters_for, check_for
from tests.emulators.server import EmulatorServer
from tests.emulators.stripe import StripeEmulator
from tests.emulators.stripe.emulator import TEST_WEBHOOK_SECRET
from tests.integration.payments_world import PaymentsWorld

_TIMES: Final = {"isk": 100, "ugx": 100}
"""Currencies without decimals whose sums Stripe writes with two (https://docs.stripe.com/currencies, special cases)."""
_EVENTS: Final = {"opened": "open", "won": "win", "lost": "lose"}


class StripeStage:
    name: Final = "stripe"
    payouts: Payouts | None = None
    sums: Final = (
        Money(5_000, "usd"),
        Money(5_000, "jpy"),
        Money(5_120, "kwd"),
        Money(700, "isk"),
        Money(40_000, "ugx"),
        Money(500_000, "mga"),
    )
    plays: frozenset[Play] = frozenset(
        {"3ds", "attempts", "refund_elsewhere", "fail_refunds", "disputes", "faults", "strangers", "confirm", "slow"}
    )
    create_operation = "create_payment_intent"
    find_operation = "retrieve_payment_intent"
    refund_operation = "create_refund"

    def __init__(self, emulator: StripeEmulator, receiver: Receiver) -> None:
        self.emulator = emulator
        self.deliveries = emulator.deliveries
        self.faults = emulator.faults
        self.adapters = adapters_for(receiver, stripe_secret_key=emulator.keys.secret, stripe_api_base=emulator.base_url)
        self.provider = self.adapters.providers[self.name]
        self.refunds = self.adapters.refunds[self.name]
        self.check = check_for(
            self.name, receiver, stripe_webhook_secret=TEST_WEBHOOK_SECRET, stripe_publishable_key=emulator.keys.publishable
        )

    def attach(self, payments: PaymentsWorld) -> None:
        """Has a book of its own."""

    def hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("services.payments.providers.stripe.client.CALL_SECONDS", 0.5)

    async def pay(self, session: Session) -> None:
        await self.emulator.control.pay(_intent(session))

    async def decline(self, session: Session) -> None:
        await self.emulator.control.decline(_intent(session))

    async def pay_with_3ds(self, session: Session, *, passes: bool) -> None:
        await self.emulator.control.require_3ds(_intent(session), passes)

    async def pay_slowly(self, session: Session) -> None:
        await self.emulator.control.pay_slowly(_intent(session))

    async def settle_slowly(self, session: Session) -> None:
        await self.emulator.control.settle(_intent(session), True)

    async def give_up(self, session: Session) -> None:
        raise NotImplementedError

    async def refund_elsewhere(self, session: Session, money: Money) -> None:
        await self.emulator.control.refund_elsewhere(_intent(session), _theirs(money))

    async def fail_refunds(self, session: Session) -> None:
        for refund in self.emulator.control.refunds():
            if refund.reference == _intent(session):
                await self.emulator.control.fail_refund(refund.refund)

    async def dispute(self, session: Session, event: str) -> None:
        await self.emulator.control.dispute(_intent(session), _EVENTS[event])

    async def stranger(self) -> None:
        await self.emulator.control.pay_elsewhere(1_250, "eur")

    async def charges(self) -> list[TheirCharge]:
        return [self._charge(one) for one in self.emulator.control.charges() if "purser_session_id" in one.metadata]

    def _charge(self, one: Any) -> TheirCharge:
        disputed = sum(
            dispute.amount_minor for dispute in self.emulator.control.disputes() if dispute.reference == one.reference and dispute.withdrawn
        )
        sums = [_ours(minor, one.currency) for minor in (one.amount_minor, one.refunded_minor, disputed)]
        return TheirCharge(UUID(one.metadata["purser_session_id"]), Money(sums[0], one.currency), sums[1], sums[2])


def _intent(session: Session) -> str:
    assert session.client_secret is not None
    return session.client_secret.partition("_secret_")[0]


def _ours(minor: int, currency: str) -> int:
    if currency == "mga":  # without decimals at Stripe, with two in ISO 4217
        return minor * 100
    whole, rest = divmod(minor, _TIMES.get(currency, 1))
    assert rest == 0
    return whole


def _theirs(money: Money) -> int:
    return money.amount_minor // 100 if money.currency == "mga" else money.amount_minor * _TIMES.get(money.currency, 1)


@asynccontextmanager
async def stripe_stage(receiver: Receiver) -> AsyncIterator[StripeStage]:
    emulator = StripeEmulator(webhooks_to=receiver.url("stripe"), time_scale=0.0001, seed=1)
    async with EmulatorServer(emulator):
        stage = StripeStage(emulator, receiver)
        try:
            yield stage
        finally:
            await stage.adapters.close()
