"""Builds the wallet and runs it: the only place that makes pools, connections, servers and settings."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg

from services.wallet.config import WalletSettings
from services.wallet.consumers import answer_questions, consume_credits, take_commands
from services.wallet.handlers.credits import Credits
from services.wallet.handlers.funds import Funds
from services.wallet.handlers.questions import Questions, look_up_in
from services.wallet.references import CommittedReferences
from shared.asyncapi import asyncapi_document
from shared.contracts.topology import WALLET_COMMANDS, WALLET_QUERIES
from shared.delivery.broker import BrokerLink
from shared.delivery.declare import declare_topology
from shared.delivery.errors import BrokerUnavailable
from shared.delivery.publisher import Publisher
from shared.delivery.relay import Relay
from shared.delivery.server import consuming, make_broker, stop_broker
from shared.health import Health
from shared.migrations import MigrationError, require_current
from shared.operations import HttpServer, listen, operations_app
from shared.postgres import Pool, check, close_pool, create_pool
from shared.process import run
from shared.settings import load
from shared.telemetry import configure_logging
from shared.waiting import Waiters

SERVICE: Final = "wallet"
SCHEMA: Final = "wallet"
MIGRATIONS: Final = Path(__file__).resolve().parent / "migrations"

WAITERS_MAX: Final = WALLET_QUERIES.prefetch * 3 // 4
"""Who waits holds one of the queue's deliveries; the rest is kept for questions that are answered at once."""

COMMANDS_WAITING_MAX: Final = WALLET_COMMANDS.prefetch * 3 // 4
"""Likewise for commands that wait for a credit."""


@asynccontextmanager
async def wallet(settings: WalletSettings) -> AsyncIterator[None]:
    """Runs the service; SystemExit with one line when it cannot start."""
    name = f"{SERVICE}.{secrets.token_hex(6)}"
    listener = listen(settings.bind_host, settings.wallet_port, "WALLET_PORT")
    async with AsyncExitStack() as stopping:
        # Undone in the opposite order: consuming ends first, then what it committed is sent, then the connections close.
        stopping.callback(listener.close)
        pool = await _open_book(settings, name)
        stopping.push_async_callback(close_pool, pool)
        link = BrokerLink(settings.amqp_url, name=name)
        stopping.push_async_callback(link.close)
        publisher = Publisher(link, app_id=SERVICE)
        relay = Relay(pool, publisher, schema=SCHEMA, name=name)
        waiters: Waiters[str] = Waiters(WAITERS_MAX)
        commands_waiting: Waiters[str] = Waiters(COMMANDS_WAITING_MAX)

        def on_committed(references: Sequence[str]) -> None:
            relay.wake()
            waiters.wake(references)
            commands_waiting.wake(references)

        async def database() -> None:
            await check(pool)

        consumer = consume_credits(link, publisher, Credits(pool, on_committed))
        broker = make_broker(settings.amqp_url, app_id=SERVICE, name=f"{name}.questions")
        health = Health(SERVICE, {"broker": link.check, "database": database, "commands": lambda: consuming(broker)})
        committed = CommittedReferences(look_up_in(pool))
        take_commands(broker, publisher, Funds(pool, commands_waiting, committed, on_committed))
        answer_questions(broker, publisher, Questions(pool, waiters, committed, health))
        # Before the broker is there, so that probes get their answer.
        http = HttpServer(operations_app(health, asyncapi_document(SERVICE)), listener)
        await http.start()
        stopping.push_async_callback(http.stop)
        try:
            await link.start()
            await declare_topology(link)
            await relay.start()
            stopping.push_async_callback(relay.stop, 3)
            stopping.push_async_callback(stop_broker, broker)
            await broker.start()
            await consumer.start()
            stopping.push_async_callback(consumer.stop, 4)
        except (BrokerUnavailable, TimeoutError) as error:
            raise SystemExit(f"cannot start: AMQP_URL: {error or 'the broker does not answer'}") from error
        yield


async def _open_book(settings: WalletSettings, name: str) -> Pool:
    try:
        pool = await create_pool(settings.database_url, size=settings.database_pool_size, application_name=name)
        try:
            await require_current(pool, SCHEMA, MIGRATIONS)
        except BaseException:
            await close_pool(pool)
            raise
    except (MigrationError, OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise SystemExit(f"cannot start: DATABASE_URL: {error or 'the database does not answer'}") from error
    return pool


def main() -> None:
    settings = load(WalletSettings)
    configure_logging(SERVICE, settings.log_level)
    run(lambda: wallet(settings))


if __name__ == "__main__":
    main()
