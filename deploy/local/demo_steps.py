"""The steps of the demo, over HTTP and an open socket as any frontend would take them: pay in, give back, pay out."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from deploy.local.errors import LocalError

STEP_SECONDS = 30.0
_AGAIN_SECONDS = 0.2
_CURRENCY = "rsd"


class Story(Protocol):
    """Where the steps are told; `step` is what is being done now."""

    step: str

    def tell(self, what: str, facts: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is logged in."""

    client: httpx.AsyncClient
    user_id: str

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None, *, until: str | None = None) -> dict[str, Any]:
        """The answer's object. With `until`, a 202 or another status is asked again under the same key, as the contract allows, until
        the time is over. LocalError says what came instead."""
        headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
        deadline = time.monotonic() + STEP_SECONDS
        while True:
            try:
                answer = await self.client.request(method, path, json=body, headers=headers)
                found: dict[str, Any] = answer.json(parse_float=Decimal) if answer.content else {}
            except (httpx.HTTPError, ValueError) as error:
                raise LocalError(f"{method} {path}: {str(error) or type(error).__name__}") from error
            if answer.status_code not in (200, 201, 202, 409, 503) or (until is None and answer.status_code >= 300):
                raise LocalError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
            if answer.status_code in (200, 201) and (until is None or found.get("status") == until):
                return found
            if time.monotonic() > deadline:
                raise LocalError(f"{method} {path}: still {answer.status_code} {answer.text[:500]} after {STEP_SECONDS:.0f} s")
            await asyncio.sleep(_AGAIN_SECONDS)


@asynccontextmanager
async def logged_in(gateway_url: str, login: str) -> AsyncIterator[Person]:
    """Somebody of the demo directory, whose passwords are the logins."""
    async with httpx.AsyncClient(base_url=f"{gateway_url}/api/v1", timeout=STEP_SECONDS, trust_env=False) as client:
        person = Person(client, "")
        token = await person.call("POST", "/auth/login", {"login": login, "password": login})
        client.headers["Authorization"] = f"Bearer {token['access_token']}"
        client.cookies.clear()
        me = await person.call("GET", "/me")
        yield Person(client, me["user_id"])


class OpenPage:
    """A page's socket: the balance that it shows, and the frames that move it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def frame(self, kind: str) -> dict[str, Any]:
        """The next frame of the kind; others are passed over."""
        async with asyncio.timeout(STEP_SECONDS):
            while True:
                frame: dict[str, Any] = json.loads(await self._socket.recv(), parse_float=Decimal)
                if frame["type"] == kind:
                    return frame

    async def shows(self, *, available_minor: int, held_minor: int) -> dict[str, Any]:
        """The frame after which the page shows this balance."""
        async with asyncio.timeout(STEP_SECONDS):
            while True:
                frame = await self.frame("balance.updated")
                if (frame["available_minor"], frame["held_minor"]) == (available_minor, held_minor):
                    return frame


@asynccontextmanager
async def open_page(person: Person) -> AsyncIterator[OpenPage]:
    ticket = await person.call("POST", "/stream/ticket")
    try:
        async with connect(ticket["url"], proxy=None, open_timeout=STEP_SECONDS) as socket:
            yield OpenPage(socket)
    except (OSError, TimeoutError, WebSocketException) as error:
        raise LocalError(f"the socket failed: {str(error) or type(error).__name__}") from error


async def top_up(story: Story, person: Person, page: OpenPage) -> str:
    """2000.00 reach the balance and the page; the payment's id."""
    story.step = "deposit 2000 rsd"
    deposit = await person.call("POST", "/balance/deposit", {"amount": 2000, "currency": _CURRENCY, "method": "mock"}, until="pending")
    payment_id, session_id = str(deposit["payment_id"]), deposit["session_id"]
    story.tell("deposit of 2000 rsd opened", f"payment {payment_id}, session {session_id}")

    story.step = "complete the deposit"
    done = {"session_id": session_id, "amount": 2000, "outcome": "success"}
    clicked = time.monotonic()
    frame, _ = await _both(
        page.shows(available_minor=200_000, held_minor=0), person.call("POST", "/balance/mock/complete", done, until="completed")
    )
    story.tell(
        "deposit completed by the mock", f"rsd {frame['available']} on the socket, {time.monotonic() - clicked:.3f} s after the click"
    )
    await _agrees(story, person, 200_000, 0)
    return payment_id


async def refund(story: Story, admin: Person, person: Person, page: OpenPage, payment_id: str) -> None:
    """500.00 of the top-up go back to the payer."""
    story.step = "refund 500 rsd"
    answer, frame = await _both(
        admin.call("POST", f"/payments/refund/{payment_id}", {"amount": 50_000, "reason": "too much"}, until="partially_refunded"),
        page.shows(available_minor=150_000, held_minor=0),
    )
    story.tell("500 rsd refunded", f"refund {answer['refund_id']}, {answer['refund_status']}; rsd {frame['available']} on the socket")
    await _agrees(story, person, 150_000, 0)


async def withdraw(story: Story, admin: Person, person: Person, page: OpenPage) -> None:
    """1000.00 are held at once, approved by somebody else, and paid out."""
    story.step = "withdraw 1000 rsd"
    destination = {"type": "bank_account", "account": "265-0000001234567-89", "name": "Test User"}
    order = {"amount": 1000, "currency": _CURRENCY, "destination": destination}
    withdrawal, frame = await _both(
        person.call("POST", "/balance/withdraw", order, until="pending"), page.shows(available_minor=50_000, held_minor=100_000)
    )
    withdrawal_id = withdrawal["withdrawal_id"]
    story.tell("withdrawal of 1000 rsd, held at once", f"withdrawal {withdrawal_id}; rsd {frame['available']}, {frame['held']} held")

    story.step = "approve the withdrawal"
    await admin.call("POST", f"/withdrawals/{withdrawal_id}/approve")
    await person.call("GET", f"/withdrawals/{withdrawal_id}", until="paid")
    await page.shows(available_minor=50_000, held_minor=0)
    story.tell("approved by the admin and paid out", f"withdrawal {withdrawal_id}")
    await _agrees(story, person, 50_000, 0)


async def _agrees(story: Story, person: Person, available_minor: int, held_minor: int) -> None:
    story.step = "GET /balance"
    balance = await person.call("GET", f"/balance?currency={_CURRENCY}")
    if (balance["available_minor"], balance["held_minor"]) != (available_minor, held_minor):
        raise LocalError(f"the balance is {json.dumps(balance, default=str)}, the page shows {available_minor} and {held_minor} held")
    story.tell("GET /balance agrees", f"rsd {balance['available']}, {balance['held']} held, version {balance['version']}")


async def _both(first: Any, second: Any) -> tuple[Any, Any]:
    """Side by side: what is told on the socket may come before the answer."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = group.create_task(first), group.create_task(second)
    except ExceptionGroup as failures:
        raise LocalError("; ".join(str(failure) or type(failure).__name__ for failure in failures.exceptions)) from failures
    return tasks[0].result(), tasks[1].result()
