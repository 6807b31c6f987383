"""The stand-in for payouts: it has a book of its own, and account numbers choose what becomes of a payout.

Accounts that end in 0001 fail; 0002 stay silent, and say paid only when they are asked about; 0003 are paid and returned 2 s later, which
is told by a signed event, as a bank's would be; all others are paid at once. A return's event (JSON):
{"id","type":"payout.returned","created","data":{"withdrawal_id","reference","amount_minor","currency"}}.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import orjson

from services.payments.providers.base import PaidOut, PayoutAnswer, PayoutDeclined, PayoutOrder, Unknown
from services.payments.providers.mock.telling import LEASE, Telling
from shared.contracts.base import new_id
from shared.money import Money
from shared.postgres import Connection, Pool, transaction

RETURNS_AFTER: Final = timedelta(seconds=2)
_DECLINED: Final = "the account does not exist"

Outcome = Literal["paid", "failed", "returned"]


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


class MockReturns(Telling):
    what = "returns of the mock's payouts"
    batch = 50

    async def tell_due(self) -> int:
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
                self.batch,
                LEASE,
            )
        if rows:
            await self._publish_all([_returned(_payout(row)) for row in rows])
            told = [row["withdrawal_id"] for row in rows]
            async with transaction(self._pool) as tx:
                await tx.execute("update payments.mock_payouts set return_told_at = clock_timestamp() where withdrawal_id = any($1)", told)
        return len(rows)


def _returned(payout: MockPayout) -> tuple[str, bytes, str]:
    """The event that tells its return."""
    assert payout.returns_at is not None
    event_id = f"evt_{payout.withdrawal_id.hex}_returned"
    data = {
        "withdrawal_id": str(payout.withdrawal_id),
        "reference": payout.provider_reference,
        "amount_minor": payout.money.amount_minor,
        "currency": payout.money.currency,
    }
    body = orjson.dumps({"id": event_id, "type": "payout.returned", "created": payout.returns_at.isoformat(), "data": data})
    return event_id, body, event_id


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
