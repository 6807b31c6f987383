"""The mock on the stage: its book lies in the world's database, and its events take everybody's road."""

from __future__ import annotations

import base64
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import orjson
import pytest

from services.gateway.signatures import mock as signature
from services.payments.providers.base import Payouts, Refunds
from services.payments.providers.mock.adapter import SIGNATURE_LABEL, MockProvider
from services.payments.providers.mock.refunds import MockRefunds
from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_commands import MockSessionDecided
from shared.keys import Keys
from shared.money import Money
from tests.contract.providers.receiver import Receiver
from tests.contract.providers.stage import Play, Session, TheirCharge
from tests.emulators.deliveries import Attempt, Deliveries, Delivery
from tests.emulators.faults import Faults
from tests.integration.payments_world import SECRET, PaymentsWorld, complete_command

_KEYS: Final = Keys((SECRET,))


class MockStage:
    name: Final = "mock"
    payouts: Payouts | None = None
    sums: Final = (Money(200_000, "rsd"), Money(5_000, "jpy"), Money(5_000, "kwd"))
    plays: frozenset[Play] = frozenset({"refund_elsewhere", "fail_refunds", "disputes"})
    create_operation = find_operation = refund_operation = ""

    def __init__(self, receiver: Receiver) -> None:
        self._url = receiver.url(self.name)
        self.deliveries = Deliveries(retry_seconds=[1.0] * 10, accepted=lambda status, _: status == 200, time_scale=0.001)
        self.faults = Faults()
        self.check = lambda received, now: signature.verify(received, _KEYS.verifying(signature.LABEL), now)
        self._payments: PaymentsWorld | None = None
        self._refunds: dict[UUID, list[tuple[str, Money]]] = {}
        self._disputes: dict[UUID, str] = {}

    def attach(self, payments: PaymentsWorld) -> None:
        self._payments = payments

    @property
    def payments(self) -> PaymentsWorld:
        assert self._payments is not None
        return self._payments

    @property
    def provider(self) -> MockProvider:
        return self.payments.mock

    @property
    def refunds(self) -> Refunds | None:
        return None if self._payments is None else MockRefunds(self.payments.pool)

    def hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        raise NotImplementedError

    async def pay(self, session: Session) -> None:
        await self._decide(session, "success")

    async def decline(self, session: Session) -> None:
        await self._decide(session, "failure")

    async def pay_with_3ds(self, session: Session, *, passes: bool) -> None:
        raise NotImplementedError

    async def pay_slowly(self, session: Session) -> None:
        raise NotImplementedError

    async def settle_slowly(self, session: Session) -> None:
        raise NotImplementedError

    async def give_up(self, session: Session) -> None:
        raise NotImplementedError

    async def refund_elsewhere(self, session: Session, money: Money) -> None:
        reference = f"re_{new_id().hex}"
        self._refunds.setdefault(session.session_id, []).append((reference, money))
        await self._tell("refund.updated", session, money, refund=reference, refund_id=None, status="succeeded")

    async def fail_refunds(self, session: Session) -> None:
        for row in await self._mock_refunds(session.session_id):
            money = Money(row["amount_minor"], row["currency"])
            await self.payments.rows(
                "update payments.mock_refunds set fails_at = greatest(settles_at, clock_timestamp()) where refund_id = $1 returning 1",
                row["refund_id"],
            )
            await self._tell(
                *("refund.updated", session, money),
                refund=row["provider_reference"],
                refund_id=str(row["refund_id"]),
                status="failed",
                reason="came back",
            )

    async def dispute(self, session: Session, event: str) -> None:
        (row,) = await self._sessions("where session_id = $1", session.session_id)
        self._disputes[session.session_id] = event
        await self._tell(f"dispute.{event}", session, Money(row["amount_minor"], row["currency"]), dispute=f"dp_{session.session_id.hex}")

    async def stranger(self) -> None:
        raise NotImplementedError

    async def charges(self) -> list[TheirCharge]:
        charges = []
        for row in await self._sessions("where charge_reference is not null"):
            session_id, money = row["session_id"], Money(row["amount_minor"], row["currency"])
            elsewhere = sum(money.amount_minor for _, money in self._refunds.get(session_id, []))
            ours = sum(one["amount_minor"] for one in await self._mock_refunds(session_id) if one["fails_at"] is None)
            disputed = money.amount_minor if self._disputes.get(session_id) in ("opened", "lost") else 0
            charges.append(TheirCharge(session_id, money, elsewhere + ours, disputed))
        return charges

    async def _decide(self, session: Session, outcome: str) -> None:
        (row,) = await self._sessions("where session_id = $1", session.session_id)
        command = complete_command(session.session_id, outcome=outcome, user_id=row["owner"])
        decided = (await self.payments.mock_sessions.complete(command)).answer
        assert isinstance(decided, MockSessionDecided), decided
        self._send(decided.event.headers["webhook-id"], decided.event.body)

    async def _tell(self, kind: str, session: Session, money: Money, **data: Any) -> None:
        event_id = f"evt_{new_id().hex}"
        (row,) = await self._sessions("where session_id = $1", session.session_id)
        told = {
            "session_id": str(session.session_id),
            "charge": row["charge_reference"],
            "amount_minor": money.amount_minor,
            "currency": money.currency,
        }
        body = orjson.dumps({"id": event_id, "type": kind, "created": utc_now().isoformat(), "data": told | data})
        self._send(event_id, body)

    def _send(self, event_id: str, body: bytes) -> None:
        def signed(attempt: Attempt) -> tuple[Mapping[str, str], bytes]:
            timestamp = str(int(attempt.at))
            key = b"somebody else's key" if attempt.forged else _KEYS.signing(SIGNATURE_LABEL)
            digest = hmac.digest(key, f"{event_id}.{timestamp}.".encode() + body, sha256)
            headers = {"content-type": "application/json", "webhook-id": event_id, "webhook-timestamp": timestamp}
            return headers | {"webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}, body

        self.deliveries.send(Delivery(event_id, self._url, signed))

    async def _sessions(self, where: str, *arguments: Any) -> list[dict[str, Any]]:
        return await self.payments.rows(f"select * from payments.mock_sessions {where}", *arguments)  # noqa: S608

    async def _mock_refunds(self, session_id: UUID) -> list[dict[str, Any]]:
        return await self.payments.rows("select * from payments.mock_refunds where session_id = $1 and declined is null", session_id)


@asynccontextmanager
async def mock_stage(receiver: Receiver) -> AsyncIterator[MockStage]:
    stage = MockStage(receiver)
    await stage.deliveries.start()
    try:
        yield stage
    finally:
        await stage.deliveries.stop()
