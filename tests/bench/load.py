"""The load: webhooks over kept-alive connections, and a crowd of open sockets that notes when each credit was seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

import orjson
from websockets.asyncio.client import ClientConnection, connect

from deploy.local.stack import Stack
from shared.contracts.base import new_id, utc_now
from shared.keys import Keys
from shared.tickets import Ticket, TicketOffice
from tests.bench.seeding import Proof

_OPEN_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Post:
    payment_id: str
    sent: float
    answered: float


async def post_all(gateway_url: str, proofs: list[Proof], *, connections: int, per_second: float | None = None) -> list[Post]:
    """Posts every proof (as fast as they are answered, or at a pace), each to be answered 200; when, by time.perf_counter()."""
    host, port = urlsplit(gateway_url).hostname, urlsplit(gateway_url).port
    assert host
    assert port
    waiting = iter(enumerate(proofs))
    begun = time.perf_counter()
    posts: list[Post] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            for number, proof in waiting:
                if per_second is not None:
                    await asyncio.sleep(max(0.0, begun + number / per_second - time.perf_counter()))
                sent = time.perf_counter()
                writer.write(
                    b"POST /api/v1/webhooks/mock HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n%b\r\n%b"
                    % (len(proof.body), proof.head, proof.body)
                )
                head = await reader.readuntil(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 200"):
                    raise AssertionError(head.decode() + (await reader.read(500)).decode())
                await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
                posts.append(Post(proof.payment_id, sent, time.perf_counter()))
        finally:
            writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(one())
    return posts


@dataclass
class Crowd:
    """Open sockets, one a user; `seen` maps a payment to when its change was first in a frame."""

    seen: dict[str, float] = field(default_factory=dict)
    frames: int = 0
    _missing: set[str] = field(default_factory=set)
    _complete: asyncio.Event = field(default_factory=asyncio.Event)

    def expect(self, payment_ids: Iterable[str]) -> None:
        self._missing = set(payment_ids)
        self._complete.clear()

    async def all_seen(self, timeout_seconds: float) -> None:
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._complete.wait()
        except TimeoutError:
            raise AssertionError(f"{len(self._missing)} credits never reached their socket") from None

    async def watch(self, socket: ClientConnection) -> None:
        async for text in socket:
            now = time.perf_counter()
            frame = orjson.loads(text)
            if frame["type"] != "balance.updated":
                continue
            self.frames += 1
            for change in frame["changes"]:
                self.seen[change["payment_id"]] = now
                self._missing.discard(change["payment_id"])
            if not self._missing:
                self._complete.set()


@asynccontextmanager
async def open_crowd(stack: Stack, users: list[str]) -> AsyncIterator[Crowd]:
    crowd = Crowd()
    office = TicketOffice(Keys((stack.secret_key,)))
    url = stack.notifier_urls[0]
    gate = asyncio.Semaphore(_OPEN_AT_ONCE)
    sockets: list[ClientConnection] = []

    async def enter(user: str) -> None:
        now = utc_now()
        ticket = Ticket(
            ticket_id=new_id(), user_id=user, expires_at=now + timedelta(seconds=30), session_expires_at=now + timedelta(hours=1)
        )
        async with gate:
            socket = await connect(f"{url}?ticket={office.sign(ticket)}", proxy=None, compression=None, ping_interval=None)
            await socket.recv()
            sockets.append(socket)

    await asyncio.gather(*(enter(user) for user in users))
    watchers = [asyncio.create_task(crowd.watch(socket)) for socket in sockets]
    try:
        yield crowd
    finally:
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        await asyncio.gather(*(socket.close() for socket in sockets), return_exceptions=True)
