"""The real gateway on a real port and a real broker, and stand-ins for payments, wallet and notifier on their queues."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import aio_pika
import httpx
import jwt
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from services.gateway.config import GatewaySettings
from services.gateway.main import gateway
from shared.contracts.base import Message, Reply, new_id, utc_now
from shared.contracts.checkout import AmountLimits, ListMethods, MethodsView, MethodView
from shared.contracts.payment_commands import (
    CommandReply,
    CompleteMockSession,
    CreateDeposit,
    DepositCreated,
    MockSessionDecided,
    Refused,
    SignedEvent,
)
from shared.contracts.payment_events import ProviderEventReceived
from shared.contracts.queries import (
    BalancesView,
    BalanceView,
    GetBalances,
    GetNotifierHealth,
    GetPayment,
    GetPaymentsHealth,
    GetTransfer,
    GetWalletHealth,
    HealthView,
    ListTransactions,
    PaymentView,
    TransactionPage,
    TransferView,
)
from shared.contracts.topology import (
    NOTIFIER_QUERIES,
    PAYMENTS_COMMANDS,
    PAYMENTS_PROVIDER_EVENTS,
    PAYMENTS_QUERIES,
    ROUTES,
    WALLET_QUERIES,
)
from shared.delivery.envelopes import Unpacker
from shared.keys import Keys
from shared.operations import listen
from tests.cut_link import CutLink

SECRET = "a test's own secret that is long enough 0123456789"
JWT_SECRET = "a test's own token secret, long enough: 9876543210"
ORIGIN = "http://localhost:8000"
CLASSES = {route.key: route.message for route in ROUTES}

Answerer = Callable[[Any], Awaitable[Reply | None]]


def token(user_id: str = "1", *, seconds: float = 3600, secret: str = JWT_SECRET, **claims: Any) -> str:
    told = {
        "sub": user_id,
        "iss": "purser",
        "aud": "purser",
        "roles": ["student"],
        "email": "a@b.rs",
        "exp": utc_now() + timedelta(seconds=seconds),
    }
    return jwt.encode({**told, **claims}, secret, "HS256")


def bearer(user_id: str = "1", **claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(user_id, **claims)}"}


def signed(body: bytes, *, event_id: str = "evt_1", secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    """The headers with which the mock would post `body`."""
    timestamp = str(int(time.time() if at is None else at))
    digest = hmac.digest(Keys((secret,)).signing("mock-webhook"), f"{event_id}.{timestamp}.".encode() + body, sha256)
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


@dataclass(slots=True)
class StandIns:
    """Answers what the gateway asks, by message; a silent one gives no answer. What was asked is kept."""

    asked: list[Message] = field(default_factory=list)
    answers: dict[type[Message], Answerer] = field(default_factory=dict)
    payments: dict[UUID, CreateDeposit] = field(default_factory=dict)
    sessions: dict[str, UUID] = field(default_factory=dict)
    keys: dict[str, tuple[str, DepositCreated]] = field(default_factory=dict)
    completed: set[UUID] = field(default_factory=set)
    posted: bool = True
    ready: bool = True
    _channel: AbstractChannel | None = None

    def asked_of(self, kind: type[Message]) -> list[Any]:
        return [message for message in self.asked if isinstance(message, kind)]

    def forget(self) -> None:
        """As if nothing had been asked yet, and everything is answered as usual."""
        for kept in (self.asked, self.answers, self.payments, self.sessions, self.keys, self.completed):
            kept.clear()
        self.posted = self.ready = True

    async def serve(self, channel: AbstractChannel) -> None:
        self._channel = channel
        for queue in (PAYMENTS_COMMANDS, PAYMENTS_QUERIES, WALLET_QUERIES, NOTIFIER_QUERIES):
            await (await channel.get_queue(queue.name)).consume(self._on_message, no_ack=True)

    async def _on_message(self, received: AbstractIncomingMessage) -> None:
        message = CLASSES[received.type or ""].model_validate_json(received.body)
        self.asked.append(message)
        reply = await self.answers.get(type(message), self._usual)(message)
        if reply is not None and received.reply_to is not None:
            assert self._channel is not None
            answer = aio_pika.Message(reply.model_dump_json().encode(), correlation_id=received.correlation_id)
            await self._channel.default_exchange.publish(answer, received.reply_to, mandatory=False)

    async def _usual(self, message: Message) -> Reply | None:
        match message:
            case CreateDeposit():
                return self._deposit(message)
            case CompleteMockSession():
                return self._complete(message)
            case GetPayment():
                return self._payment(message)
            case GetTransfer():
                return TransferView(reference=message.reference, posted=self.posted)
            case GetBalances():
                return BalancesView(balances=())
            case ListTransactions():
                return TransactionPage(items=(), next_cursor=None)
            case ListMethods():
                return MethodsView(methods=(method_view("mock"), method_view("balance", pays_for=("session",))))
            case GetPaymentsHealth() | GetWalletHealth() | GetNotifierHealth():
                service = message.TYPE.split("-")[1]
                return HealthView(service=service, ready=self.ready, checks={"broker": "ok"})
        raise AssertionError(message)

    def _deposit(self, command: CreateDeposit) -> CommandReply[DepositCreated]:
        same = command.idempotency
        key = f"{same.caller} {same.operation} {same.key_hash}"
        if same.key_hash is not None and key in self.keys:
            fingerprint, kept = self.keys[key]
            if fingerprint != same.fingerprint:
                return CommandReply(answer=refused("idempotency_key_reused", command))
            return CommandReply(replayed=True, answer=kept)
        session_id = new_id()
        answer = DepositCreated(
            payment_id=command.payment_id,
            session_id=session_id,
            payment_url=f"http://localhost:8000/payment/mock?session_id={session_id}",
            amount_minor=command.amount_minor,
            currency=command.currency,
            method="mock",
            expires_at=utc_now() + timedelta(hours=1),
        )
        self.payments[command.payment_id] = command
        self.sessions[str(session_id)] = command.payment_id
        self.keys[key] = (same.fingerprint, answer)
        return CommandReply(answer=answer)

    def _complete(self, command: CompleteMockSession) -> CommandReply[MockSessionDecided]:
        payment_id = self.sessions.get(command.session_id)
        if payment_id is None or self.payments[payment_id].user_id != command.user_id:
            return CommandReply(answer=refused("session_not_found", command))
        body = command.session_id.encode()
        return CommandReply(
            answer=MockSessionDecided(
                payment_id=payment_id,
                session_id=UUID(command.session_id),
                outcome=command.outcome,
                event=SignedEvent(headers=signed(body), body=base64.b64encode(body)),
            )
        )

    def _payment(self, query: GetPayment) -> PaymentView | Refused:
        payment_id = self.sessions.get(query.payment_id) or next((p for p in self.payments if str(p) == query.payment_id), None)
        command = None if payment_id is None else self.payments[payment_id]
        if command is None or command.user_id != query.viewer_user_id:
            return refused("payment_not_found", query)
        done = command.payment_id in self.completed
        return PaymentView(
            payment_id=command.payment_id,
            session_id=None,
            user_id=command.user_id,
            kind="deposit",
            method="mock",
            status="completed" if done else "pending",
            amount_minor=command.amount_minor,
            currency=command.currency,
            credit_reference="mock:ch_1" if done else None,
            payment_url=None,
            expires_at=None,
            created_at=utc_now(),
            updated_at=utc_now(),
        )


def refused(code: str, message: Message) -> Refused:
    return Refused(code=code, detail=f"{code}, in words", request_id=message.correlation_id)


def method_view(method: str, *limits: AmountLimits, **changes: Any) -> MethodView:
    """Takes every sum of dinars, unless `limits` say otherwise."""
    dinars = AmountLimits(currency="rsd", minimum_minor=1, maximum_minor=10**15, step_minor=1)
    fields: dict[str, Any] = {"pays_for": ("deposit", "session", "order"), "limits": limits or (dinars,), "capabilities": ("refund",)}
    return MethodView(method=method, **fields | changes)


async def silent(_: Message) -> None:
    """No answer."""


def balance_view(currency: str, available_minor: int) -> BalanceView:
    return BalanceView(user_id="1", currency=currency, available_minor=available_minor, held_minor=0, version=3, updated_at=utc_now())


@dataclass(slots=True)
class World:
    http: httpx.AsyncClient
    stand_ins: StandIns
    broker: CutLink
    settings: GatewaySettings
    channel: AbstractChannel

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.http.post(path, json=body, headers={**bearer(), **_dashed(headers)})

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        return await self.http.get(path, params=parameters, headers=bearer())

    async def deposit(self, amount: Any = 2000, currency: str = "rsd", **headers: str) -> httpx.Response:
        return await self.post("/api/v1/balance/deposit", {"amount": amount, "currency": currency, "method": "mock"}, **headers)

    async def events(self) -> list[ProviderEventReceived]:
        """The provider events that are durable at the broker and not taken by anybody."""
        found: list[ProviderEventReceived] = []
        queue = await self.channel.get_queue(PAYMENTS_PROVIDER_EVENTS.name)
        while (message := await queue.get(no_ack=True, fail=False)) is not None:
            found += Unpacker(ProviderEventReceived).unpack(message.body)[0]
        return found

    async def lost(self) -> httpx.Response:
        """Waits until the gateway knows that its link is cut; the answer of its readiness."""
        async with asyncio.timeout(10):
            while (answer := await self.http.get("/health/ready")).status_code == 200:
                await asyncio.sleep(0.01)
        return answer

    async def restored(self) -> None:
        """Mends the link and waits until the gateway is ready again."""
        self.broker.mend()
        async with asyncio.timeout(30):
            while (await self.http.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0.05)


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@asynccontextmanager
async def gateway_world(amqp_url: str, **settings: Any) -> AsyncIterator[World]:
    """The gateway behind a link to the broker that can be cut; the stand-ins have a link of their own."""
    async with contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(CutLink.to(amqp_url))
        told: dict[str, Any] = {
            "_env_file": None,
            "amqp_url": broker.url,
            "secret_key": (SECRET,),
            "jwt_secret": JWT_SECRET,
            "rpc_timeout_seconds": 2.0,
        }
        listener = listen("127.0.0.1", 0, "GATEWAY_PORT")
        made = GatewaySettings(**{**told, **settings})
        await stack.enter_async_context(gateway(made, listener))
        connection = await stack.enter_async_context(await aio_pika.connect(amqp_url))
        channel = await connection.channel()
        stand_ins = StandIns()
        await stand_ins.serve(channel)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=address, timeout=30, trust_env=False))
        yield World(http, stand_ins, broker, made, channel)


@asynccontextmanager
async def one_story(running: World) -> AsyncIterator[World]:
    """The world of a whole module, for one test: with nothing left over from the one before."""
    running.stand_ins.forget()
    running.http.cookies.clear()
    await running.events()
    yield running
    running.stand_ins.answers.clear()
    await running.restored()


async def until(fact: Callable[[], bool], *, seconds: float = 10) -> None:
    """Waits until `fact` holds."""
    async with asyncio.timeout(seconds):
        while not fact():
            await asyncio.sleep(0.01)
