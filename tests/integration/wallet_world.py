"""A wallet's book over a real database, for tests that post to it, read it, and compare it with a book in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from deploy.prepare import SERVICES, database_urls, make_roles
from services.wallet import store
from services.wallet.domain import AccountKind, AccountName, Outcome, Transfer
from shared import postgres
from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_events import PaymentCompleted
from shared.migrations import migrate
from shared.money import Money
from shared.postgres import Pool
from tests.servers import SECRET_KEY

SECRET = SECRET_KEY
CLEARING = AccountName(AccountKind.CLEARING, "mock")


@dataclass
class WalletWorld:
    """`admin_url` is the administrator's, `url` the service's own role's."""

    pool: Pool
    admin_url: str
    url: str
    verifier_url: str

    async def post(self, *transfers: Transfer) -> list[Outcome]:
        async with postgres.connection(self.pool) as db:
            return await store.post_transfers(db, transfers)

    async def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        async with postgres.connection(self.pool) as db:
            return [dict(row) for row in await db.fetch(query, *arguments)]

    async def balance(self, user_id: str, currency: str = "rsd") -> tuple[int, int]:
        """(available_minor, version)"""
        found = await self.rows(
            "select available_minor, version from wallet.accounts where kind = 'user' and owner = $1 and currency = $2", user_id, currency
        )
        return (found[0]["available_minor"], found[0]["version"]) if found else (0, 0)

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        connection = await asyncpg.connect(self.admin_url)
        try:
            yield connection
        finally:
            await connection.close()


@asynccontextmanager
async def wallet_world(database_url: str, *, pool_size: int = 4) -> AsyncIterator[WalletWorld]:
    """The migrated schema, and a pool of the service's own role."""
    urls = database_urls(database_url, SECRET)
    await prepare_schemas(database_url, "wallet")
    pool = await postgres.create_pool(urls.wallet, size=pool_size, application_name="test wallet")
    try:
        yield WalletWorld(pool, database_url, urls.wallet, urls.verifier)
    finally:
        await postgres.close_pool(pool)


async def prepare_schemas(database_url: str, *schemas: str) -> None:
    """Roles and migrations, as deploy.prepare makes them, without a broker."""
    admin = await asyncpg.connect(database_url)
    try:
        await make_roles(admin, SECRET)
        for schema in schemas:
            await migrate(admin, schema, SERVICES / schema / "migrations")
            for role in (f"purser_{schema}", "purser_verifier"):
                await admin.execute(f"grant usage on schema {schema} to {role}")
                await admin.execute(f"grant select on {schema}.schema_migrations to {role}")
    finally:
        await admin.close()


async def empty(world: WalletWorld) -> None:
    """Empties the book, which only an administrator can, with the triggers off: cheaper than a new database."""
    async with world.admin() as admin:
        await admin.execute("set session_replication_role = replica")
        await admin.execute(
            """
            truncate wallet.entries, wallet.transfers, wallet.holds, wallet.accounts, wallet.outbox, wallet.stream_tickets,
                     wallet.refusals
            restart identity
            """
        )


def user(user_id: str) -> AccountName:
    return AccountName(AccountKind.USER, user_id)


def a_transfer(**changes: Any) -> Transfer:
    """A credit of 20.00 rsd to user 1, unless `changes` say otherwise."""
    fields: dict[str, Any] = {
        "reference": f"mock:{new_id()}",
        "kind": "deposit",
        "source": CLEARING,
        "target": user("1"),
        "money": Money(2000, "rsd"),
        "payment_id": new_id(),
        "description": "",
        "correlation_id": "request-1",
        "occurred_at": utc_now(),
    }
    return Transfer(**(fields | changes))


def completed(**changes: Any) -> PaymentCompleted:
    """A proven payment of 20.00 rsd by user 1, unless `changes` say otherwise."""
    fields: dict[str, Any] = {
        "correlation_id": "request-1",
        "payment_id": new_id(),
        "user_id": "1",
        "provider": "mock",
        "amount_minor": 2000,
        "currency": "rsd",
        "credit_reference": f"mock:{new_id()}",
        "completed_at": utc_now(),
    }
    return PaymentCompleted(**(fields | changes))


