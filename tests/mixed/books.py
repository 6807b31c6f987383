"""The books to compare: each provider's own, as its stand-in tells it, and ours, read by the verifier's login; in one form."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import asyncpg

from tests.flow.payers import Provider
from tests.mixed.plan import EXPONENTS
from tests.mixed.world import World

_STATUSES: Final = {"SUCCESS": "succeeded", "PENDING": "pending", "ERROR": "failed", "CANCELLED": "failed"}


@dataclass(frozen=True, slots=True)
class Money:
    amount_minor: int
    currency: str

    def __str__(self) -> str:
        return f"{self.amount_minor} {self.currency}"


@dataclass(frozen=True, slots=True)
class Charge:
    """`reference`: as we know it. `session`: our own reference, as the provider was told."""

    provider: str
    reference: str
    session: str
    money: Money


@dataclass(frozen=True, slots=True)
class Refund:
    """`charge`: the charge's reference."""

    provider: str
    reference: str
    charge: str
    money: Money
    status: str


@dataclass(frozen=True, slots=True)
class Dispute:
    """`holds`: the provider has the money, not we."""

    provider: str
    reference: str
    charge: str
    money: Money
    holds: bool


@dataclass(frozen=True, slots=True)
class Payout:
    """`withdrawal`: our own reference."""

    reference: str
    withdrawal: str
    money: Money
    status: str


@dataclass(slots=True)
class Book:
    """Of all providers together. `stripe_balance`: what Stripe itself says that it has for us, by currency."""

    charges: list[Charge] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    disputes: list[Dispute] = field(default_factory=list)
    payouts: list[Payout] = field(default_factory=list)
    stripe_balance: dict[str, int] = field(default_factory=dict)


Row = dict[str, Any]


@dataclass(slots=True)
class OurBook:
    """Rows, under the columns' names. `clearing`: by provider and currency, what the account has; `balances`: by user and currency,
    available and held together."""

    payments: dict[str, Row]
    refunds: list[Row]
    disputes: list[Row]
    withdrawals: list[Row]
    items: list[Row]
    clearing: dict[tuple[str, str], int]
    balances: dict[tuple[str, str], int]
    fees: dict[str, int]
    revenue: dict[str, int]

    def by_charge(self) -> dict[tuple[str, str], Row]:
        """The completed payments by provider and charge."""
        return {(row["provider"], row["charge_reference"]): row for row in self.payments.values() if row["status"] == "completed"}


async def theirs(world: World) -> Book:
    book = Book()
    for name, read in (("stripe", _stripe), ("allsecure", _allsecure), ("prodamus", _prodamus)):
        await read(world.providers[name], book)
    return book


async def ours(world: World) -> OurBook:
    async with _verifier(world) as db:
        return OurBook(
            payments={
                str(row["payment_id"]): row
                for row in await _rows(
                    db,
                    """
                    select payment_id, session_id::text as session, provider, kind, user_id, mentor_id, order_id, amount_minor, currency,
                           status, charge_reference, provider_reference, fee_minor, refunding_minor, refunded_minor, dispute_status,
                           expires_at, completed_at, refusal is not null as refused
                    from payments.payments
                    """,
                )
            },
            refunds=await _rows(db, "select * from payments.refunds where state <> 'refused'"),
            disputes=await _rows(db, "select * from payments.disputes"),
            withdrawals=await _rows(db, "select * from payments.withdrawals where refusal is null"),
            items=await _rows(db, "select * from payments.suspense_items"),
            clearing={(row["owner"], row["currency"]): int(row["sum"]) for row in await db.fetch(_SUMS, "clearing")},
            balances={
                (row["owner"], row["currency"]): row["available_minor"] + row["held_minor"]
                for row in await db.fetch("select * from wallet.accounts where kind = 'user'")
            },
            fees={row["currency"]: int(row["sum"]) for row in await db.fetch(_SUMS, "fees")},
            revenue={row["currency"]: int(row["sum"]) for row in await db.fetch(_SUMS, "revenue")},
        )


_SUMS: Final = """
    select account.owner, account.currency, sum(side.change_minor) as sum
    from (
        select target_id as account_id, amount_minor as change_minor from wallet.transfers
        union all
        select source_id, -amount_minor from wallet.transfers
    ) as side
    join wallet.accounts as account on account.account_id = side.account_id and account.kind = $1
    group by account.owner, account.currency
"""


async def _rows(db: asyncpg.Connection[Any], statement: str) -> list[Row]:
    return [dict(row) for row in await db.fetch(statement)]


@asynccontextmanager
async def _verifier(world: World) -> AsyncIterator[asyncpg.Connection[Any]]:
    assert world.stack.database_urls is not None
    connection = await asyncpg.connect(world.stack.database_urls.verifier, ssl=False, timeout=10, command_timeout=60)
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


async def _stripe(provider: Provider, book: Book) -> None:
    told = (await provider.http.get("/_emulator/book")).json()
    for one in told["charges"]:
        session = one["metadata"]["purser_session_id"]
        book.charges.append(Charge("stripe", one["reference"], session, Money(one["amount_minor"], one["currency"])))
    for one in told["refunds"]:
        money = Money(one["amount_minor"], one["currency"])
        book.refunds.append(Refund("stripe", one["refund"], one["reference"], money, one["status"]))
    for one in told["disputes"]:
        money = Money(one["amount_minor"], one["currency"])
        book.disputes.append(Dispute("stripe", one["dispute"], one["reference"], money, one["withdrawn"]))
    book.stripe_balance = await provider.control("balance")


async def _allsecure(provider: Provider, book: Book) -> None:
    told = (await provider.http.get("/_emulator/book")).json()

    def money(one: dict[str, Any]) -> Money:
        return Money(one["amount_minor"], one["currency"].lower())

    book.charges += [Charge("allsecure", one["charge"], one["reference"], money(one)) for one in told["charges"]]
    book.refunds += [Refund("allsecure", one["refund"], one["charge"], money(one), _STATUSES[one["status"]]) for one in told["refunds"]]
    given_back = {one["reverses"] for one in told["disputes"] if one["reverses"] is not None}
    book.disputes += [
        Dispute("allsecure", one["dispute"], one["charge"], money(one), one["dispute"] not in given_back)
        for one in told["disputes"]
        if one["reverses"] is None
    ]
    book.payouts += [Payout(one["payout"], one["reference"], money(one), _STATUSES[one["status"]]) for one in told["payouts"]]


async def _prodamus(provider: Provider, book: Book) -> None:
    told = (await provider.http.get("/_emulator/book")).json()

    def money(one: dict[str, Any]) -> Money:
        return Money(int(Decimal(one["amount"]).scaleb(EXPONENTS[one["currency"].lower()])), one["currency"].lower())

    book.charges += [Charge("prodamus", one["charge"], one["reference"], money(one)) for one in told["charges"]]
    book.refunds += [Refund("prodamus", one["refund"], one["charge"], money(one), "succeeded") for one in told["refunds"]]
