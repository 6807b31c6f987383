"""When clients are slow or dead, the broker is lost, or the notifier goes down: bounded, told with the right code, and never stale."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket as sockets
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from websockets.exceptions import InvalidStatus

from deploy.local.ports import free_port, is_free
from shared.contracts.base import new_id
from shared.contracts.payment_events import WithdrawalUpdated
from shared.contracts.topology import EVENTS
from shared.delivery.publisher import publish_envelope
from tests.integration.notifier_world import (
    Replica,
    StandInWallet,
    close_code,
    frame,
    notifier_child,
    notifier_on,
    ticket,
    until_ready,
    wallet_on,
)
from tests.payment_events import withdrawn
from tests.servers import throwaway_rabbitmq

BURST = 30_000
PORTION = 500
BURST_LIMIT_BYTES = 4_000_000
"""If all of a burst's frames were kept it would be some 12 MB and more."""


@pytest.fixture(scope="module")
async def wallet(module_amqp_url: str) -> AsyncIterator[StandInWallet]:
    async with wallet_on(module_amqp_url) as wallet:
        yield wallet


@pytest.fixture
def user() -> str:
    return f"user-{new_id()}"


def narrow_socket(port: int) -> sockets.socket:
    """Connected, with hardly any room in the client's own kernel buffer."""
    connected = sockets.socket()
    connected.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    connected.connect(("127.0.0.1", port))
    return connected


