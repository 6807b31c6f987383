"""What an open socket and a frame cost the notifier: `python -m tests.bench.bench_sockets [sockets] [frames]`, no broker needed.

The server process is measured alone (CPU from the kernel, resident memory); the clients live in a process of their own. Wall-clock time
drifts on a shared machine, CPU time hardly does, so CPU is what is printed.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import resource
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import orjson
import psutil
import structlog
import uvloop
from websockets.asyncio.client import connect
from websockets.http11 import Request

from deploy.local.ports import free_port
from services.notifier.admission import Admitted
from services.notifier.counts import Counts
from services.notifier.frames import Balance
from services.notifier.hub import Hub
from services.notifier.sockets import Limits, SocketServer
from shared.contracts.base import new_id, utc_now
from shared.contracts.wallet_events import BalanceChanged
from shared.operations import listen

_SLICE = 50


@dataclass(frozen=True)
class EveryoneMayEnter:
    """The user is named in the query: verifying tickets is not what is measured."""

    def admit(self, path: str, _: object) -> Admitted:
        return Admitted(path.rpartition("=")[2], utc_now().replace(year=2100))


def clients(port: int, sockets: int, told: Connection) -> None:
    async def hold() -> None:
        options: dict[str, Any] = {"proxy": None, "compression": None, "ping_interval": None}
        opened = [await connect(f"ws://127.0.0.1:{port}/ws?user={number}", **options) for number in range(sockets)]
        told.send("open")
        received = asyncio.gather(*(_drain(socket) for socket in opened))
        await asyncio.to_thread(told.recv)
        received.cancel()
        os._exit(0)

    uvloop.run(hold())


async def _drain(socket: Any) -> None:
    while True:
        await socket.recv(decode=False)


def _change(user: int, version: int) -> BalanceChanged:
    return BalanceChanged(
        correlation_id="01980000-0000-7000-8000-000000000000",
        user_id=str(user),
        currency="rsd",
        available_minor=100 * version,
        held_minor=0,
        version=version,
        change_minor=100,
        kind="deposit",
        payment_id=new_id(),
    )


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def measure(sockets: int, frames: int) -> dict[str, Any]:
    counts = Counts()
    hub = Hub(asyncio.get_running_loop(), counts, sockets_per_user_max=10)
    port = free_port()

    async def no_page(_: Request) -> None:
        return None

    async def open_stream(_: Admitted, __: str) -> tuple[Balance, ...]:
        return ()

    limits = Limits(sockets_max=sockets, ping_interval_seconds=300, ping_timeout_seconds=300, slow_socket_seconds=300)
    server = SocketServer(listen("127.0.0.1", port, "PORT"), no_page, hub, EveryoneMayEnter(), open_stream, counts, limits)  # type: ignore[arg-type]
    await server.start()
    process = psutil.Process()
    memory, cpu = process.memory_info().rss, _cpu_seconds()
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=clients, args=(port, sockets, theirs))
    child.start()
    await asyncio.to_thread(ours.recv)
    opened = {
        "kib_a_socket": round((process.memory_info().rss - memory) / 1024 / sockets, 1),
        "cpu_us_an_open": round((_cpu_seconds() - cpu) / sockets * 1e6),
    }
    versions = [0] * sockets
    chosen = [random.randrange(sockets) for _ in range(frames)]
    events = []
    for user in chosen:
        versions[user] += 1
        events.append(_change(user, versions[user]))
    before, cpu = counts.frames, _cpu_seconds()
    for start in range(0, frames, _SLICE):
        hub.on_balance_changed(events[start : start + _SLICE])
        await asyncio.sleep(0)
    spent = _cpu_seconds() - cpu
    result = {**opened, "frames": counts.frames - before, "cpu_us_a_frame": round(spent / frames * 1e6, 1)}
    ours.send("done")
    await asyncio.to_thread(child.join)
    await server.stop()
    return result


def run_one(sockets: int, frames: int, logged: bool) -> None:
    with open(os.devnull, "wb") as nowhere:
        # One log line a push is part of the cost; where it goes is not.
        structlog.configure(
            processors=[structlog.processors.TimeStamper(fmt="iso", utc=True), structlog.processors.JSONRenderer(_dumps)],
            wrapper_class=structlog.make_filtering_bound_logger("INFO" if logged else "WARNING"),
            logger_factory=structlog.BytesLoggerFactory(nowhere),
            cache_logger_on_first_use=True,
        )
        result = uvloop.run(measure(sockets, frames))
        print(orjson.dumps({"sockets": sockets, "logged": logged, **result}).decode(), flush=True)


def _dumps(event: Any, **_: Any) -> bytes:
    return orjson.dumps(event)


def main() -> None:
    sockets, frames = (int(value) for value in [*sys.argv[1:], "1000", "20000"][:2])
    for logged in (True, False):
        # A process each: memory that an earlier run has freed would make the next one look light.
        process = multiprocessing.get_context("spawn").Process(target=run_one, args=(sockets, frames, logged))
        process.start()
        process.join()


if __name__ == "__main__":
    main()
