"""Who may ask, and what they ask about: eight callers, and resources of one owner that are made when a row of the table needs them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar

import httpx
import jwt

from deploy.local.stack import Stack
from shared.contracts.base import new_id, utc_now
from tests.flow.people import WAIT_SECONDS

Made = TypeVar("Made")
Ids = dict[str, str]
"""What fills the holes of a row's path, query and body."""

PRICE_MINOR: Final = 5_000
"""Of the demo's session 1, in usd; its mentor is MENTOR."""


class Who(StrEnum):
    NOBODY = "nobody"
    OWNER = "owner"
    OTHER = "other student"
    MENTOR = "that mentor"
    MENTOR2 = "other mentor"
    ADMIN = "admin"
    EXPIRED = "expired token"
    FORGED = "forged token"


_PEOPLE: Final = {
    Who.OWNER: ("1", "student"),
    Who.OTHER: ("3", "student"),
    Who.MENTOR: ("2", "mentor"),
    Who.MENTOR2: ("4", "mentor"),
    Who.ADMIN: ("9", "admin"),
    # Whatever these could do with a good token, they could do all of it.
    Who.EXPIRED: ("9", "admin"),
    Who.FORGED: ("9", "admin"),
}
SIGNED_IN: Final = (Who.OWNER, Who.OTHER, Who.MENTOR, Who.MENTOR2, Who.ADMIN)
USER_IDS: Final = {who: user_id for who, (user_id, _) in _PEOPLE.items()}


