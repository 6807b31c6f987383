"""The stand-in for payouts: it has a book of its own, and account numbers choose what becomes of a payout.

Accounts that end in 0001 fail; 0002 stay silent, and say paid only when they are asked about; 0003 are paid and returned 2 s later, which
is told by a signed event, as a bank's would be; all others are paid at once. A return's event (JSON):
{"id","type":"payout.returned","created","data":{"withdrawal_id","reference","amount_minor","currency"}}.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import orjson
import structlog

from services.payments.providers.base import PaidOut, PayoutAnswer, PayoutDeclined, PayoutOrder, Unknown
from services.payments.providers.mock import sign
from shared.contracts.base import new_id
from shared.contracts.payment_events import ProviderEventReceived
from shared.delivery.errors import DeliveryError
from shared.keys import Keys
from shared.money import Money
from shared.postgres import Connection, Pool, is_outage, transaction

log = structlog.get_logger(__name__)

RETURNS_AFTER: Final = timedelta(seconds=2)
_DECLINED: Final = "the account does not exist"
_BATCH: Final = 50
_LEASE: Final = timedelta(seconds=15)
_PAUSE_SECONDS: Final = 0.25

Outcome = Literal["paid", "failed", "returned"]
Publish = Callable[[ProviderEventReceived], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class MockPayout:
    """One payout as it stands in the mock's book; no account number."""

    withdrawal_id: UUID
    money: Money
    provider_reference: str
    outcome: Outcome
    silent: bool
    returns_at: datetime | None

    @property
    def answer(self) -> PayoutAnswer:
        return PayoutDeclined(_DECLINED) if self.outcome == "failed" else PaidOut(self.provider_reference)


class MockPayouts:
    name: Final = "mock"

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def pay_out(self, order: PayoutOrder) -> PayoutAnswer:
        outcome, silent = _behaviour(order.destination["account"])
        async with transaction(self._pool) as tx:
            await tx.execute(
                """
                insert into payments.mock_payouts (withdrawal_id, amount_minor, currency, provider_reference, outcome, silent, returns_at)
                values ($1, $2, $3, $4, $5, $6, case when $5 = 'returned' then clock_timestamp() + $7::interval end)
                on conflict (withdrawal_id) do nothing
                """,
                order.withdrawal_id,
                order.money.amount_minor,
                order.money.currency,
                f"po_{new_id().hex}",
                outcome,
                silent,
                RETURNS_AFTER,
            )
            payout = await _find(tx, order.withdrawal_id)
        assert payout is not None
        return Unknown() if payout.silent else payout.answer

    async def find_payout(self, order: PayoutOrder) -> PayoutAnswer:
        async with transaction(self._pool) as tx:
            payout = await _find(tx, order.withdrawal_id)
        return Unknown() if payout is None else payout.answer


class MockReturns:
    """Tells the returns when they are due; `publish` hands an event on as gateway does, and returns when it is confirmed."""

    def __init__(self, pool: Pool, keys: Keys, publish: Publish) -> None:
        self._pool = pool
        self._keys = keys
        self._publish = publish
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="mock returns")

    async def stop(self) -> None:
        """Ends at once; what was not told is told by whoever runs next."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def tell_due(self) -> int:
        """Tells one batch; how many that were. A crash before the book has it down tells the same event again, once the lease is over."""
        async with transaction(self._pool) as tx:
            rows = await tx.fetch(
                """
                update payments.mock_payouts set return_leased_until = clock_timestamp() + $2::interval
                where withdrawal_id in (
                    select withdrawal_id from payments.mock_payouts
                    where returns_at <= clock_timestamp() and return_told_at is null
                      and (return_leased_until is null or return_leased_until < clock_timestamp())
                    order by returns_at limit $1 for update skip locked
                )
                returning *
                """,
                _BATCH,
                _LEASE,
            )
        if rows:
            await asyncio.gather(*(self._publish(self._event(_payout(row))) for row in rows))
            told = [row["withdrawal_id"] for row in rows]
            async with transaction(self._pool) as tx:
                await tx.execute("update payments.mock_payouts set return_told_at = clock_timestamp() where withdrawal_id = any($1)", told)
        return len(rows)

    async def _run(self) -> None:
        while True:
            try:
                while await self.tell_due() == _BATCH:
                    pass
            except Exception as error:
                if isinstance(error, DeliveryError) or is_outage(error):
                    log.warning("telling the mock's returns was interrupted", error=type(error).__name__)
                else:
                    log.exception("telling the mock's returns failed")
            await asyncio.sleep(_PAUSE_SECONDS)

    def _event(self, payout: MockPayout) -> ProviderEventReceived:
        assert payout.returns_at is not None
        event_id = f"evt_{payout.withdrawal_id.hex}_returned"
        body = orjson.dumps(
            {
                "id": event_id,
                "type": "payout.returned",
                "created": payout.returns_at.isoformat(),
                "data": {
                    "withdrawal_id": str(payout.withdrawal_id),
                    "reference": payout.provider_reference,
                    "amount_minor": payout.money.amount_minor,
                    "currency": payout.money.currency,
                },
            }
        )
        signed = sign(event_id, body, self._keys)
        return ProviderEventReceived(
            correlation_id=event_id, provider=MockPayouts.name, headers=signed.headers, body=base64.b64encode(signed.body)
        )


def _behaviour(account: str) -> tuple[Outcome, bool]:
    """What becomes of a payout to this account, and whether the mock is silent about it. Groups of digits may be spaced."""
    match re.sub(r"[^0-9A-Za-z]", "", account)[-4:]:
        case "0001":
            return "failed", False
        case "0002":
            return "paid", True
        case "0003":
            return "returned", False
        case _:
            return "paid", False


async def _find(tx: Connection, withdrawal_id: UUID) -> MockPayout | None:
    row = await tx.fetchrow("select * from payments.mock_payouts where withdrawal_id = $1", withdrawal_id)
    return None if row is None else _payout(row)


def _payout(row: Any) -> MockPayout:
    return MockPayout(
        withdrawal_id=row["withdrawal_id"],
        money=Money(row["amount_minor"], row["currency"]),
        provider_reference=row["provider_reference"],
        outcome=row["outcome"],
        silent=row["silent"],
        returns_at=row["returns_at"],
    )
