"""The relay: publishes what the outbox holds, in envelopes with confirms in flight, and marks it sent.

Woken in-process right after a commit, by NOTIFY for commits of other processes, and by a sweep as the safety net. It holds leases on lanes,
so that two relays never publish one account's rows at the same time; a lease whose holder was killed or hangs is taken over. A crash
between publishing and marking publishes again: every consumer of ours removes duplicates.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import asyncpg
import structlog
from prometheus_client import Counter, Gauge

from shared.contracts.base import new_id
from shared.contracts.topology import ROUTES, Route
from shared.delivery.envelopes import count_that_fits, pack
from shared.delivery.errors import Unroutable
from shared.delivery.failures import describe
from shared.delivery.outbox import LANES, channel_name
from shared.delivery.publisher import Publisher
from shared.postgres import Pool, connection, is_outage

log = structlog.get_logger(__name__)

SENT = Counter("purser_outbox_sent_total", "Outbox events published and confirmed", ["schema"])
OLDEST = Gauge("purser_outbox_unsent_age_seconds", "Age of the oldest unsent outbox event", ["schema"])

_BATCH_ROWS: Final = 500
_LEASE_SECONDS: Final = 10
_SWEEP_SECONDS: Final = 1.0
_BACKOFF_MAX_SECONDS: Final = 2.0
_PRUNE_EVERY_SECONDS: Final = 60.0
_PRUNE_ROWS: Final = 5_000
KEEP_SENT_HOURS: Final = 24
"""How long sent rows stay as the proof of the push (the verifier's and the timeline's)."""


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    key: str
    payload: str
    message_type: str
    correlation_id: str


class Relay:
    """One a process and schema. `name` tells whose leases these are; unique a process."""

    def __init__(self, pool: Pool, publisher: Publisher, *, schema: str, name: str) -> None:
        self._pool = pool
        self._publisher = publisher
        self._schema = schema
        self._name = name
        self._routes: dict[str, Route] = {route.key: route for route in ROUTES}
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._lanes: list[int] = []
        self._lease_at = self._prune_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._run(), name=f"relay {self._schema}"),
            asyncio.create_task(self._listen(), name=f"relay-notify {self._schema}"),
        ]

    def wake(self) -> None:
        """Something was committed to the outbox by this process."""
        self._wake.set()

    async def stop(self, timeout_seconds: float = 5) -> None:
        """Sends what is there, gives the leases back, ends; bounded."""
        self._stopping.set()
        self._wake.set()
        if not self._tasks:
            return
        runner, listener = self._tasks
        listener.cancel()
        try:
            async with asyncio.timeout(timeout_seconds):
                await runner
                await self._release()
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("relay stopped before all was sent; it is sent at the next start", schema=self._schema, error=describe(error))
        runner.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        backoff = 0.05
        while True:
            try:
                if loop.time() >= self._lease_at:
                    await self._lease()
                if await self._send_some():
                    backoff = 0.05
                    continue
                if self._stopping.is_set():
                    return
                if loop.time() >= self._prune_at:
                    await self._prune()
            except Exception as error:
                # Whatever it is: this task is the only one that sends.
                if isinstance(error, asyncpg.PostgresError) and not is_outage(error):
                    log.exception("relay failed", schema=self._schema)
                else:
                    log.warning("relay interrupted, trying again", schema=self._schema, error=describe(error))
                await _wait(self._stopping, backoff)
                backoff = min(backoff * 2, _BACKOFF_MAX_SECONDS)
                self._lease_at = 0.0
                continue
            await _wait(self._wake, _SWEEP_SECONDS)
            self._wake.clear()

    async def _lease(self) -> None:
        asked_at = asyncio.get_running_loop().time()
        async with connection(self._pool) as db:
            rows = await db.fetch(
                f"""
                update {self._schema}.outbox_lanes
                set leased_by = $1, leased_until = clock_timestamp() + make_interval(secs => $2)
                where lane in (
                    select lane from {self._schema}.outbox_lanes
                    where leased_by = $1 or leased_until is null or leased_until < clock_timestamp()
                    for update skip locked
                )
                returning lane
                """,  # noqa: S608
                self._name,
                float(_LEASE_SECONDS),
            )
        self._lanes = [row["lane"] for row in rows]
        # Lanes of another relay may come free at any moment: it is asked more often than its own leases need it.
        self._lease_at = asked_at + (_LEASE_SECONDS / 2 if len(self._lanes) == LANES else _SWEEP_SECONDS)

    async def _release(self) -> None:
        async with connection(self._pool) as db:
            statement = f"update {self._schema}.outbox_lanes set leased_by = null, leased_until = null where leased_by = $1"  # noqa: S608
            await db.execute(statement, self._name)

    async def _send_some(self) -> bool:
        """Sends one batch of the oldest rows of its lanes; False when there was none. Rows of types that only a newer version knows wait
        for that version, and hold nobody up."""
        async with connection(self._pool) as db:
            records = await db.fetch(
                f"""
                select id, key, payload, message_type, correlation_id, extract(epoch from clock_timestamp() - created_at)::float8 as age
                from {self._schema}.outbox
                where sent_at is null and lane = any($1::smallint[]) and message_type = any($2::text[])
                order by id
                limit {_BATCH_ROWS}
                """,  # noqa: S608
                self._lanes,
                list(self._routes),
            )
        OLDEST.labels(self._schema).set(records[0]["age"] if records else 0)
        if not records:
            return False
        rows = [_Row(r["id"], r["key"], r["payload"], r["message_type"], r["correlation_id"]) for r in records]
        # Every envelope's publish is started in order on one channel, and their confirms are awaited together.
        results = await asyncio.gather(*(self._publish(batch) for batch in self._envelopes(rows)), return_exceptions=True)
        sent = [row_id for result in results if isinstance(result, list) for row_id in result]
        async with connection(self._pool) as db:
            # The one commit that need not reach the disk before we go on: a mark that a crash takes back is a repeat, which all bear.
            await db.execute(
                f"""
                update {self._schema}.outbox set sent_at = clock_timestamp()
                from (select set_config('synchronous_commit', 'off', true)) as in_this_transaction
                where id = any($1::bigint[])
                """,  # noqa: S608
                sent,
            )
        SENT.labels(self._schema).inc(len(sent))
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return True

    async def _publish(self, rows: list[_Row]) -> list[int]:
        route = self._routes[rows[0].message_type]
        bodies = [row.payload.encode() for row in rows]
        try:
            await self._publisher.publish_bytes(
                pack(route.key, bodies) if route.bulk else bodies[0],
                exchange=route.exchange.name,
                routing_key=route.key,
                message_type=route.key,
                message_id=str(new_id()),
                correlation_id=rows[0].correlation_id if len(rows) == 1 else "",
            )
        except Unroutable:
            if any(queue.durable for queue in route.queues):
                raise
            # Only running replicas take it, and none runs: who starts later begins with a snapshot.
        return [row.id for row in rows]

    def _envelopes(self, rows: list[_Row]) -> list[list[_Row]]:
        """Runs of one route, cut to what a message holds; the order within a route is kept."""
        envelopes: list[list[_Row]] = []
        by_route = sorted(rows, key=lambda row: row.message_type)  # stable: the order of ids stays within a type
        for message_type, group in groupby(by_route, key=lambda row: row.message_type):
            run = list(group)
            while run:
                size = count_that_fits(len(row.payload) for row in run) if self._routes[message_type].bulk else 1
                envelopes.append(run[:size])
                run = run[size:]
        return envelopes

    async def _prune(self) -> None:
        # Looks at the oldest rows only: ids rise with time, and a look for old ones among all would read the whole day's.
        async with connection(self._pool) as db:
            status = await db.execute(
                f"""
                delete from {self._schema}.outbox where id in (
                    select id from (select id, sent_at from {self._schema}.outbox order by id limit {_PRUNE_ROWS}) as oldest
                    where sent_at < clock_timestamp() - make_interval(hours => {KEEP_SENT_HOURS})
                )
                """  # noqa: S608
            )
        full = status == f"DELETE {_PRUNE_ROWS}"
        self._prune_at = asyncio.get_running_loop().time() + (0 if full else _PRUNE_EVERY_SECONDS)

    async def _listen(self) -> None:
        """Holds a connection that LISTENs; a lost one is made again, and meanwhile the sweep does."""
        while True:
            try:
                async with connection(self._pool) as db:
                    lost = asyncio.Event()
                    db.add_termination_listener(lambda *_: lost.set())  # noqa: B023 - each connection has its own
                    await db.add_listener(channel_name(self._schema), self._on_notify)
                    try:
                        await lost.wait()
                    finally:
                        await db.remove_listener(channel_name(self._schema), self._on_notify)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                log.warning("listening for the outbox was interrupted", schema=self._schema)
            await asyncio.sleep(_SWEEP_SECONDS)

    def _on_notify(self, *_: Any) -> None:
        self._wake.set()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Until the event, or until the time is over."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
