"""A merchant's site and AllSecure's stand-in, both on loopback, for the tests of the stand-in over HTTP.

The merchant signs and verifies by code of its own, so that a mistake of the stand-in's is seen.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.emulators.allsecure import CARDS, AllSecureEmulator, Connector
from tests.emulators.deliveries import Deliveries
from tests.emulators.faults import Faults
from tests.emulators.server import EmulatorServer

JSON = "application/json; charset=utf-8"
HOOK = "/webhooks/allsecure?tenant=1"


@dataclass
class Stage:
    """A server that outlives the tests of a module: each puts its own site on it."""

    app: Starlette = field(default_factory=Starlette)
    base_url: str = ""
    deliveries: Deliveries = field(default_factory=lambda: Deliveries(retry_seconds=(), accepted=lambda *_: True))
    faults: Faults = field(default_factory=Faults)


Stages: TypeAlias = tuple[Stage, Stage]


@dataclass(frozen=True, slots=True)
class Came:
    """One callback as it came in; `target`: path and query."""

    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told

    @property
    def told(self) -> tuple[str, str, str]:
        """What became of what."""
        return self.fields["merchantTransactionId"], self.fields["transactionType"], self.fields["result"]

    def is_signed(self, connector: Connector = CARDS, body_hash: str = "sha512") -> bool:
        headers = self.headers
        signed = signature("POST", self.body, headers["content-type"], headers["x-date"], self.target, connector, body_hash)
        return headers["date"] == headers["x-date"] and headers["x-signature"] == signed


def signature(
    method: str, body: bytes, content_type: str, date: str, target: str, connector: Connector = CARDS, body_hash: str = "sha512"
) -> str:
    hashed = hashlib.new(body_hash, body).hexdigest()
    message = f"{method}\n{hashed}\n{content_type}\n{date}\n{target}"
    return base64.b64encode(hmac.new(connector.shared_secret.encode(), message.encode(), hashlib.sha512).digest()).decode()


def refusal(answer: httpx.Response) -> int:
    """The code of the top-level error form, in which nothing of a transaction is."""
    told = answer.json()
    assert answer.status_code != 200
    assert set(told) == {"success", "errorMessage", "errorCode"}
    assert told["success"] is False
    code: int = told["errorCode"]
    return code


@dataclass
class Merchant:
    """Takes callbacks below /webhooks and answers what `answers` has next, OK once it is empty; while `gate` is closed, nothing."""

    base_url: str
    came: list[Came] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()
        self.app = Starlette(routes=[Route("/webhooks{rest:path}", self._hook, methods=["POST"])])

    async def _hook(self, request: Request) -> Response:
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        self.came.append(Came(target, dict(request.headers), await request.body()))
        await self.gate.wait()
        status, text = self.answers.pop(0) if self.answers else (200, "OK")
        return RedirectResponse("/webhooks/elsewhere", status) if 300 <= status < 400 else PlainTextResponse(text, status)


@dataclass
class Clock:
    """The gateway's; signatures are dated by it too."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def text(self, offset: timedelta = timedelta()) -> str:
        return (self.now + offset).strftime("%a, %d %b %Y %H:%M:%S GMT")


