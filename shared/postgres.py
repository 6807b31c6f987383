"""PostgreSQL plumbing: pools and transactions with every wait bounded, and the difference between an outage and a mistake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg

if TYPE_CHECKING:
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection

COMMAND_TIMEOUT_SECONDS: Final = 10.0
ACQUIRE_TIMEOUT_SECONDS: Final = 5.0
_CONNECT_TIMEOUT_SECONDS: Final = 10.0

_OUTAGE_CLASSES: Final = ("08", "28", "53", "57", "40")
"""SQLSTATE classes that pass by themselves: connection, authorization (passwords are being rolled), resources, operator intervention,
serialization and deadlock."""

_OUTAGES: Final = ("55P03", "25006")
"""Two more: a lock timeout, and a primary that is not promoted yet."""


async def create_pool(url: str, *, size: int, application_name: str) -> Pool:
    """A pool whose commands end within COMMAND_TIMEOUT_SECONDS and whose locks and idle transactions are bounded by the server too."""
    pool = await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        timeout=_CONNECT_TIMEOUT_SECONDS,
        command_timeout=COMMAND_TIMEOUT_SECONDS,
        server_settings={
            "application_name": application_name,
            "lock_timeout": "8000",
            "statement_timeout": "9000",
            "idle_in_transaction_session_timeout": "30000",
            "timezone": "UTC",
        },
    )
    assert pool is not None
    return pool


@asynccontextmanager
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    """A connection from the pool; TimeoutError when none is free in time (asyncpg itself would wait for ever)."""
    acquired = await pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS)
    try:
        yield acquired
    finally:
        await pool.release(acquired, timeout=ACQUIRE_TIMEOUT_SECONDS)


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A transaction (READ COMMITTED): committed at the end, rolled back by an exception."""
    async with connection(pool) as acquired, acquired.transaction():
        yield acquired


async def check(pool: Pool) -> None:
    """For readiness: raises when the database does not answer."""
    async with connection(pool) as acquired:
        await acquired.execute("select 1", timeout=2)


async def close_pool(pool: Pool, timeout_seconds: float = 3) -> None:
    """Closes politely within the time, then cuts: asyncpg's own close waits without bound."""
    try:
        await asyncio.wait_for(pool.close(), timeout_seconds)
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        pool.terminate()


def is_outage(error: BaseException) -> bool:
    """True when `error` says that the database is not available or that trying again may do, not that the request is wrong."""
    if isinstance(error, asyncpg.PostgresError):
        sqlstate = error.sqlstate or ""
        return sqlstate[:2] in _OUTAGE_CLASSES or sqlstate in _OUTAGES
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)  # a ValueError beside it: the client's own arguments are wrong
    return isinstance(error, (TimeoutError, OSError))
