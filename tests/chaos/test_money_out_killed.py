"""Refunds and withdrawals under way while what carries them is killed: each ends as its provider decided, once, and nothing stays held."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from typing import Any
from uuid import uuid4

from deploy.local.errors import LocalError
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitmqServer
from deploy.local.services import SERVICES
from deploy.local.stack import Stack
from tests.chaos.test_killed_in_turn import GIVE_UP_SECONDS, Tally, persist
from tests.flow.people import Person, logged_in
from tests.flow.verifying import verify
from tests.servers import MakeStack

AMOUNT_MINOR = 700
ROUNDS = 5
AT_ONCE = 20
PEOPLE = ("testuser", "other", "mentor")
VICTIMS = ("payments", "wallet", "rabbitmq", "payments", "postgres", "wallet")

# What the stand-in makes of it, how that is told in the end, and how much of the money is gone then.
REFUNDS = {
    "mock:silent": ("succeeded", AMOUNT_MINOR),
    "mock:pending": ("succeeded", AMOUNT_MINOR),
    "mock:fail-later": ("failed", 0),
    "mock:decline": ("failed", 0),
    "as usual": ("succeeded", AMOUNT_MINOR),
}
PAYOUTS = {
    "1234-0002": ("paid", AMOUNT_MINOR),
    "1234-0003": ("returned", 0),
    "1234-0001": ("failed", 0),
    "1234-5678": ("paid", AMOUNT_MINOR),
}


class Work:
    """What was asked for by whom, and how it has to end."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.done = 0
        self.left_minor: Counter[str] = Counter()
        self.ends: dict[str, tuple[Person, str]] = {}

    async def paid_in(self, person: Person) -> str:
        made = await persist(person, "/balance/deposit", {"amount": 7, "currency": "rsd", "method": "mock"}, 201, self.tally, str(uuid4()))
        await persist(person, "/balance/mock/complete", {"session_id": made["session_id"]}, 200, self.tally)
        return str(made["payment_id"])

    async def refund(self, name: str, person: Person, admin: Person, reason: str) -> None:
        path = f"/payments/refund/{await self.paid_in(person)}"
        made = await persist(admin, path, {"reason": reason}, 201, self.tally, str(uuid4()))
        self._asked(name, person, f"/payments/{made['payment_id']}/refunds/{made['refund_id']}", REFUNDS[reason])

    async def withdraw(self, name: str, person: Person, account: str) -> None:
        await self.paid_in(person)
        destination = {"type": "bank_account", "account": account, "name": "Petar Petrović"}
        body = {"amount": 7, "currency": "rsd", "destination": destination}
        made = await persist(person, "/balance/withdraw", body, 201, self.tally, str(uuid4()))
        self._asked(name, person, f"/withdrawals/{made['withdrawal_id']}", PAYOUTS[account])

    def _asked(self, name: str, person: Person, path: str, end: tuple[str, int]) -> None:
        assert path not in self.ends, "two requests were made one"
        self.ends[path] = (person, end[0])
        self.left_minor[name] += AMOUNT_MINOR - end[1]
        self.done += 1


async def kill_in_turn(stack: Stack, work: Work, total: int) -> None:
    """Each back before the next falls, and only while there is work to disturb."""
    servers: dict[str, RabbitmqServer | PostgresServer] = {"rabbitmq": stack.rabbitmq, "postgres": stack.postgres}
    for number, victim in enumerate(VICTIMS, start=1):
        while work.done < min(number * total // (len(VICTIMS) + 1), total - 4):
            await asyncio.sleep(0.02)
        if victim in servers:
            await servers[victim].kill()
        else:
            await stack.kill(victim)
        await all_back(stack)


async def all_back(stack: Stack) -> None:
    """Whoever was just starting when a server fell ends, and is started once more."""
    async with asyncio.timeout(90):
        for service in SERVICES:
            while True:
                with suppress(LocalError):
                    if stack.service(service).child.running:
                        await stack.wait_ready(service)
                        break
                await asyncio.sleep(0.05)


async def status_of(person: Person, path: str) -> str:
    answer = await person.get(path)
    assert answer.status_code in (200, 503), answer.text
    told: dict[str, Any] = answer.json()
    return str(told.get("refund_status") or told["status"])


async def test_refunds_and_withdrawals_while_everything_is_killed_in_turn(make_stack: MakeStack) -> None:
    """killbill #643, hyperswitch #3675: what was unknown when it was cut is neither done twice nor forgotten."""
    settings = {"RPC_TIMEOUT_SECONDS": "3", "WITHDRAWAL_AUTO_APPROVE": "rsd=100000000"}
    stack = await make_stack(settings, own_servers=True, supervised=True)
    work = Work()
    async with AsyncExitStack() as exits:
        people = {
            name: await exits.enter_async_context(logged_in(stack.gateway_url, stack.notifier_urls[0], name)) for name in (*PEOPLE, "admin")
        }
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(number: int, kind: str) -> None:
            name = PEOPLE[number % len(PEOPLE)]
            async with gate:
                if kind in REFUNDS:
                    await work.refund(name, people[name], people["admin"], kind)
                else:
                    await work.withdraw(name, people[name], kind)

        kinds = [kind for _ in range(ROUNDS) for kind in (*REFUNDS, *PAYOUTS)]
        killer = asyncio.create_task(kill_in_turn(stack, work, len(kinds)))
        async with asyncio.timeout(GIVE_UP_SECONDS), asyncio.TaskGroup() as asking:
            for number, kind in enumerate(kinds):
                asking.create_task(one(number, kind))
        await killer
        assert work.done == len(kinds)

        deadline = time.monotonic() + 40
        under_way = dict(work.ends)
        while under_way:
            told = {path: await status_of(person, path) for path, (person, _) in under_way.items()}
            under_way = {path: end for path, end in under_way.items() if told[path] != end[1]}
            assert time.monotonic() < deadline, {path: (told[path], end) for path, (_, end) in under_way.items()}
            await asyncio.sleep(0.1)
        for name in PEOPLE:
            balance = await people[name].balance()
            assert (balance["available_minor"], balance["held_minor"]) == (work.left_minor[name], 0), name
    status, output = await verify(stack, "--settle-seconds", "30")
    assert status == 0, output
    assert work.tally.trouble, "nobody noticed anything: nothing was disturbed"