@dataclass
class World:
    """The two sites, and a client that follows no redirects."""

    allsecure: AllSecureEmulator
    merchant: Merchant
    client: httpx.AsyncClient
    clock: Clock

    def debit_fields(self, reference: str = "ord-42", **changes: Any) -> dict[str, Any]:
        """A payment of 9.99 EUR by the hosted page; a change to None leaves a field out."""
        site = self.merchant.base_url
        fields = {
            "merchantTransactionId": reference,
            "amount": "9.99",
            "currency": "EUR",
            "successUrl": f"{site}/ok",
            "cancelUrl": f"{site}/cancel",
            "errorUrl": f"{site}/err",
            "callbackUrl": site + HOOK,
        }
        return {name: value for name, value in (fields | changes).items() if value is not None}

    async def send(self, method: str, fields: Mapping[str, Any], **others: Any) -> httpx.Response:
        """A transaction call."""
        body = json.dumps(fields, separators=(",", ":")).encode()
        return await self.request("POST", f"transaction/{{}}/{method}", body, **others)

    async def ask(self, wanted: str, *, by: str = "getByMerchantTransactionId", **others: Any) -> httpx.Response:
        """A question to the status API."""
        return await self.request("GET", f"status/{{}}/{by}/{wanted}", b"", **others)

    async def request(
        self,
        verb: str,
        path: str,
        body: bytes,
        *,
        connector: Connector = CARDS,
        content_type: str = JSON,
        body_hash: str | None = "sha512",
        date: str | None = None,
        headers: Mapping[str, str] | None = None,
        password: str | None = None,
    ) -> httpx.Response:
        """Signed as the sheet says; `body_hash` None: not at all. `headers`: on top, after signing."""
        date = date or self.clock.text()
        target = f"/api/v3/{path.format(connector.api_key)}"
        sent = {"Content-Type": content_type, "Date": date, "X-Date": date}
        if body_hash is not None:
            sent["X-Signature"] = signature(verb, body, content_type, date, target, connector, body_hash)
        user = (connector.username, password or connector.password)
        # Bytes, so that what is sent is what was signed.
        sent |= headers or {}
        return await self.client.request(verb, self.allsecure.base_url + target, content=body or None, headers=sent, auth=user)

    async def debit(self, reference: str = "ord-42", **changes: Any) -> dict[str, Any]:
        """A debit that is taken; the answer."""
        answer = await self.send("debit", self.debit_fields(reference, **changes))
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def paid(self, reference: str = "ord-42", **changes: Any) -> str:
        """A debit that its payer has paid, and whose callback has come; its uuid."""
        uuid: str = (await self.debit(reference, **changes))["uuid"]
        await self.allsecure.control.pay(reference)
        await self.allsecure.deliveries.idle()
        return uuid

    async def about(self, method: str, reference: str, uuid: str, amount: str | None = None, **changes: Any) -> dict[str, Any]:
        """A refund, payout, capture … of an earlier transaction."""
        fields = {"merchantTransactionId": reference, "referenceUuid": uuid, "callbackUrl": self.merchant.base_url + HOOK} | changes
        if amount is not None:
            fields |= {"amount": amount, "currency": "EUR"}
        told: dict[str, Any] = (await self.send(method, fields)).json()
        return told

    async def status(self, reference: str = "ord-42") -> str:
        told: str = (await self.ask(reference)).json()["transactionStatus"]
        return told

    async def choose(self, page_url: str, choice: str) -> httpx.Response:
        """The payer presses a button."""
        return await self.client.post(page_url, data={"choice": choice})

    async def told(self) -> list[tuple[str, str, str]]:
        """What the merchant was told, once nothing is outstanding."""
        await self.allsecure.deliveries.idle()
        return [one.told for one in self.merchant.came]

    async def control(self, name: str, **arguments: Any) -> httpx.Response:
        return await self.client.post(f"{self.allsecure.base_url}/_emulator/control/{name}", json=arguments)


@asynccontextmanager
async def both_stages() -> AsyncIterator[Stages]:
    """For the gateway and for the merchant."""
    gateway, merchant = Stage(), Stage()
    async with EmulatorServer(gateway), EmulatorServer(merchant):
        yield gateway, merchant


@asynccontextmanager
async def playing(stages: Stages) -> AsyncIterator[World]:
    """New sites on the stages: an empty book, and a merchant whom nobody has told anything."""
    clock = Clock()
    merchant = Merchant(stages[1].base_url)
    allsecure = AllSecureEmulator(time_scale=0.000_000_1, clock=clock, seed=7)
    allsecure.base_url = stages[0].base_url
    stages[0].app, stages[1].app = allsecure.app, merchant.app
    await allsecure.deliveries.start()
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=5, follow_redirects=False) as client:
            yield World(allsecure, merchant, client, clock)
    finally:
        merchant.gate.set()
        await allsecure.deliveries.stop()
