"""What a run plays in: the running stack, the three providers from outside, the people, and what was written down of each payment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx

from deploy.local.stack import Stack
from deploy.local.stand_ins import NAMES
from shared.contracts.base import utc_now
from tests.flow.payers import Payer, Provider, provider_of
from tests.mixed.callers import Caller, Callers
from tests.mixed.plan import MENTORS, ORDER_PRICE, SESSION_PRICES, Plan, Story, major

FEE_BPS: Final = 750
_PRODUCTS: Final = f"""
[[products]]
id = "chakras"
price = "{major(ORDER_PRICE[1], ORDER_PRICE[0])}"
currency = "{ORDER_PRICE[0]}"
fulfilment = "chakras"
[products.title]
en = "Chakra reading"
ru = "Разбор чакр"
sr = "Čitanje čakri"
"""
_REQUEST_SECONDS: Final = 20.0


def settings(session_ttl_seconds: int, products: Path) -> dict[str, str]:
    """Of the stack of a run: short waits, and AllSecure asked as often as is needed (its limits have tests of their own)."""
    products.write_text(_PRODUCTS)
    return {
        "PROVIDERS": ",".join(NAMES),
        "PAYOUT_METHOD": "allsecure",
        "PRODUCTS_FILE": str(products),
        "PLATFORM_FEE_BPS": str(FEE_BPS),
        "SESSION_TTL_SECONDS": str(session_ttl_seconds),
        "RECONCILE_AFTER_SECONDS": "1.5",
        "RPC_TIMEOUT_SECONDS": "3",
        "ALLSECURE_QUESTIONS_PER_MINUTE": "20000",
        "WITHDRAWAL_AUTO_APPROVE": "eur=2000,rsd=200000",
        "RATE_LIMIT_ADDRESS_PER_SECOND": "100000",
        "RATE_LIMIT_ADDRESS_BURST": "100000",
        "RATE_LIMIT_USER_PER_SECOND": "100000",
        "RATE_LIMIT_USER_BURST": "100000",
    }


@dataclass(frozen=True, slots=True)
class Patience:
    """How long those who open a payment wait for its page, and those who wait for its webhook believe that it will come."""

    opening_seconds: float
    known_seconds: float


PATIENT: Final = Patience(opening_seconds=20, known_seconds=30)


@dataclass(slots=True)
class Record:
    """One attempt to pay, as those who took part in it saw it. `refused`: the problem's code, or `given_up`, when nobody was led to pay.
    `reference`: by which the provider's controls know it. `deeds`: what was done there, and when, without what the provider refused."""

    story: Story
    payment_id: str = ""
    order_id: str = ""
    provider: str = ""
    refused: str = ""
    payment_url: str = ""
    reference: str = ""
    expires_at: datetime | None = None
    deeds: list[tuple[str, datetime]] = field(default_factory=list)
    canceled: bool = False
    may_be_canceled: bool = False
    replaced: bool = False

    def did(self, deed: str) -> None:
        self.deeds.append((deed, utc_now()))

    def when(self, deed: str) -> datetime | None:
        """The first time."""
        return next((at for name, at in self.deeds if name == deed), None)


@dataclass(slots=True)
class World:
    stack: Stack
    plan: Plan
    patience: Patience
    providers: dict[str, Provider]
    callers: Callers
    payers_http: httpx.AsyncClient
    admin: Caller
    other_admin: Caller
    users: list[Caller]
    mentors: list[Caller]
    records: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def payer(self, caller: Caller) -> Payer:
        """Their browser, which knows our login and nobody else's."""
        told = self.stack.stand_ins.settings
        return Payer(self.payers_http, told["STRIPE_PUBLISHABLE_KEY"], told["STRIPE_API_BASE"], headers=caller.headers)

    def record(self, story: Story) -> Record:
        record = Record(story)
        self.records.append(record)
        return record

    async def try_control(self, provider: str, action: str, **arguments: Any) -> Any:
        """What the control answers; None when the provider's state does not allow it."""
        answer = await self.providers[provider].http.post(f"/_emulator/control/{action}", json=arguments)
        assert answer.status_code in (200, 400), answer.text
        return answer.json()["result"] if answer.status_code == 200 else None


@asynccontextmanager
async def world(stack: Stack, plan: Plan, patience: Patience) -> AsyncIterator[World]:
    limits = httpx.Limits(max_connections=100)
    async with AsyncExitStack() as exits:
        ours = httpx.AsyncClient(base_url=f"{stack.gateway_url}/api/v1", timeout=_REQUEST_SECONDS, trust_env=False, limits=limits)
        theirs = httpx.AsyncClient(timeout=_REQUEST_SECONDS, trust_env=False, limits=limits)
        callers = Callers(await exits.enter_async_context(ours), stack.jwt_secret)
        made = World(
            stack=stack,
            plan=plan,
            patience=patience,
            providers={name: await exits.enter_async_context(provider_of(stack, name)) for name in NAMES},
            callers=callers,
            payers_http=await exits.enter_async_context(theirs),
            admin=callers.user("admin-1", "admin"),
            other_admin=callers.user("admin-2", "admin"),
            users=[callers.user(f"payer-{number}", "student") for number in range(plan.people)],
            mentors=[callers.user(f"mentor-{number}", "mentor") for number in range(MENTORS)],
        )
        await made.providers["allsecure"].control("limit", per_user=1_000_000, per_transaction=1_000_000)
        for mentor in made.mentors:
            for currency, price_minor in SESSION_PRICES:
                body = {"mentor_id": mentor.user_id, "price": price_minor, "currency": currency, "title": "An hour"}
                answer = await mentor.put(f"/sessions/{session_of(mentor, currency)}", body)
                assert answer.status in (200, 201), answer
        yield made


def session_of(mentor: Caller, currency: str) -> str:
    return f"{mentor.user_id}-{currency}"


def until(moment: datetime, *, after_seconds: float = 0.0) -> float:
    """Seconds from now, at least none."""
    return max(0.0, (moment + timedelta(seconds=after_seconds) - utc_now()).total_seconds())
