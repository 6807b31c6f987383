"""Real notifier processes on a real broker, and a stand-in for wallet on its queue: with these notifier's integration tests are told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aio_pika
import httpx
import jwt
from aio_pika.abc import AbstractIncomingMessage
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from deploy.local.ports import free_port
from deploy.local.processes import Child, Command
from shared.contracts.base import Reply, new_id, utc_now
from shared.contracts.queries import BalancesView, BalanceView, GetBalances, OpenStream, StreamOpened
from shared.contracts.topology import WALLET_QUERIES, route_of
from shared.contracts.wallet_events import BalanceChanged
from shared.delivery.broker import BrokerLink
from shared.delivery.declare import declare_topology
from shared.delivery.publisher import Publisher, publish_envelope
from shared.keys import Keys
from shared.tickets import Ticket, TicketOffice

PROJECT = Path(__file__).resolve().parents[2]
SECRET = "a test's own secret that is long enough 0123456789"
JWT_SECRET = "a test's own token secret, long enough: 9876543210"
ORIGIN = "http://localhost:8000"
READY_SECONDS = 30.0


def ticket(user_id: str, *, seconds: float = 30, session_seconds: float = 3600, secret: str = SECRET) -> str:
    now = utc_now()
    return TicketOffice(Keys((secret,))).sign(
        Ticket(
            ticket_id=new_id(),
            user_id=user_id,
            expires_at=now + timedelta(seconds=seconds),
            session_expires_at=now + timedelta(seconds=session_seconds),
        )
    )


def bearer(user_id: str, *, seconds: float = 3600, secret: str = JWT_SECRET) -> dict[str, str]:
    claims = {"sub": user_id, "iss": "purser", "aud": "purser", "exp": utc_now() + timedelta(seconds=seconds)}
    return {"Authorization": "Bearer " + jwt.encode(claims, secret, "HS256")}


@dataclass(slots=True)
class StandInWallet:
    """Knows balances and used tickets, answers what notifier asks, and tells of changes."""

    link: BrokerLink
    publisher: Publisher
    versions: dict[tuple[str, str], int] = field(default_factory=dict)
    used: set[UUID] = field(default_factory=set)
    answers: bool = True
    _channel: aio_pika.abc.AbstractChannel | None = None

    async def serve(self) -> None:
        self._channel = await (await self.link.connection(10)).channel()
        queue = await self._channel.get_queue(WALLET_QUERIES.name)
        await queue.consume(self._answer, no_ack=True)

    async def change(self, user_id: str, count: int = 1, *, currency: str = "rsd", told: bool = True) -> list[BalanceChanged]:
        """`count` credits of 100 minor units, told in envelopes of at most 100 unless not `told`."""
        events = [self._credit(user_id, currency) for _ in range(count)]
        if told:
            await self.tell(events)
        return events

    async def tell(self, events: Sequence[BalanceChanged]) -> None:
        route = route_of(BalanceChanged)
        for start in range(0, len(events), 100):
            await publish_envelope(self.publisher, route.exchange, route.key, list(events[start : start + 100]))

    def _credit(self, user_id: str, currency: str) -> BalanceChanged:
        version = self.versions[user_id, currency] = self.versions.get((user_id, currency), 0) + 1
        return BalanceChanged(
            correlation_id=f"{user_id}-{version}",
            user_id=user_id,
            currency=currency,
            available_minor=100 * version,
            held_minor=0,
            version=version,
            change_minor=100,
            kind="deposit",
            payment_id=new_id(),
        )

    def _balances(self, user_ids: Sequence[str]) -> tuple[BalanceView, ...]:
        return tuple(
            BalanceView(user_id=user, currency=currency, available_minor=100 * version, held_minor=0, version=version, updated_at=utc_now())
            for (user, currency), version in self.versions.items()
            if user in user_ids
        )

    async def _answer(self, message: AbstractIncomingMessage) -> None:
        if not self.answers:
            return
        reply: Reply
        if message.type == OpenStream.TYPE:
            opening = OpenStream.model_validate_json(message.body)
            granted = opening.ticket_id is None or opening.ticket_id not in self.used
            if opening.ticket_id is not None:
                self.used.add(opening.ticket_id)
            reply = StreamOpened(granted=granted, balances=self._balances([opening.user_id]) if granted else ())
        else:
            assert message.type == GetBalances.TYPE
            reply = BalancesView(balances=self._balances(GetBalances.model_validate_json(message.body).user_ids))
        assert self._channel is not None
        assert message.reply_to is not None
        answer = aio_pika.Message(reply.model_dump_json().encode(), correlation_id=message.correlation_id)
        await self._channel.default_exchange.publish(answer, message.reply_to, mandatory=False)


@dataclass(slots=True)
class Replica:
    """One notifier process."""

    port: int
    child: Child

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def socket(self, query: str, **options: Any) -> connect:
        return connect(f"ws://127.0.0.1:{self.port}/ws{query}", proxy=None, **options)

    def opened(self, user_id: str, **options: Any) -> connect:
        return self.socket(f"?ticket={ticket(user_id)}", **options)

    async def get(self, path: str, method: str = "GET") -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            return await client.request(method, self.url + path)

    async def metric(self, name: str) -> float:
        lines = (await self.get("/metrics")).text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(name + " "))

    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.child.command.log_file.read_text().splitlines() if line.startswith("{")]


@asynccontextmanager
async def wallet_on(amqp_url: str) -> AsyncIterator[StandInWallet]:
    link = BrokerLink(amqp_url, name="stand-in wallet")
    await link.start(30)
    await declare_topology(link)
    wallet = StandInWallet(link, Publisher(link, app_id="wallet"))
    link.on_restored(wallet.serve)
    await wallet.serve()
    try:
        yield wallet
    finally:
        await link.close()


def notifier_child(amqp_url: str, folder: Path, port: int, **settings: object) -> Child:
    environment = {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
        "PYTHONPATH": str(PROJECT),
        "AMQP_URL": amqp_url,
        "SECRET_KEY": SECRET,
        "JWT_SECRET": JWT_SECRET,
        "NOTIFIER_PORT": str(port),
        **{name.upper(): str(value) for name, value in settings.items()},
    }
    log_file = folder / f"notifier-{port}.log"
    arguments = (sys.executable, "-m", "services.notifier.main")
    return Child(Command(f"notifier-{port}", arguments, folder, log_file, environment, stop_seconds=15))


@asynccontextmanager
async def notifier_on(amqp_url: str, folder: Path, **settings: object) -> AsyncIterator[Replica]:
    port = free_port()
    replica = Replica(port, notifier_child(amqp_url, folder, port, **settings))
    await replica.child.start()
    try:
        await until_ready(replica)
        yield replica
    finally:
        await replica.child.stop()


async def until_ready(replica: Replica) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while True:
            assert replica.child.running, replica.child.last_lines(20)
            with contextlib.suppress(httpx.TransportError):
                if (await replica.get("/health/ready")).status_code == 200:
                    return
            await asyncio.sleep(0.1)


async def frame(socket: ClientConnection, seconds: float = 10) -> dict[str, Any]:
    """The next frame, within `seconds`."""
    async with asyncio.timeout(seconds):
        text = await socket.recv()
    assert isinstance(text, str), "frames are text"
    parsed = json.loads(text)
    assert isinstance(parsed, dict)
    return parsed


async def close_code(socket: ClientConnection, seconds: float = 10) -> int | None:
    """The code that the server closes with; frames that come before are passed over."""
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(seconds):
            while True:
                await socket.recv()
    return socket.close_code
