"""What the three emulators share: a server on this machine, faults of its API, and deliveries that are retried and disturbed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from tests.emulators.deliveries import ALWAYS, Attempt, Deliveries, Delivery
from tests.emulators.faults import Faults, Kind, fault_of
from tests.emulators.sandbox import EMULATORS
from tests.emulators.server import EmulatorServer
from tests.servers import PROJECT


@dataclass
class Counter:
    """The smallest emulator: POST /api/count adds one; its webhooks come to its own POST /hook, which answers what `answers` has next."""

    base_url: str = ""
    faults: Faults = field(default_factory=lambda: Faults(left_to_app={"500_after"}))
    deliveries: Deliveries = field(
        default_factory=lambda: Deliveries(retry_seconds=(60, 3600), accepted=lambda status, _: status == 200, timeout_seconds=0.3)
    )
    count: int = 0
    came: list[bytes] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.deliveries.time_scale = 0.000_01
        routes = [
            Mount("/api", routes=[Route("/count", self._add, methods=["POST"], name="add")]),
            Route("/hook", self._hook, methods=["POST"], name="_hook"),
            Route("/left", self._left, name="left"),
        ]
        self.app = Starlette(routes=routes, middleware=[Middleware(self.faults.wrap)])

    async def _add(self, _: Request) -> Response:
        self.count += 1
        return PlainTextResponse(str(self.count))

    async def _left(self, request: Request) -> Response:
        return PlainTextResponse(str(fault_of(request.scope)))

    async def _hook(self, request: Request) -> Response:
        self.came.append(await request.body())
        status = self.answers.pop(0) if self.answers else 200
        if status == 0:
            await asyncio.sleep(0.4)
        return RedirectResponse("/hook") if status == 307 else PlainTextResponse("", status)


@pytest.fixture
async def counter() -> AsyncIterator[Counter]:
    emulator = Counter()
    async with EmulatorServer(emulator):
        yield emulator


@pytest.fixture
async def client(counter: Counter) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=counter.base_url, trust_env=False, timeout=2) as client:
        yield client


def delivery(counter: Counter, key: str = "one") -> Delivery:
    def sign(attempt: Attempt) -> tuple[Mapping[str, str], bytes]:
        marks = "forged" if attempt.forged else "stale" if attempt.stale else "true"
        return {"content-type": "text/plain"}, f"{key} {attempt.number} {marks}".encode()

    return Delivery(key, counter.base_url + "/hook", sign)


@pytest.mark.parametrize(
    ("kind", "status", "count"),
    [("429", 429, 0), ("500_before", 500, 0), ("503", 503, 0), ("504_after", 504, 1), ("cut_before", None, 0), ("cut_after", None, 1)],
)
async def test_a_fault_comes_before_or_after_the_effect(
    counter: Counter, client: httpx.AsyncClient, kind: Kind, status: int | None, count: int
) -> None:
    counter.faults.once(kind, "add")
    assert (await client.get("/left")).text == "None", "another operation is left alone"
    if status is None:
        with pytest.raises(httpx.TransportError):
            await client.post("/api/count")
    else:
        assert (await client.post("/api/count")).status_code == status
    assert counter.count == count
    assert [(fault.kind, fault.operation) for fault in counter.faults.injected] == [(kind, "add")]
    assert (await client.post("/api/count")).text == str(count + 1), "once"


async def test_a_slow_answer_comes_late_with_its_effect_done(counter: Counter, client: httpx.AsyncClient) -> None:
    counter.faults.once("slow", seconds=30)
    with pytest.raises(httpx.ReadTimeout):
        await client.post("/api/count", timeout=0.05)
    counter.faults.close()
    assert (await client.post("/api/count")).text == "2"


async def test_what_the_app_does_itself_is_handed_to_it(counter: Counter, client: httpx.AsyncClient) -> None:
    counter.faults.once("500_after", reason="its own")
    assert "its own" in (await client.get("/left")).text


async def test_rates_are_the_same_for_one_seed_and_spare_the_controls(counter: Counter, client: httpx.AsyncClient) -> None:
    def drawn(seed: int, *, later: bool = False) -> list[str]:
        faults = Faults(seed=0 if later else seed)
        if later:
            faults.seed(seed)
        faults.rate("429", 0.2)
        faults.rate("503", 0.2)
        return [fault.kind if (fault := faults.draw("any")) else "" for _ in range(200)]

    assert drawn(1) == drawn(1) == drawn(1, later=True) != drawn(2)
    assert 20 < drawn(1).count("429") < 60
    assert 20 < drawn(1).count("503") < 60
    counter.faults.rate("503", 1.0)
    assert (await client.post("/hook")).status_code == 200
    assert (await client.post("/api/count")).status_code == 503
    with pytest.raises(ValueError, match="sum"):
        counter.faults.rate("429", 0.1)
    counter.faults.off()
    assert (await client.post("/api/count")).status_code == 200


async def test_a_delivery_is_tried_by_the_table_until_it_is_accepted(counter: Counter) -> None:
    counter.answers = [500, 307]
    counter.deliveries.send(delivery(counter))
    await counter.deliveries.idle()
    assert counter.came == [b"one 1 true", b"one 2 true", b"one 3 true"], "a redirect is a failure and is not followed"
    assert [one.status for one in counter.deliveries.attempts] == [500, 307, 200]


async def test_a_delivery_is_given_up_at_the_tables_end_and_sent_again_by_hand(counter: Counter) -> None:
    counter.answers = [500, 0, 500]
    given_up: list[bool] = []
    sent = delivery(counter)
    counter.deliveries.send(Delivery(sent.key, sent.url, sent.sign, given_up.append))
    await counter.deliveries.idle()
    assert given_up == [False]
    assert [(one.status, one.error) for one in counter.deliveries.attempts] == [(500, ""), (None, "TimeoutError"), (500, "")]
    counter.deliveries.resend("one")
    await counter.deliveries.idle()
    assert given_up == [False, True]


async def test_switches_duplicate_drop_forge_and_age(counter: Counter) -> None:
    switches = counter.deliveries.switches
    switches.duplicate, switches.forged = 1, 1
    counter.answers = [400, 400]
    counter.deliveries.send(delivery(counter))
    await counter.deliveries.idle()
    assert sorted(counter.came) == [b"one 1 forged"] * 2 + [b"one 2 true"] * 2
    counter.came.clear()
    counter.deliveries.off()
    counter.deliveries.switches.stale = ALWAYS
    counter.answers = [400, 400, 400]
    counter.deliveries.send(delivery(counter))
    await counter.deliveries.idle()
    assert counter.came == [b"one 1 stale", b"one 2 stale", b"one 3 stale"]
    counter.deliveries.off()
    counter.deliveries.switches.drop = True
    counter.deliveries.send(delivery(counter))
    assert (counter.deliveries.outstanding, list(counter.deliveries.dropped)) == (0, ["one"])


async def test_deliveries_that_a_rate_disturbs_are_counted_and_the_same_for_one_seed(counter: Counter) -> None:
    def dropped(seed: int) -> list[str]:
        counter.deliveries.dropped.clear()
        counter.deliveries.seed(seed)
        for number in range(30):
            counter.deliveries.send(delivery(counter, str(number)))
        return list(counter.deliveries.dropped)

    counter.deliveries.rate("drop", 0.5)
    assert 0 < len(first := dropped(1)) < 30
    assert dropped(2) != first == dropped(1)
    assert counter.deliveries.disturbed["drop"] > 2 * len(first)
    await counter.deliveries.idle()


async def test_the_order_is_turned_round_and_what_is_held_waits(counter: Counter) -> None:
    counter.deliveries.switches.reorder = 3
    for key in "abc":
        counter.deliveries.send(delivery(counter, key))
    await counter.deliveries.idle()
    assert [body[:1] for body in counter.came] == [b"c", b"b", b"a"]
    counter.deliveries.send(delivery(counter, "d"))
    await counter.deliveries.flush()
    assert counter.came[-1] == b"d 1 true", "nobody waits for ever for the third"
    counter.deliveries.off()
    counter.deliveries.hold()
    counter.deliveries.send(delivery(counter, "e"))
    await counter.deliveries.idle()
    assert len(counter.came) == 4
    counter.deliveries.release()
    await counter.deliveries.idle()
    assert len(counter.came) == 5


async def test_what_is_delayed_waits_and_flush_ends_long_waits(counter: Counter) -> None:
    counter.deliveries.time_scale = 1.0
    counter.deliveries.switches.delay_seconds = 60
    counter.answers = [500]
    counter.deliveries.send(delivery(counter))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(counter.deliveries.idle(), 0.1)
    assert (counter.deliveries.outstanding, counter.came) == (1, []), "it is late, as it was told to be"
    await counter.deliveries.flush()
    assert [one.status for one in counter.deliveries.attempts] == [500, 200]


async def test_all_three_run_as_one_process_until_they_are_told_to_stop() -> None:
    ports = ("--stripe", "0", "--allsecure", "0", "--prodamus", "0")
    command = ("-m", "tests.emulators", *ports, "--webhooks-to", "http://127.0.0.1:9")
    process = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=PROJECT, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20), httpx.AsyncClient(trust_env=False) as client:
            for name in ("stripe", "allsecure", "prodamus"):
                said, _, url = (await process.stdout.readline()).decode().strip().partition(": ")
                assert said == name
                assert (await client.get(url + "/_emulator/book")).json()["charges"] == []
    finally:
        process.terminate()
        status = await asyncio.wait_for(process.wait(), 20)
    assert status == 0


def test_refused_in_production() -> None:
    command = [sys.executable, "-m", "tests.emulators", "--stripe", "0"]
    ran = subprocess.run(
        command, env=os.environ | {"ENVIRONMENT": "production"}, cwd=PROJECT, capture_output=True, text=True, timeout=30, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", "emulators: refused, ENVIRONMENT is production\n")


@pytest.mark.parametrize("name", EMULATORS)
async def test_no_page_in_a_browser_reaches_the_controls(name: str) -> None:
    """Neither one of another site, whose browser asks before it sends JSON, nor one that calls this machine by a name of its own."""
    async with (
        EmulatorServer(EMULATORS[name]({}, None, 1, 1.0)) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False) as client,
    ):
        for path in ("/_emulator/faults", "/_emulator/deliveries", "/_emulator/control/decline", "/_emulator/book"):
            asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
            preflight = await client.options(path, headers=asking | {"Access-Control-Request-Headers": "content-type"})
            assert not preflight.is_success
        rebound = await client.post("/_emulator/faults", json={"off": True}, headers={"Origin": "http://evil.example:12111"})
        assert rebound.status_code == 400
        assert (await client.post("/_emulator/faults", content="{}", headers={"Content-Type": "text/plain"})).status_code == 400
        assert (await client.post("/_emulator/faults", json={"off": True})).status_code == 200