class World:
    """The running gateway, a client for each caller, and what was made so far."""

    def __init__(self, stack: Stack, callers: dict[Who, httpx.AsyncClient]) -> None:
        self.stack = stack
        self.callers = callers
        self._kept: dict[str, Ids] = {}

    async def asked(self, who: Who, method: str, path: str, **parts: Any) -> httpx.Response:
        response = await self.callers[who].request(method, path, **parts)
        # Nobody stays nobody: a login's cookie would speak for them from then on.
        self.callers[who].cookies.clear()
        return response

    async def done(self, who: Who, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """A step on the way to a resource, which must succeed."""
        response = await self.asked(who, method, f"/api/v1{path}", json=body)
        assert response.status_code in (200, 201), f"{method} {path}: {response.status_code} {response.text}"
        told: dict[str, Any] = response.json()
        return told

    async def until(self, ask: Callable[[], Awaitable[Made | None]]) -> Made:
        """What is told a moment later, as a webhook's effect is."""
        async with asyncio.timeout(WAIT_SECONDS):
            while (found := await ask()) is None:
                await asyncio.sleep(0.02)
            return found

    async def kept(self, make: Callable[[World], Awaitable[Ids]]) -> Ids:
        """One of its kind, for all that leave it as it is."""
        if make.__name__ not in self._kept:
            self._kept[make.__name__] = await make(self)
        return self._kept[make.__name__]


@asynccontextmanager
async def a_world(stack: Stack) -> AsyncIterator[World]:
    async with AsyncExitStack() as exits:
        callers = {}
        for who in Who:
            token = _token(stack, who)
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            client = httpx.AsyncClient(base_url=stack.gateway_url, timeout=WAIT_SECONDS, trust_env=False, headers=headers)
            callers[who] = await exits.enter_async_context(client)
        yield World(stack, callers)


def _token(stack: Stack, who: Who) -> str | None:
    if who is Who.NOBODY:
        return None
    user_id, role = _PEOPLE[who]
    expires = utc_now() + timedelta(hours=-1 if who is Who.EXPIRED else 1)
    claims = {"sub": user_id, "roles": [role], "locale": "en", "iss": "purser", "aud": "purser", "exp": expires}
    secret = "somebody else's secret, as long as ours is" if who is Who.FORGED else stack.jwt_secret
    return jwt.encode(claims, secret, algorithm="HS256")


# Resources. Each takes the world and gives the ids by which rows name it; all of them are OWNER's.


async def a_deposit(world: World) -> Ids:
    """Pending."""
    made = await world.done(Who.OWNER, "POST", "/balance/deposit", {"amount": 100, "currency": "rsd", "method": "mock"})
    return {"payment_id": made["payment_id"], "session_id": made["session_id"]}


async def a_paid_deposit(world: World, who: Who = Who.OWNER) -> Ids:
    made = await world.done(who, "POST", "/balance/deposit", {"amount": 100, "currency": "rsd", "method": "mock"})
    await world.done(who, "POST", "/balance/mock/complete", {"session_id": made["session_id"]})
    return {"payment_id": made["payment_id"], "session_id": made["session_id"]}


async def a_session_payment(world: World) -> Ids:
    """For MENTOR's session, pending."""
    body = {"amount": PRICE_MINOR, "currency": "usd", "session_id": 1, "mentor_id": USER_IDS[Who.MENTOR], "method": "mock"}
    made = await world.done(Who.OWNER, "POST", "/payments/create-intent", body)
    return {"payment_id": made["payment_id"]}


async def a_paid_session_payment(world: World) -> Ids:
    ids = await a_session_payment(world)
    confirmed = await world.done(Who.OWNER, "POST", f"/payments/confirm/{ids['payment_id']}")
    assert confirmed["status"] == "completed"
    return ids


async def a_refundable_payment(world: World) -> Ids:
    """Nothing of it has gone back."""
    return await a_paid_session_payment(world)


async def a_session_paid_for(world: World) -> Ids:
    """By OWNER; named as its pages are, by the coaching session."""
    return await a_paid_session_payment(world) | {"session_id": "1"}


async def a_refund(world: World) -> Ids:
    """Of one minor unit, by the mentor who was paid."""
    ids = await a_paid_session_payment(world)
    made = await world.done(Who.MENTOR, "POST", f"/payments/refund/{ids['payment_id']}", {"amount": 1})
    return ids | {"refund_id": made["refund_id"]}


async def a_withdrawal(world: World, who: Who = Who.OWNER) -> Ids:
    """Pending: no automatic approval is on."""
    await a_paid_deposit(world, who)
    made = await world.done(who, "POST", "/balance/withdraw", {"amount": 10, "currency": "rsd", "destination": BANK})
    return {"withdrawal_id": made["withdrawal_id"]}


async def a_withdrawal_of_the_admin(world: World) -> Ids:
    return await a_withdrawal(world, Who.ADMIN)


async def a_transfer(world: World) -> Ids:
    """From OWNER to OTHER."""
    await a_paid_deposit(world)
    made = await world.done(Who.ADMIN, "POST", "/transfers", TRANSFER)
    return {"transfer_id": made["transfer_id"]}


async def a_suspense_item(world: World) -> Ids:
    """Less was paid than was asked for."""
    ids = await a_deposit(world)
    await world.done(Who.ADMIN, "POST", f"/mock/payments/{ids['session_id']}", {"outcome": "success", "amount": 1})

    async def item() -> Ids | None:
        listed = await world.done(Who.ADMIN, "GET", "/suspense?status=open&limit=100")
        found = [one["id"] for one in listed["items"] if one["payment_id"] == ids["payment_id"]]
        return {"item_id": found[0]} if found else None

    return await world.until(item)


async def an_order(world: World) -> Ids:
    """A guest's, not paid."""
    made = await world.done(Who.NOBODY, "POST", "/orders", ORDER | {"email": f"{new_id().hex}@example.org"})
    return {"order_id": made["order_id"], "payment_id": made["payment_id"], "session_id": made["session_id"]}


async def a_product(_: World) -> Ids:
    return {"product": "chakras"}


async def a_paid_order(world: World) -> Ids:
    ids = await an_order(world)
    await world.done(Who.ADMIN, "POST", f"/orders/{ids['order_id']}/mark-paid", {"reference": new_id().hex, "reason": "bank list"})
    return ids


async def the_stylesheet(world: World) -> Ids:
    page = await world.asked(Who.NOBODY, "GET", "/en/login")
    name, *_ = re.findall(r'rel="stylesheet" href="/static/([^"]+)"', page.text)
    return {"name": name}


async def a_coaching_session(world: World) -> Ids:
    session_id = new_id().hex
    await world.done(Who.MENTOR, "PUT", f"/sessions/{session_id}", SESSION)
    return {"session_id": session_id}


BANK: Final = {"type": "bank_account", "account": "160-0000000056789-95", "name": "Petar Petrović"}
TRANSFER: Final = {"amount": 1, "currency": "rsd", "from_user_id": USER_IDS[Who.OWNER], "to_user_id": USER_IDS[Who.OTHER]}
SESSION: Final = {"mentor_id": USER_IDS[Who.MENTOR], "price": PRICE_MINOR, "currency": "usd", "title": "An hour"}
ORDER: Final = {
    "product": "chakras",
    "email": "guest@example.org",
    "birth_date": "1990-01-31",
    "points": [{"chakra": "anahata", "value": 7}],
    "method": "mock",
    "locale": "en",
}
