"""A merchant's site and the Prodamus stand-in, both on loopback, for the tests of the stand-in over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.emulators.deliveries import Deliveries
from tests.emulators.faults import Faults
from tests.emulators.prodamus import ProdamusEmulator
from tests.emulators.prodamus.php import Tree, read_pairs, tree_of, write_query
from tests.emulators.prodamus.signing import is_signed, sign
from tests.emulators.server import EmulatorServer

RECEIVER_SECONDS = 0.3
"""How long the stand-in waits for the merchant's answer."""


@dataclass(frozen=True, slots=True)
class Came:
    """One notification as it came in. `fields`: what PHP would have seen."""

    path: str
    content_type: str
    sign: str | None
    fields: Tree
    body: bytes

    @property
    def told(self) -> tuple[Any, Any, Any]:
        """Whose order, what became of it, which attempt."""
        return self.fields["order_num"], self.fields["payment_status"], self.fields["attempt"]

    def is_signed(self, key: str) -> bool:
        return self.sign is not None and is_signed(self.fields, self.sign, key)


@dataclass
class Stage:
    """A server that outlives the tests of a module: each puts its own site on it."""

    app: Starlette = field(default_factory=Starlette)
    base_url: str = ""
    deliveries: Deliveries = field(default_factory=lambda: Deliveries(retry_seconds=(), accepted=lambda *_: True))
    faults: Faults = field(default_factory=Faults)


@dataclass
class Merchant:
    """Takes notifications anywhere below /hook and answers what `answers` has next: a status, 0 for none in time; 200 once it is empty."""

    base_url: str
    came: list[Came] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    elsewhere: int = 0

    def __post_init__(self) -> None:
        routes = [Route("/hook{rest:path}", self._hook, methods=["POST"]), Route("/elsewhere", self._elsewhere, methods=["GET", "POST"])]
        self.app = Starlette(routes=routes)

    async def _hook(self, request: Request) -> Response:
        status = self.answers.pop(0) if self.answers else 200
        body = await request.body()
        # The reader of forms is Starlette's own: what the stand-in writes must be a form to others too.
        async with request.form() as form:
            fields = read_pairs((name, value) for name, value in form.multi_items() if isinstance(value, str))
        headers = request.headers
        self.came.append(Came(request.url.path, headers["content-type"], headers.get("sign"), fields, body))
        if status == 0:
            await asyncio.sleep(RECEIVER_SECONDS * 1.5)
            return PlainTextResponse("late")
        return RedirectResponse("/elsewhere", status) if 300 <= status < 400 else PlainTextResponse("success", status)

    async def _elsewhere(self, _: Request) -> Response:
        self.elsewhere += 1
        return PlainTextResponse("here")


@dataclass
class World:
    """The two sites and a browser that keeps redirects to itself."""

    prodamus: ProdamusEmulator
    merchant: Merchant
    browser: httpx.AsyncClient

    def link(self, order: str = "ord-42", *, page: str = "shop", signed: bool = True, **changes: Any) -> str:
        """The address of a payment of 21.00 RUB; a change to None leaves a parameter out."""
        plain: dict[str, Any] = {
            "do": "pay",
            "order_id": order,
            "products": [{"name": 'Тест / "А"', "price": "10.50", "quantity": "2"}],
            "customer_phone": "+79990000000",
            "currency": "rub",
            "sys": "demo",
            "payments_limit": "1",
            "urlSuccess": self.merchant.base_url + "/success",
            "urlReturn": self.merchant.base_url + "/return",
        }
        tree = tree_of({name: value for name, value in (plain | changes).items() if value is not None})
        if signed:
            tree["signature"] = sign(tree, self.prodamus.book.page(page).effective_key)
        return f"{self.prodamus.page_url(page)}?{write_query(tree)}"

    async def open(self, order: str = "ord-42", **changes: Any) -> None:
        """The payer opens the link that the merchant made."""
        assert (await self.browser.get(self.link(order, **changes))).status_code == 200

    async def choose(self, short_url: str, choice: str, **fields: str) -> httpx.Response:
        """The payer presses a button of the page."""
        return await self.browser.post(short_url, data={"choice": choice, **fields})

    async def short(self, order: str = "ord-42", **changes: Any) -> str:
        """The short link that the page answers to the merchant."""
        answer = await self.browser.get(self.link(order, do="link", **changes))
        assert answer.status_code == 200, answer.text
        return answer.text

    async def told(self) -> list[Came]:
        """What came, once nothing is outstanding."""
        await self.prodamus.deliveries.idle()
        return self.merchant.came

    async def control(self, name: str, arguments: Mapping[str, Any]) -> httpx.Response:
        return await self.browser.post(f"{self.prodamus.base_url}/_emulator/control/{name}", json=arguments)


Stages: TypeAlias = tuple[Stage, Stage]


@asynccontextmanager
async def both_stages() -> AsyncIterator[Stages]:
    """For the provider and for the merchant."""
    provider, merchant = Stage(), Stage()
    async with EmulatorServer(provider), EmulatorServer(merchant):
        yield provider, merchant


@asynccontextmanager
async def playing(stages: Stages) -> AsyncIterator[World]:
    """New sites on the stages: an empty book, and a merchant whom nobody has told anything."""
    merchant = Merchant(stages[1].base_url)
    prodamus = ProdamusEmulator(webhooks_to=merchant.base_url + "/hook", time_scale=0.000_001, timeout_seconds=RECEIVER_SECONDS)
    prodamus.base_url = stages[0].base_url
    stages[0].app, stages[1].app = prodamus.app, merchant.app
    await prodamus.deliveries.start()
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as browser:
            yield World(prodamus, merchant, browser)
    finally:
        await prodamus.deliveries.stop()
