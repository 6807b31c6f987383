"""A sound book of both services, for tests that break it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.wallet import store
from services.wallet.domain import Transfer
from tests.integration.wallet_world import WalletWorld, a_transfer, prepare_schemas, user, wallet_world


@asynccontextmanager
async def sound_world(database_url: str) -> AsyncIterator[WalletWorld]:
    """A sound book: five payments of two users, credited and pushed."""
    await prepare_schemas(database_url, "payments", "wallet")
    async with wallet_world(database_url) as world:
        for n in range(5):
            await pay(world, a_transfer(target=user(str(n % 2))))
        await break_it(world, "update wallet.outbox set sent_at = clock_timestamp()")
        yield world


async def pay(world: WalletWorld, transfer: Transfer, *, credited: bool = True) -> None:
    """A completed payment and its credit."""
    async with world.admin() as admin:
        await admin.execute(
            """
            insert into payments.payments (
                payment_id, user_id, kind, provider, amount_minor, currency, status, charge_reference, credit_reference, locale,
                correlation_id, completed_at
            ) values ($1, $2, 'deposit', 'mock', $3, $4, 'completed', $5, $5, 'en', 'request-1', clock_timestamp())
            """,
            transfer.payment_id,
            transfer.target.owner,
            transfer.money.amount_minor,
            transfer.money.currency,
            transfer.reference,
        )
        if credited:
            await store.post_transfers(admin, [transfer])


async def break_it(world: WalletWorld, *statements: str) -> None:
    """As an administrator could: triggers and foreign keys do not fire."""
    async with world.admin() as admin:
        await admin.execute("set session_replication_role = replica")
        for statement in statements:
            await admin.execute(statement)