@dataclass
class BookInMemory:
    """What the ledger must do, in a few lines: the truth that wallet.post_transfers is compared with."""

    transfers: dict[str, Transfer] = field(default_factory=dict)
    # (user, currency) -> (available, held) after each version
    balances: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=dict)

    def post(self, batch: Sequence[Transfer]) -> list[Outcome] | None:
        """The outcomes; None when the batch is refused because somebody lacks the money: then nothing has happened."""
        transfers, balances = dict(self.transfers), {account: list(after) for account, after in self.balances.items()}
        outcomes = []
        for transfer in batch:
            known = transfers.get(transfer.reference)
            if known is not None:
                outcomes.append(Outcome.DUPLICATE if _facts(known) == _facts(transfer) else Outcome.CONFLICT)
                continue
            transfers[transfer.reference] = transfer
            outcomes.append(Outcome.POSTED)
            for owner, (available_change, held_change) in _changes(transfer).items():
                after = balances.setdefault((owner, transfer.money.currency), [])
                available, held = after[-1] if after else (0, 0)
                after.append((available + available_change, held + held_change))
                if after[-1][0] < 0 and available_change < 0 and transfer.kind != "dispute":
                    return None
        self.transfers, self.balances = transfers, balances
        return outcomes


def _changes(transfer: Transfer) -> dict[str, tuple[int, int]]:
    """What a transfer changes for whom: available and held."""
    changes: dict[str, tuple[int, int]] = {}
    for side, change in ((transfer.source, -transfer.money.amount_minor), (transfer.target, transfer.money.amount_minor)):
        available, held = changes.get(side.owner, (0, 0))
        if side.kind is AccountKind.USER:
            changes[side.owner] = (available + change, held)
        elif side.kind is AccountKind.HELD:
            changes[side.owner] = (available, held + change)
    return changes


def _facts(transfer: Transfer) -> tuple[object, ...]:
    return (transfer.kind, transfer.source, transfer.target, transfer.money, transfer.payment_id)


async def assert_sound(world: WalletWorld) -> None:
    """Versions without a gap, each balance the sum up to it, each account its last entry, and held what the transfers to it say."""
    wrong = await world.rows(
        """
        select * from (
            select account.owner, account.version as newest, account.available_minor, account.held_minor, entry.version,
                   entry.available_after_minor, entry.held_after_minor, row_number() over w as expected_version,
                   sum(entry.change_minor) over w as expected_after, sum(entry.held_change_minor) over w as expected_held,
                   last_value(entry.available_after_minor) over of_all as last_after,
                   last_value(entry.held_after_minor) over of_all as last_held,
                   count(*) over (partition by account.account_id) as entries
            from wallet.accounts as account join wallet.entries as entry using (account_id)
            window w as (partition by account.account_id order by entry.version),
                   of_all as (w rows between unbounded preceding and unbounded following)
        ) as e
        where version <> expected_version or available_after_minor <> expected_after or held_after_minor <> expected_held
           or newest <> entries or available_minor <> last_after or held_minor <> last_held
        """
    )
    assert wrong == []
    wrong = await world.rows(
        """
        select held.owner, holder.held_minor, sum(case when transfer.target_id = held.account_id then amount_minor else -amount_minor end)
        from wallet.accounts as held
        join wallet.accounts as holder on holder.account_id = held.holder_id
        join wallet.transfers as transfer on held.account_id in (transfer.source_id, transfer.target_id)
        group by held.account_id, holder.account_id
        having holder.held_minor <> sum(case when transfer.target_id = held.account_id then amount_minor else -amount_minor end)
        """
    )
    assert wrong == []


async def assert_book_is(world: WalletWorld, book: BookInMemory, references: Iterable[str] | None = None) -> None:
    """The database holds exactly what the book in memory holds: transfers, every version of every balance, and an event for each."""
    rows = await world.rows("select reference from wallet.transfers")
    assert {row["reference"] for row in rows} == set(book.transfers if references is None else references)
    entries = await world.rows(
        """
        select account.owner, account.currency, account.available_minor, account.held_minor, account.version,
               array_agg(entry.available_after_minor order by entry.version) as available,
               array_agg(entry.held_after_minor order by entry.version) as held,
               array_agg(entry.version order by entry.version) as versions
        from wallet.accounts as account join wallet.entries as entry using (account_id)
        group by account.account_id
        """
    )
    assert {(row["owner"], row["currency"]): list(zip(row["available"], row["held"], strict=True)) for row in entries} == book.balances
    for row in entries:
        assert row["versions"] == list(range(1, len(row["versions"]) + 1))
        assert (row["available_minor"], row["held_minor"], row["version"]) == (row["available"][-1], row["held"][-1], row["versions"][-1])
    events = await world.rows(
        """
        select array_agg((payload::json ->> 'available_minor')::bigint order by id) as available,
               array_agg((payload::json ->> 'held_minor')::bigint order by id) as held,
               array_agg((payload::json ->> 'version')::bigint order by id) as versions
        from wallet.outbox group by key
        """
    )
    told = sorted((event["versions"], event["available"], event["held"]) for event in events)
    assert told == sorted((row["versions"], row["available"], row["held"]) for row in entries)
