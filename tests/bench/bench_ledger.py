"""How fast the ledger posts: credits a second by batch size, spread and hot, as a multiple of pgbench's tpcb-like in the same run.

`python -m tests.bench.bench_ledger [--seconds N]` starts its own durable PostgreSQL (fsync on) and ends it. The yardstick is taken before
and after each case, since the machine's speed drifts; CPU time is what the server's processes and this one spent, and drifts least.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from dataclasses import dataclass

import asyncpg
import psutil

from deploy.local.postgres import PostgresServer
from deploy.prepare import database_urls
from services.wallet import store
from services.wallet.domain import Transfer
from tests.bench.yardstick import tpcb_per_second
from tests.integration.wallet_world import SECRET, a_transfer, prepare_schemas, user
from tests.servers import throwaway_postgres

USERS = 20_000


@dataclass(frozen=True, slots=True)
class Case:
    batch: int
    connections: int
    users: int = USERS

    @property
    def name(self) -> str:
        return f"{self.batch:>4} a batch, {self.connections:>2} connections, {'hot' if self.users == 1 else 'spread'}"


CASES = (
    Case(1, 1),
    Case(1, 16),
    Case(1, 16, users=1),
    Case(10, 4),
    Case(100, 2),
    Case(100, 2, users=1),
    Case(500, 2),
    Case(500, 2, users=1),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_ledger", description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, metavar="N", help="a case (default 5)")
    asyncio.run(bench(parser.parse_args().seconds))


async def bench(seconds: int) -> None:
    """Prints a line a case."""
    async with throwaway_postgres(durable=True) as server:
        await prepare_schemas(server.admin_url, "wallet")
        url = database_urls(server.admin_url, SECRET).wallet
        await make_users(url)
        before = await tpcb_per_second(server.admin_url, seconds)
        print(
            f"{'case':<38} {'credits/s':>10} {'x TPCB':>7} {'p50 ms':>8} {'p99 ms':>8} {'CPU us a credit: server':>24} {'client':>7}   TPCB"
        )
        for case in CASES:
            rate, milliseconds, server_us, client_us = await run(case, server, url, seconds)
            after = await tpcb_per_second(server.admin_url, seconds)
            yardstick = (before + after) / 2
            p50, p99 = statistics.median(milliseconds), sorted(milliseconds)[int(len(milliseconds) * 0.99)]
            speed = f"{case.name:<38} {rate:>10,.0f} {rate / yardstick:>7.2f} {p50:>8.1f} {p99:>8.1f}"
            print(f"{speed} {server_us:>24.0f} {client_us:>7.0f}   {yardstick:,.0f}", flush=True)
            before = after


async def make_users(url: str) -> None:
    """One credit each, so that the cases find their accounts."""
    connection = await asyncpg.connect(url)
    for first in range(0, USERS, 500):
        await store.post_transfers(connection, [credit(number) for number in range(first, first + 500)])
    await connection.close()


def credit(number: int) -> Transfer:
    return a_transfer(target=user(f"user-{number}"), description="Top-up")


async def run(case: Case, server: PostgresServer, url: str, seconds: int) -> tuple[float, list[float], float, float]:
    """Credits a second, milliseconds of each batch, CPU microseconds a credit of the server and of this process."""
    connections = [await asyncpg.connect(url) for _ in range(case.connections)]
    milliseconds: list[float] = []
    stop_at = time.perf_counter() + seconds

    async def post(connection: asyncpg.Connection[asyncpg.Record]) -> None:
        while time.perf_counter() < stop_at:
            batch = [credit(random.randrange(case.users)) for _ in range(case.batch)]
            started = time.perf_counter()
            await store.post_transfers(connection, batch)
            milliseconds.append((time.perf_counter() - started) * 1000)

    for connection in connections:
        await store.post_transfers(connection, [credit(0)])  # the plans are made once a connection
    server_before, client_before = server_seconds(server), psutil.Process().cpu_times()
    started = time.perf_counter()
    await asyncio.gather(*map(post, connections))
    elapsed = time.perf_counter() - started
    credits = len(milliseconds) * case.batch
    client_after = psutil.Process().cpu_times()
    client = client_after.user + client_after.system - client_before.user - client_before.system
    server_us = (server_seconds(server) - server_before) / credits * 1e6
    for connection in connections:
        await connection.close()
    return credits / elapsed, milliseconds, server_us, client / credits * 1e6


def server_seconds(server: PostgresServer) -> float:
    """CPU seconds of the server and its children, those that have ended included."""
    assert server.child is not None
    root = psutil.Process(server.child.pid)
    times = root.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in root.children(recursive=True):
        spent = child.cpu_times()
        total += spent.user + spent.system
    return float(total)


if __name__ == "__main__":
    main()
