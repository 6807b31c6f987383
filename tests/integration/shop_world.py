"""A stand-in for payments that sells something by the order form, and a browser that reads the form and sends it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import httpx
import pytest

from shared.contracts.base import utc_now
from shared.contracts.checkout import ListMethods, MethodsView
from shared.contracts.orders import CreateOrder, GetProduct, OrderCreated, ProductView
from shared.contracts.payment_commands import CommandReply
from tests.integration.gateway_world import ORIGIN, World, method_view, one_story, refused
from tests.integration.pages_world import HTML, SCRIPT, SESSION

FORM = "/sr/orders/chakras"
CONTACT = {"email": "Ana@example.rs", "phone": ""}
ALL_AT_FIVE = [
    {"chakra": chakra, "value": 5} for chakra in ("muladhara", "svadhisthana", "manipura", "anahata", "vishuddha", "ajna", "sahasrara")
]


class Shop:
    """The stand-in for payments: sells one product, and makes an order once a key."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.made_by: str | None = "chakras"
        self.payment_url = f"{ORIGIN}/payment/mock?session_id={SESSION}"
        self.orders: dict[str, OrderCreated] = {}
        world.stand_ins.answers |= {GetProduct: self._product, CreateOrder: self._create}

    async def form(self, path: str = FORM, **headers: str) -> httpx.Response:
        return await self.world.http.get(path, headers=HTML | headers)

    async def send(self, fields: dict[str, str], path: str = FORM, **headers: str) -> httpx.Response:
        return await self.world.http.post(path, data=fields, headers=HTML | headers)

    @property
    def asked(self) -> list[CreateOrder]:
        return self.world.stand_ins.asked_of(CreateOrder)

    async def _product(self, query: GetProduct) -> Any:
        if query.product != "chakras":
            return refused("product_not_found", query)
        title = f"{SCRIPT} {query.locale}"
        return ProductView(product="chakras", title=title, amount_minor=99_000, currency="rsd", made_by=self.made_by)

    async def _create(self, command: CreateOrder) -> CommandReply[OrderCreated]:
        key = f"{command.idempotency.caller} {command.idempotency.key_hash}"
        replayed = key in self.orders
        made = self.orders.setdefault(
            key,
            OrderCreated(
                order_id=command.order_id, payment_id=command.payment_id, session_id=SESSION, payment_url=self.payment_url,
                amount_minor=99_000, currency="rsd", method="mock", expires_at=utc_now(),
            ),
        )  # fmt: skip
        return CommandReply(answer=made, replayed=replayed)


@pytest.fixture
async def shop(running: World) -> AsyncIterator[Shop]:
    """For one test: one method pays for orders, and nobody has ordered yet."""
    async with one_story(running) as story:
        running.stand_ins.answers[ListMethods] = one_method
        yield Shop(story)


async def one_method(_: ListMethods) -> MethodsView:
    return MethodsView(methods=(method_view("mock"), method_view("balance", pays_for=("session",))))


def as_rendered(page: httpx.Response) -> dict[str, str]:
    """What a browser would send of the page's form, untouched: without scripts, so ranges are where they were put."""
    fields = {
        name: unescape(value) for name, value in re.findall(r'<input type="hidden"(?: id="\w+")? name="([^"]*)" value="([^"]*)"', page.text)
    }
    fields |= dict.fromkeys(re.findall(r'type="checkbox" name="([^"]*)" value="1" checked', page.text), "1")
    fields |= dict(re.findall(r'type="range" id="\w+" name="([^"]*)"[^>]* value="([^"]*)"', page.text))
    fields |= {
        name: unescape(value) for name, value in re.findall(r'<input id="[^"]*" name="([^"]*)" type="[^"]*" value="([^"]*)"', page.text)
    }
    fields |= dict(re.findall(r'type="radio" name="([^"]*)" value="([^"]*)" checked', page.text))
    return fields


def told(page: httpx.Response) -> dict[str, str]:
    """The messages beside fields."""
    return {name: unescape(text) for name, text in re.findall(r'<p class="wrong" id="([^"]*)-error">([^<]*)</p>', page.text)}
