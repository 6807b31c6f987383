"""Opening a socket, who may, and what it is told: two notifier processes on a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from shared.contracts.base import new_id
from shared.contracts.queries import GetNotifierHealth, HealthView
from shared.delivery.broker import BrokerLink
from shared.delivery.requests import Requests
from tests.integration.notifier_world import (
    ORIGIN,
    Replica,
    StandInWallet,
    bearer,
    close_code,
    frame,
    notifier_on,
    ticket,
    wallet_on,
)

# Made at import, it must not be refused for its age: each case below has one thing wrong with it.
GOOD = ticket("1", seconds=3600)


@pytest.fixture(scope="module")
async def wallet(module_amqp_url: str) -> AsyncIterator[StandInWallet]:
    async with wallet_on(module_amqp_url) as wallet:
        yield wallet


@pytest.fixture(scope="module")
async def replicas(module_amqp_url: str, wallet: StandInWallet, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Replica]]:
    folder = tmp_path_factory.mktemp("notifiers")
    settings = {"sockets_per_user_max": 3}
    async with notifier_on(module_amqp_url, folder, **settings) as first, notifier_on(module_amqp_url, folder, **settings) as second:
        yield [first, second]


@pytest.fixture
def replica(replicas: list[Replica]) -> Replica:
    return replicas[0]


@pytest.fixture
def user() -> str:
    return f"user-{new_id()}"


async def test_a_ticket_opens_a_socket_with_a_snapshot_and_changes_follow(replica: Replica, wallet: StandInWallet, user: str) -> None:
    await wallet.change(user, 3)
    async with replica.opened(user) as socket:
        assert await frame(socket) == {
            "type": "balance.snapshot",
            "balances": [{"currency": "rsd", "available": 3.0, "available_minor": 300, "held": 0.0, "held_minor": 0, "version": 3}],
        }
        (event,) = await wallet.change(user)
        update = await frame(socket)
        assert update == {
            "type": "balance.updated",
            "currency": "rsd",
            "available": 4.0,
            "available_minor": 400,
            "held": 0.0,
            "held_minor": 0,
            "version": 4,
            "change": 1.0,
            "change_minor": 100,
            "kind": "deposit",
            "payment_id": str(event.payment_id),
            "occurred_at": update["occurred_at"],
            "changes": [{"version": 4, "change_minor": 100, "kind": "deposit", "payment_id": str(event.payment_id)}],
        }
        assert update["occurred_at"].endswith("Z")
    (line,) = [line for line in replica.log_lines() if line.get("correlation_id") == event.correlation_id]
    assert (line["event"], line["sockets"], line["service"]) == ("balance pushed", 1, "notifier")


async def test_a_bearer_token_opens_a_socket_too(replica: Replica, wallet: StandInWallet, user: str) -> None:
    async with replica.socket("", additional_headers=bearer(user)) as socket:
        assert await frame(socket) == {"type": "balance.snapshot", "balances": []}
        await wallet.change(user)
        assert (await frame(socket))["version"] == 1


async def test_every_socket_of_the_user_on_every_replica_is_told(replicas: list[Replica], wallet: StandInWallet, user: str) -> None:
    first, second = replicas
    async with first.opened(user) as one, first.opened(user) as two, second.opened(user) as three, second.opened("x") as other:
        for socket in (one, two, three, other):
            await frame(socket)
        await wallet.change(user, 250)
        for socket in (one, two, three):
            assert [(await frame(socket))["version"] for _ in range(250)] == list(range(1, 251))
        await wallet.change("x")
        assert (await frame(other))["version"] == 1, "and of others' changes, nothing"


@pytest.mark.parametrize("origin", [ORIGIN, "http://127.0.0.1:8000"])
async def test_a_page_of_an_allowed_origin_may_connect(replica: Replica, user: str, origin: str) -> None:
    async with replica.opened(user, origin=origin) as socket:
        assert (await frame(socket))["type"] == "balance.snapshot"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:8000.evil.example", "http://localhost:9000"])
async def test_a_page_of_another_origin_is_refused_and_its_ticket_stays_good(replica: Replica, user: str, origin: str) -> None:
    text = ticket(user)
    with pytest.raises(InvalidStatus) as refused:
        async with replica.socket(f"?ticket={text}", origin=origin):
            pass
    assert refused.value.response.status_code == 403
    assert refused.value.response.headers["Content-Type"] == "application/problem+json"
    async with replica.socket(f"?ticket={text}") as socket:
        assert (await frame(socket))["type"] == "balance.snapshot"


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", {}),
        ("?ticket=", {}),
        ("?ticket=garbled", {}),
        (f"?ticket={GOOD}x", {}),
        (f"?ticket={ticket('1', seconds=-1)}", {}),
        (f"?ticket={ticket('1', seconds=3600, secret='somebody else who has 32 bytes as well')}", {}),
        (f"?ticket={GOOD}&ticket={GOOD}", {}),
        ("", {"additional_headers": bearer("1", secret="somebody else's, who also has 32 bytes")}),
        ("", {"additional_headers": bearer("1", seconds=-60)}),
        ("", {"additional_headers": {"Authorization": "Basic YTpi"}}),
        (f"?ticket={GOOD}", {"additional_headers": {"Authorization": "Bearer garbled"}}),
    ],
    ids=[
        "none",
        "empty",
        "garbled",
        "changed",
        "expired",
        "forged",
        "two",
        "token-forged",
        "token-expired",
        "not-bearer",
        "header-decides-alone",
    ],
)
async def test_no_or_bad_ticket_or_token_is_closed_with_4401(replica: Replica, query: str, options: dict[str, Any]) -> None:
    async with replica.socket(query, **options) as socket:
        assert await close_code(socket) == 4401


async def test_the_ticket_that_those_were_made_from_is_good(replica: Replica) -> None:
    async with replica.socket(f"?ticket={GOOD}") as socket:
        assert (await frame(socket))["type"] == "balance.snapshot"


async def test_a_ticket_is_used_once_over_all_replicas(replicas: list[Replica], user: str) -> None:
    query = f"?ticket={ticket(user)}"

    async def outcome(replica: Replica) -> str | int | None:
        async with replica.socket(query) as socket:
            try:
                return str((await frame(socket))["type"])
            except ConnectionClosed:
                return socket.close_code

    outcomes = await asyncio.gather(*(outcome(replica) for replica in replicas for _ in range(3)))
    assert sorted(map(str, outcomes)) == ["4401"] * 5 + ["balance.snapshot"]


@pytest.mark.parametrize("way", ["ticket", "token"])
async def test_the_socket_is_closed_with_4401_when_the_token_ends(replica: Replica, user: str, way: str) -> None:
    query, options = (
        (f"?ticket={ticket(user, session_seconds=2)}", {}) if way == "ticket" else ("", {"additional_headers": bearer(user, seconds=2)})
    )
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with replica.socket(query, **options) as socket:
        await frame(socket)
        assert await close_code(socket) == 4401
        # A token's exp has whole seconds: up to one of the two may be gone already.
        assert 0.8 < loop.time() - begun < 3


async def test_a_user_may_not_have_too_many_sockets(replica: Replica, user: str) -> None:
    async with replica.opened(user) as one, replica.opened(user) as two, replica.opened(user) as three:
        for socket in (one, two, three):
            await frame(socket)
        async with replica.opened(user) as fourth:
            assert await close_code(fourth) == 4429
    async with replica.opened(user) as again:
        await frame(again)


async def test_a_client_that_talks_is_heard_out_a_while_then_closed(replica: Replica, user: str) -> None:
    async def talk(socket: ClientConnection, messages: list[str]) -> int | None:
        await frame(socket)
        try:
            for message in messages:
                await socket.send(message)
        except ConnectionClosed:
            pass
        return await close_code(socket)

    async with replica.opened(user) as chatty, replica.opened(user) as loud:
        assert await talk(chatty, ["hello"] * 100) == 1008
        assert await talk(loud, ["x" * 2000]) == 1009


async def test_a_client_that_pings_without_end_is_cut_off(replica: Replica, user: str) -> None:
    """The library answers each ping by itself, whether the pongs are read or not: they must not pile up here."""
    dropped = await replica.metric("purser_talkative_sockets_dropped_total")
    ping = b"\x89\xfd\x00\x00\x00\x00" + b"x" * 125  # masked with zeros
    reader, writer = await asyncio.open_connection("127.0.0.1", replica.port)
    head = f"GET /ws?ticket={ticket(user)} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    writer.write(f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    sent = 0
    try:
        async with asyncio.timeout(10):
            while sent < 32_000_000:
                writer.write(ping * 500)
                await writer.drain()
                sent += 500 * len(ping)
    except ConnectionError:
        pass
    writer.close()
    assert sent < 32_000_000
    assert await replica.metric("purser_talkative_sockets_dropped_total") == dropped + 1


async def test_wallet_does_not_answer_the_client_may_try_again(
    module_amqp_url: str, wallet: StandInWallet, tmp_path: Path, user: str
) -> None:
    async with notifier_on(module_amqp_url, tmp_path, snapshot_timeout_seconds=0.5) as replica:
        wallet.answers = False
        try:
            async with replica.opened(user) as socket:
                assert await close_code(socket) == 1013
        finally:
            wallet.answers = True
        async with replica.opened(user) as socket:
            assert (await frame(socket))["type"] == "balance.snapshot"


async def test_a_replica_has_so_much_room_for_all(module_amqp_url: str, wallet: StandInWallet, tmp_path: Path, user: str) -> None:
    async with notifier_on(module_amqp_url, tmp_path, sockets_max=1) as replica, replica.opened(user) as socket:
        await frame(socket)
        async with replica.opened(user) as another:
            assert await close_code(another) == 1013


async def test_plain_http_on_the_same_port(replica: Replica) -> None:
    live, ready, metrics, document = [await replica.get(path) for path in ("/health/live", "/health/ready", "/metrics", "/asyncapi.json")]
    assert (live.status_code, live.json()) == (200, {"service": "notifier", "status": "alive"})
    assert (ready.status_code, ready.json()["checks"]) == (200, {"broker": "ok", "subscription": "ok"})
    assert "purser_sockets_open" in metrics.text
    assert metrics.headers["Content-Type"].startswith("text/plain")
    assert document.json()["asyncapi"] == "3.0.0"
    for path, method, status, code in (
        ("/", "GET", 404, "not_found"),
        ("/ws/", "GET", 404, "not_found"),
        ("/ws", "GET", 426, "upgrade_required"),
        ("/health/live", "DELETE", 405, "method_not_allowed"),
    ):
        answer = await replica.get(path, method)
        assert (answer.status_code, answer.headers["Content-Type"], answer.json()["code"]) == (status, "application/problem+json", code)
    assert (await replica.get("/health/live", "HEAD")).content == b""


async def test_a_notifier_says_over_the_broker_that_it_is_there(module_amqp_url: str, replica: Replica) -> None:
    link = BrokerLink(module_amqp_url, name="gateway")
    await link.start(10)
    try:
        question = GetNotifierHealth(correlation_id="c-1")
        answer = await Requests(link, app_id="gateway").ask(question, TypeAdapter(HealthView), timeout_seconds=3)
        assert (answer.service, answer.ready) == ("notifier", True)
    finally:
        await link.close()
