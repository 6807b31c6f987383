"""200 deposits while every service is killed in turn, RabbitMQ and PostgreSQL once each: each is credited once, every page knows it."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
from websockets.exceptions import WebSocketException

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitmqServer
from deploy.local.stack import Stack
from tests.flow.people import Person, logged_in
from tests.flow.verifying import verify
from tests.servers import separate_stack

DEPOSITS = 200
AMOUNT_MINOR = 700
PEOPLE = ("testuser", "other", "mentor")
CURRENCIES = ("rsd", "jpy")
AT_ONCE = 6
GIVE_UP_SECONDS = 150.0


@dataclass
class Tally:
    """What clients were told."""

    completed: Counter[tuple[str, str]] = field(default_factory=Counter)
    trouble: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        return sum(self.completed.values())


async def persist(
    person: Person, path: str, body: dict[str, object], wanted: int, tally: Tally, key: str | None = None
) -> dict[str, object]:
    """Asks as a patient client does: the same request with the same key, until it has the answer."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while True:
        try:
            response = await person.post(path, body, key=key)
            if response.status_code == wanted:
                found: dict[str, object] = response.json()
                return found
            assert response.status_code in (202, 409, 503), f"{response.status_code} {response.text}"
            assert response.status_code != 409 or response.json()["code"] == "idempotency_key_in_use", response.text
            tally.trouble[str(response.status_code)] += 1
        except httpx.TransportError as error:
            tally.trouble[type(error).__name__] += 1
        assert time.monotonic() < deadline, f"{path}: no answer, {tally.trouble}"
        await asyncio.sleep(random.uniform(0.05, 0.3))


async def deposit_and_complete(person: Person, name: str, currency: str, tally: Tally) -> None:
    amount = "7.00" if currency == "rsd" else "700"
    order: dict[str, object] = {"amount": amount, "currency": currency, "method": "mock"}
    made = await persist(person, "/balance/deposit", order, 201, tally, key=str(uuid4()))
    done = await persist(person, "/balance/mock/complete", {"session_id": made["session_id"], "amount": amount}, 200, tally)
    assert done["status"] == "completed"
    tally.completed[name, currency] += 1


async def watch(person: Person, newest: dict[str, int]) -> None:
    """A page that stays open: reconnects whenever it is cut off, and remembers the newest balance shown per currency."""
    while True:
        try:
            async with person.socket() as socket:
                while True:
                    frame = await socket.next()
                    shown = {"balance.snapshot": frame.get("balances", []), "balance.updated": [frame]}
                    for balance in shown.get(frame["type"], []):
                        newest[balance["currency"]] = balance["available_minor"]
        except (httpx.TransportError, WebSocketException, OSError, TimeoutError, AssertionError):
            await asyncio.sleep(0.2)


async def kill_in_turn(stack: Stack, tally: Tally) -> None:
    """Each service twice, the servers once between; each back before the next falls, and only while there is work to disturb."""
    servers: dict[str, RabbitmqServer | PostgresServer] = {"rabbitmq": stack.rabbitmq, "postgres": stack.postgres}
    for victim in ("payments", "wallet", "notifier", "gateway", "rabbitmq", "wallet", "gateway", "postgres", "payments", "notifier"):
        progress = tally.done
        while tally.done < progress + 8 and tally.done < DEPOSITS - 10:
            await asyncio.sleep(0.02)
        if victim in servers:
            await servers[victim].kill()
        else:
            await stack.kill(victim)
        await stack.wait_ready(timeout_seconds=90)


async def test_two_hundred_deposits_while_everything_is_killed_in_turn() -> None:
    tally = Tally()
    async with separate_stack({"RPC_TIMEOUT_SECONDS": "3"}, supervised=True) as stack:
        notifier = stack.notifier_urls[0]
        async with (
            logged_in(stack.gateway_url, notifier, PEOPLE[0]) as first,
            logged_in(stack.gateway_url, notifier, PEOPLE[1]) as second,
            logged_in(stack.gateway_url, notifier, PEOPLE[2]) as third,
        ):
            people = dict(zip(PEOPLE, (first, second, third), strict=True))
            pages: dict[str, dict[str, int]] = {name: {} for name in PEOPLE}
            watchers = [asyncio.create_task(watch(person, pages[name])) for name, person in people.items()]
            gate = asyncio.Semaphore(AT_ONCE)

            async def one(number: int) -> None:
                name, currency = PEOPLE[number % len(PEOPLE)], CURRENCIES[number % len(CURRENCIES)]
                async with gate:
                    await deposit_and_complete(people[name], name, currency, tally)

            killer = asyncio.create_task(kill_in_turn(stack, tally))
            async with asyncio.timeout(GIVE_UP_SECONDS), asyncio.TaskGroup() as work:
                for number in range(DEPOSITS):
                    work.create_task(one(number))
            await killer
            await stack.wait_ready(timeout_seconds=90)

            status, output = await verify(stack, "--settle-seconds", "30")
            assert status == 0, output
            assert tally.done == DEPOSITS
            expected = {(name, currency): count * AMOUNT_MINOR for (name, currency), count in tally.completed.items()}
            for (name, currency), sum_minor in expected.items():
                assert (await people[name].balance(currency))["available_minor"] == sum_minor, f"{name} {currency}"
            async with asyncio.timeout(20):
                while {(name, c): pages[name].get(c) for name, c in expected} != expected:
                    await asyncio.sleep(0.05)
            for watcher in watchers:
                watcher.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)
        assert tally.trouble, "nobody noticed anything: nothing was disturbed"
