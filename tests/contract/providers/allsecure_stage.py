"""AllSecure on the stage: hosted pages, callbacks, a status to ask for, and chargebacks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import pytest

from shared.money import Money
from tests.contract.allsecure_merchant import JSON, signature
from tests.contract.providers.receiver import Receiver
from tests.contract.providers.stage import Play, Session, TheirCharge
from tests.contract.providers.wiring import adapters_for, check_for
from tests.emulators.allsecure import AllSecureEmulator
from tests.emulators.allsecure.connectors import CARDS, Limits
from tests.emulators.server import EmulatorServer
from tests.integration.payments_world import PaymentsWorld

_SECRET: Final = {"allsecure_shared_secret": CARDS.shared_secret}
CREDENTIALS: Final = {
    **_SECRET,
    "allsecure_api_key": CARDS.api_key,
    "allsecure_username": CARDS.username,
    "allsecure_password": CARDS.password,
}


class AllSecureStage:
    name: Final = "allsecure"
    sums: Final = (Money(200_000, "rsd"), Money(5_000, "jpy"), Money(5_125, "kwd"))
    plays: frozenset[Play] = frozenset(
        {"3ds", "give_up", "refund_elsewhere", "fail_refunds", "disputes", "faults", "strangers", "confirm", "slow"}
    )
    create_operation = "debit"
    find_operation = "status"
    refund_operation = "refund"

    def __init__(self, emulator: AllSecureEmulator, receiver: Receiver) -> None:
        self.emulator = emulator
        self.deliveries = emulator.deliveries
        self.faults = emulator.faults
        self.adapters = adapters_for(receiver, **CREDENTIALS, allsecure_base_url=emulator.base_url, allsecure_questions_per_minute=10_000)
        self.provider = self.adapters.providers[self.name]
        self.refunds = self.adapters.refunds[self.name]
        self.payouts = self.adapters.payouts[self.name]
        self.check = check_for(self.name, receiver, **_SECRET)
        self._callback_url = receiver.url(self.name)

    def attach(self, payments: PaymentsWorld) -> None:
        """Has a book of its own."""

    def hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        client: Any = getattr(self.provider, "_client")  # noqa: B009 - a test reaches in
        monkeypatch.setattr(client, "_answer_seconds", 0.3)
        monkeypatch.setattr(client, "_call_seconds", 0.5)

    async def pay(self, session: Session) -> None:
        await self.emulator.control.pay(str(session.session_id))

    async def decline(self, session: Session) -> None:
        await self.emulator.control.decline(str(session.session_id))

    async def pay_with_3ds(self, session: Session, *, passes: bool) -> None:
        await self.emulator.control.require_3ds(str(session.session_id), passes)

    async def pay_slowly(self, session: Session) -> None:
        await self.emulator.control.pend(str(session.session_id))

    async def settle_slowly(self, session: Session) -> None:
        await self.emulator.control.settle(str(session.session_id))

    async def give_up(self, session: Session) -> None:
        await self.emulator.control.cancel(str(session.session_id))

    async def refund_elsewhere(self, session: Session, money: Money) -> None:
        await self.emulator.control.refund_elsewhere(str(session.session_id), money.amount_minor)

    async def fail_refunds(self, session: Session) -> None:
        charge = self._charge(session)
        for refund in self.emulator.control.refunds():
            if refund.charge == charge.charge:
                await self.emulator.control.fail_refund(refund.refund)

    async def dispute(self, session: Session, event: str) -> None:
        await self.emulator.control.dispute(str(session.session_id), event)

    async def stranger(self) -> None:
        """Another shop of the same merchant, whose ids are none of ours."""
        reference = f"shop-{uuid4().hex[:12]}"
        path = f"/api/v3/transaction/{CARDS.api_key}/debit"
        asked = {"merchantTransactionId": reference, "amount": "12.50", "currency": "EUR", "callbackUrl": self._callback_url}
        returns = dict.fromkeys(("successUrl", "cancelUrl", "errorUrl"), "https://shop.example.org/")
        body, date = json.dumps(asked | returns).encode(), format_datetime(datetime.now(UTC), usegmt=True)
        headers = {"Content-Type": JSON, "Date": date, "X-Signature": signature("POST", body, JSON, date, path)}
        async with httpx.AsyncClient(trust_env=False, auth=(CARDS.username, CARDS.password)) as client:
            answer = await client.post(f"{self.emulator.base_url}{path}", content=body, headers=headers)
        assert answer.json()["returnType"] == "REDIRECT", answer.text
        await self.emulator.control.pay(reference)

    async def charges(self) -> list[TheirCharge]:
        return [
            TheirCharge(UUID(one.reference), Money(one.amount_minor, one.currency.lower()), one.refunded_minor, one.charged_back_minor)
            for one in self.emulator.control.charges()
            if _is_ours(one.reference)
        ]

    def _charge(self, session: Session) -> Any:
        (charge,) = [one for one in self.emulator.control.charges() if one.reference == str(session.session_id)]
        return charge


def _is_ours(reference: str) -> bool:
    try:
        return str(UUID(reference)) == reference
    except ValueError:
        return False


@asynccontextmanager
async def allsecure_stage(receiver: Receiver) -> AsyncIterator[AllSecureStage]:
    # The rate of questions has tests of its own.
    limits = Limits(per_user=100_000, per_transaction=100_000)
    emulator = AllSecureEmulator(webhooks_to=receiver.base_url, limits=limits, time_scale=0.0001, seed=1)
    async with EmulatorServer(emulator):
        stage = AllSecureStage(emulator, receiver)
        try:
            yield stage
        finally:
            await stage.adapters.close()