async def silent_client(replica: Replica, user_id: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket client that opens, and then neither reads nor answers pings."""
    reader, writer = await asyncio.open_connection(sock=narrow_socket(replica.port), limit=1024)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /ws?ticket={ticket(user_id)} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b"101" in await reader.readline()
    return reader, writer


async def becomes(replica: Replica, metric: str, value: float, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while await replica.metric(metric) != value:
            await asyncio.sleep(0.05)


async def test_a_dead_client_is_dropped_when_it_answers_no_ping(
    module_amqp_url: str, wallet: StandInWallet, tmp_path: Path, user: str
) -> None:
    async with notifier_on(module_amqp_url, tmp_path, ping_interval_seconds=0.3, ping_timeout_seconds=0.3) as replica:
        _, writer = await silent_client(replica, user)
        async with replica.opened(user) as alive:
            await frame(alive)
            await becomes(replica, "purser_sockets_open", 2)
            await becomes(replica, "purser_sockets_open", 1)
            await wallet.change(user)
            assert (await frame(alive))["version"] == 1, "who answers pings stays"
        writer.close()


async def test_a_slow_client_costs_little_and_then_gets_the_newest_state(
    module_amqp_url: str, wallet: StandInWallet, tmp_path: Path, user: str
) -> None:
    async with notifier_on(module_amqp_url, tmp_path, log_level="WARNING") as replica, replica.opened(user) as quick:
        await frame(quick)

        async def burst() -> None:
            # Paced by the quick client: what the broker hands out in advance would be memory too, and not the slow socket's doing.
            for _ in range(BURST // PORTION):
                newest = wallet.versions.get((user, "rsd"), 0) + PORTION
                await wallet.change(user, PORTION)
                while (await frame(quick))["version"] < newest:
                    pass

        process = psutil.Process(replica.child.pid)
        # Once before, so that the allocator has what a burst needs by itself.
        await burst()
        before_bytes = process.memory_info().rss
        async with replica.opened(user, sock=narrow_socket(replica.port), max_queue=1) as slow:
            version = (await frame(slow))["balances"][0]["version"]
            assert version == BURST
            await burst()
            assert process.memory_info().rss - before_bytes < BURST_LIMIT_BYTES, f"{BURST} frames of some 400 bytes were not kept"
            assert await replica.metric("purser_sockets_slow") == 1
            merged = 0
            while version < 2 * BURST:
                update = await frame(slow)
                assert update["version"] > version
                assert update["available_minor"] == 100 * update["version"]
                assert len(update["changes"]) <= 20
                merged += update.get("changes_truncated", False)
                version = update["version"]
            assert merged >= 1
            await becomes(replica, "purser_sockets_slow", 0)
            await wallet.change(user)
            assert [change["version"] for change in (await frame(slow))["changes"]] == [2 * BURST + 1], "it keeps up again"


async def test_a_client_that_is_slow_for_too_long_is_dropped(
    module_amqp_url: str, wallet: StandInWallet, tmp_path: Path, user: str
) -> None:
    async with notifier_on(module_amqp_url, tmp_path, slow_socket_seconds=1, log_level="WARNING") as replica:
        _, writer = await silent_client(replica, user)
        await becomes(replica, "purser_sockets_open", 1)
        await wallet.change(user, 3_000)
        await becomes(replica, "purser_slow_sockets_dropped_total", 1)
        await becomes(replica, "purser_sockets_open", 0)
        assert await replica.metric("purser_sockets_slow") == 0
        writer.close()


async def test_going_down_closes_everyone_with_1012_and_exits_0_whoever_does_not_answer(
    module_amqp_url: str, wallet: StandInWallet, tmp_path: Path, user: str
) -> None:
    async with notifier_on(module_amqp_url, tmp_path, log_level="WARNING") as replica:
        _, stuck = await silent_client(replica, user)
        _, mute = await silent_client(replica, "mute")
        await becomes(replica, "purser_sockets_open", 2)
        await wallet.change(user, 3_000)
        await becomes(replica, "purser_sockets_slow", 1)
        async with replica.opened("one") as one, replica.opened("two") as two:
            await frame(one)
            await frame(two)
            loop = asyncio.get_running_loop()
            told_at = loop.time()
            stopping = asyncio.create_task(replica.child.stop())
            assert {await close_code(one), await close_code(two)} == {1012}
            assert loop.time() - told_at < 2
            assert await stopping == 0
            assert loop.time() - told_at < 10
        stuck.close()
        mute.close()


async def test_a_taken_port_is_one_clear_line(module_amqp_url: str, wallet: StandInWallet, tmp_path: Path) -> None:
    port = free_port()
    with sockets.create_server(("127.0.0.1", port)):
        child = notifier_child(module_amqp_url, tmp_path, port)
        await child.start()
        async with asyncio.timeout(20):
            assert await child.wait() == 1
    assert child.command.log_file.read_text().splitlines() == [
        f"cannot start: NOTIFIER_PORT {port} on 127.0.0.1 cannot be used: Address already in use"
    ]


async def test_before_the_broker_is_there_probes_are_answered_and_sockets_are_put_off(tmp_path: Path, user: str) -> None:
    port = free_port()
    replica = Replica(port, notifier_child(f"amqp://guest:guest@127.0.0.1:{free_port()}/", tmp_path, port))
    await replica.child.start()
    try:
        async with asyncio.timeout(20):
            while is_free(port):
                await asyncio.sleep(0.05)
        assert (await replica.get("/health/live")).status_code == 200
        ready = await replica.get("/health/ready")
        assert (ready.status_code, ready.json()["code"], ready.json()["checks"]["broker"]) == (503, "not_ready", "BrokerUnavailable")
        with pytest.raises(InvalidStatus) as refused:
            async with replica.opened(user):
                pass
        assert refused.value.response.status_code == 503
    finally:
        await replica.child.kill()


async def test_the_broker_is_lost_and_comes_back(tmp_path: Path, user: str) -> None:
    async with throwaway_rabbitmq() as broker, wallet_on(broker.amqp_url) as wallet, notifier_on(broker.amqp_url, tmp_path) as replica:
        await wallet.change(user, 2)
        async with replica.opened(user) as one, replica.opened("never-moved") as other:
            assert (await frame(one))["balances"][0]["version"] == 2
            await frame(other)
            await broker.kill()
            unused = ticket(user)
            async with asyncio.timeout(5):
                while (await replica.get("/health/ready")).status_code != 503:
                    await asyncio.sleep(0.05)
            with pytest.raises(InvalidStatus) as refused:
                async with replica.socket(f"?ticket={unused}"):
                    pass
            assert refused.value.response.status_code == 503
            assert int(refused.value.response.headers["Retry-After"]) > 0
            assert (await replica.get("/health/live")).status_code == 200
            # Committed and told while this replica's own queue is gone with the broker.
            await wallet.change(user, 3, told=False)
            await broker.start()
            async with asyncio.timeout(60):
                snapshot = await frame(one, 60)
            assert (snapshot["type"], snapshot["balances"][0]["version"]) == ("balance.snapshot", 5)
            assert await frame(other) == {"type": "balance.snapshot", "balances": []}
            await wallet.change(user)
            assert (await frame(one))["version"] == 6
            await until_ready(replica)
            async with replica.socket(f"?ticket={unused}") as late:
                assert (await frame(late))["balances"][0]["version"] == 6
            await publish_envelope(wallet.publisher, EVENTS, WithdrawalUpdated.TYPE, [withdrawn("paid", user=user)])
            assert (await frame(one))["type"] == "withdrawal.updated", "the other queue is there again too"
            with contextlib.suppress(TimeoutError):
                raise AssertionError(f"one snapshot is enough: {await frame(one, 0.5)}")
