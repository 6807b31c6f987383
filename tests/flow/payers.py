"""A payer's browser at the providers' own pages: it opens what payment_url leads to, reads the one form there and presses a button; and
what the provider itself can be seen and told to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx

from deploy.local.stack import Stack
from tests.flow.people import WAIT_SECONDS, Person

PHONE = "+79990000001"
# Enough for every provider's minimum, and exact in all of them.
AMOUNT, MINOR, CURRENCY = "20.50", 2_050, "eur"


class Page(HTMLParser):
    """What a browser without JavaScript makes of a page: its form's address (not that one's which logs out) and fields, its buttons, its
    scripts, its text."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.status = response.status_code
        self.url = str(response.url)
        self.headers = response.headers
        self.action = ""
        self.fields: dict[str, str] = {}
        self.buttons: dict[str, str] = {}
        self.scripts: list[str] = []
        self.data: dict[str, str] = {}
        self.text = response.text
        self.feed(response.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        match tag:
            case "form" if not found.get("action", "").endswith("/logout"):
                self.action = urljoin(self.url, found.get("action", ""))
                self.data = {name.removeprefix("data-"): value for name, value in found.items() if name.startswith("data-")}
            case "input":
                self.fields[found.get("name", "")] = found.get("value", "")
            case "button":
                self.buttons[found.get("value", "")] = found.get("name", "")
            case "script" if "src" in found:
                self.scripts.append(urljoin(self.url, found["src"]))


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider's stand-in from outside: what its own staff sees and steers, over HTTP."""

    name: str
    http: httpx.AsyncClient

    async def book(self, what: str = "charges") -> list[dict[str, Any]]:
        """charges, refunds, disputes or payouts, as the provider has them."""
        found: list[dict[str, Any]] = _told(await self.http.get("/_emulator/book"))[what]
        return found

    async def charge_of(self, reference: str) -> dict[str, Any]:
        """The one charge that it has taken under our reference."""
        (found,) = [charge for charge in await self.book() if charge["reference"] == reference]
        return found

    async def control(self, action: str, **arguments: Any) -> Any:
        return _told(await self.http.post(f"/_emulator/control/{action}", json=arguments))["result"]

    async def deliveries(self, **commands: Any) -> None:
        """switches={…}, hold=True, release=True, flush=True, off=True."""
        _told(await self.http.post("/_emulator/deliveries", json=commands))

    async def attempts(self) -> list[dict[str, Any]]:
        """Every webhook that it has sent so far, the oldest first."""
        found: list[dict[str, Any]] = _told(await self.http.get("/_emulator/deliveries"))["attempts"]
        return found


@dataclass(frozen=True, slots=True)
class Payer:
    """Whoever has been given a payment_url. `http` knows nobody and keeps no cookie; redirects are read, not followed."""

    http: httpx.AsyncClient
    publishable_key: str
    stripe_url: str
    phone: str = PHONE
    headers: Mapping[str, str] = field(default_factory=dict)

    async def open(self, url: str) -> Page:
        response = await self.http.get(url, headers=dict(self.headers) | {"Accept": "text/html"})
        if response.status_code == 303:
            response = await self.http.get(urljoin(url, response.headers["location"]), headers={"Accept": "text/html"})
        return Page(response)

    async def press(self, page: Page, button: str, **typed: str) -> httpx.Response:
        assert button in page.buttons, page.text
        return await self.http.post(page.action, data=page.fields | typed | {page.buttons[button]: button})

    async def choose(self, payment_url: str, button: str) -> httpx.Response:
        """At AllSecure's or Prodamus' page: the phone, where it is asked for, and then the button."""
        page = await self.open(payment_url)
        if "customer_phone" in page.fields:
            asked = await self.press(page, "contact", customer_phone=self.phone)
            page = await self.open(asked.headers["location"])
        assert page.status == 200, page.text
        return await self.press(page, button)

    async def confirm_card(self, client_secret: str, method: str = "pm_card_visa") -> httpx.Response:
        """What Stripe.js does when the payer has entered a card: from the browser to Stripe, past us."""
        intent = client_secret.partition("_secret_")[0]
        body = {"key": self.publishable_key, "client_secret": client_secret, "payment_method": method}
        return await self.http.post(
            f"{self.stripe_url}/v1/payment_intents/{intent}/confirm", data=body | {"return_url": "http://127.0.0.1/back"}
        )

    async def pay(self, made: Mapping[str, Any]) -> httpx.Response | None:
        """Whatever the provider. The answer to the last click, but for Stripe's, whose script stays on the page."""
        if made["method"] == "stripe":
            assert (await self.confirm_card(made["client_secret"])).json()["status"] == "succeeded"
            return None
        return await self.choose(made["payment_url"], "pay")


def _told(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


@asynccontextmanager
async def payer_at(stack: Stack, person: Person | None = None) -> AsyncIterator[Payer]:
    """`person`: who also opens pages of ours with their own login."""
    told = stack.stand_ins.settings
    headers = {} if person is None else {"Authorization": person.http.headers["Authorization"]}
    async with httpx.AsyncClient(timeout=WAIT_SECONDS, trust_env=False, verify=False) as http:
        yield Payer(http, told["STRIPE_PUBLISHABLE_KEY"], told["STRIPE_API_BASE"], headers=headers)


@asynccontextmanager
async def provider_of(stack: Stack, name: str) -> AsyncIterator[Provider]:
    async with httpx.AsyncClient(base_url=stack.stand_ins.url(name), timeout=WAIT_SECONDS, trust_env=False, verify=False) as http:
        yield Provider(name, http)


async def deposit(person: Person, method: str) -> dict[str, Any]:
    response = await person.post("/balance/deposit", {"amount": AMOUNT, "currency": CURRENCY, "method": method, "locale": "en"})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    assert (made["method"], made["status"], made["amount_minor"]) == (method, "pending", MINOR)
    return made


async def status_of(person: Person, made: dict[str, Any]) -> str:
    return str((await person.get(f"/payments/{made['payment_id']}")).json()["status"])


async def until(person: Person, made: dict[str, Any], status: str) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while await status_of(person, made) != status:
            await asyncio.sleep(0.02)


async def topped_up(person: Person, payer: Payer, method: str) -> dict[str, Any]:
    made = await deposit(person, method)
    await payer.pay(made)
    await until(person, made, "completed")
    return made


def reference_of(made: dict[str, Any]) -> str:
    """By which the provider knows it."""
    return str(made["client_secret"].partition("_secret_")[0] if made["method"] == "stripe" else made["session_id"])


async def books_of(providers: dict[str, Provider]) -> dict[str, tuple[int, int]]:
    """What was taken and what went back, by the reference that we have of it."""
    theirs = {f"stripe:{one['reference']}": (one["amount_minor"], one["refunded_minor"]) for one in await providers["stripe"].book()}
    back = await providers["allsecure"].book("refunds")
    for one in await providers["allsecure"].book():
        refunded = sum(refund["amount_minor"] for refund in back if refund["charge"] == one["charge"])
        theirs[f"allsecure:{one['charge']}"] = one["amount_minor"], refunded
    for one in await providers["prodamus"].book():
        theirs[f"prodamus:{one['charge']}"] = _minor(one["amount"]), _minor(one["refunded"])
    return theirs


def _minor(amount: str) -> int:
    return int(Decimal(amount) * 100)
