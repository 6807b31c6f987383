"""The whole runner with stand-in services: state survives a stop, given servers are used, `run` starts, mends, stops and leaves nothing."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aio_pika
import asyncpg
import psutil
import pytest

from deploy.local.errors import LocalError
from deploy.local.ports import free_port, is_free
from deploy.local.services import PROJECT, SERVICES
from deploy.local.stack import Stack
from tests.servers import CACHE, SECRET_KEY, SessionServers, fresh_database, fresh_vhost, throwaway_folder

STUB = ("-m", "tests.integration.stub_service", "{service}")


def processes_of(folder: Path) -> list[str]:
    """Command lines of the processes that live in the folder or name it; the dead that nobody has buried do not count."""
    found = []
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
            if process.pid != os.getpid() and (str(folder) in command or process.cwd().startswith(str(folder))):
                found.append(command)
        except psutil.Error:
            continue
    return found


async def test_state_survives_a_stop_and_nothing_is_left_running() -> None:
    async with throwaway_folder("local") as folder:
        stack = Stack(folder, cache=CACHE, arguments=STUB)
        try:
            async with stack:
                ports = (stack.postgres.port, *stack.rabbitmq.ports.values())
                assert not any(is_free(port) for port in ports)
                assert stack.database_urls is not None
                await _write(stack)
            assert processes_of(folder) == []
            assert all(is_free(port) for port in ports)

            async with Stack(folder, cache=CACHE, arguments=STUB, services=()) as again:
                assert (again.postgres.port, *again.rabbitmq.ports.values()) == ports
                await _read(again)
        finally:
            await stack.remove()
    assert processes_of(folder) == []


async def _write(stack: Stack) -> None:
    database = await asyncpg.connect(stack.admin_database_url)
    await database.execute("create table kept (value int); insert into kept values (42)")
    await database.close()
    async with await aio_pika.connect(stack.amqp_url) as broker:
        channel = await broker.channel()
        await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(b"42", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, routing_key="kept")


async def _read(stack: Stack) -> None:
    database = await asyncpg.connect(stack.admin_database_url)
    assert await database.fetchval("select value from kept") == 42
    await database.close()
    async with await aio_pika.connect(stack.amqp_url) as broker:
        channel = await broker.channel()
        queue = await channel.get_queue("kept")
        message = await queue.get(timeout=10)
        assert message is not None
        assert message.body == b"42"
        await message.ack()


@asynccontextmanager
async def given_servers(servers: SessionServers) -> AsyncIterator[dict[str, str]]:
    async with fresh_database(await servers.postgres()) as database, fresh_vhost(await servers.rabbitmq()) as vhost:
        yield {"DATABASE_URL": database, "AMQP_URL": vhost, "SECRET_KEY": SECRET_KEY, "DATA_KEYS": f"{SECRET_KEY}-data"}


async def test_given_servers_are_used_and_none_is_started(session_servers: SessionServers) -> None:
    async with given_servers(session_servers) as settings, throwaway_folder("local") as folder:
        async with Stack(folder, settings, arguments=STUB, notifiers=2) as stack:
            assert stack.amqp_url == settings["AMQP_URL"]
            assert len(stack.notifier_urls) == 2
            assert stack.owns == (False, False)
            assert {path.name for path in folder.iterdir()} == {"logs", "ports.json", "jwt-secret"}
            # Only those that own a schema are told a database, each its own role's.
            assert "DATABASE_URL: False" in stack.service("gateway").child.last_lines(1)
            assert "DATABASE_URL: True" in stack.service("wallet").child.last_lines(1)

            await stack.kill("wallet")
            assert not stack.service("wallet").child.running
            await stack.start_service("wallet")
            assert await stack.stop_service("wallet") == 0
        assert processes_of(folder) == []


async def test_a_service_that_cannot_start_ends_the_start_with_its_words(session_servers: SessionServers) -> None:
    async with given_servers(session_servers) as settings, throwaway_folder("local") as folder:
        stack = Stack(folder, {**settings, "STUB_FAIL_WALLET": "start"}, arguments=STUB, supervised=True)
        with pytest.raises(LocalError, match=r"^wallet ended with status 1: wallet: SOME_SETTING is wrong \(log: .*wallet\.log\)$"):
            async with stack:
                pass
        assert processes_of(folder) == []


async def test_given_servers_that_do_not_answer_are_named() -> None:
    async with throwaway_folder("local") as folder:
        nobody = free_port()
        settings = {"DATABASE_URL": f"postgresql://u:p@127.0.0.1:{nobody}/x", "AMQP_URL": f"amqp://127.0.0.1:{nobody}/"}
        with pytest.raises(LocalError, match=r"^DATABASE_URL: the database cannot be prepared: "):
            async with Stack(folder, settings, arguments=STUB):
                pass


class Run:
    """`python -m deploy.local.run` in a small checkout of its own, whose services are stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for package in ("deploy", "shared", "services"):
            shutil.copytree(PROJECT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(PROJECT / "tests" / "emulators", folder / "tests" / "emulators", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(PROJECT / "tests" / "integration" / "stub_service.py", folder)
        for service in SERVICES:
            stub = f"import asyncio\nimport stub_service\nasyncio.run(stub_service.main({service!r}))\n"
            (folder / "services" / service / "main.py").write_text(stub)
        (folder / ".local").mkdir(mode=0o755)
        (folder / ".local" / "cache").symlink_to(CACHE)
        self.ports = {"GATEWAY_PORT": str(free_port()), "NOTIFIER_PORT": str(free_port())}

    def start(self) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "AMQP_URL", "PYTHONPATH")}
        return subprocess.Popen(
            [sys.executable, "-m", "deploy.local.run"],
            cwd=self.folder,
            env={**environment, **self.ports, "PROVIDERS": "prodamus"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def read_until(self, process: subprocess.Popen[str], words: str) -> str:
        """What it printed up to the words; pytest's timeout bounds the wait."""
        assert process.stdout is not None
        seen = ""
        for line in process.stdout:
            seen += line
            if words in line:
                return seen
        raise AssertionError(f"ended with {process.wait()} before it said {words!r}:\n{seen}")


async def test_run_starts_mends_stops_and_leaves_nothing() -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    async with throwaway_folder("run") as folder:
        await asyncio.to_thread(_start_mend_stop, folder)


def _start_mend_stop(folder: Path) -> None:
    run = Run(folder)
    with socket.create_server(("127.0.0.1", int(run.ports["GATEWAY_PORT"]))):
        refused = run.start()
        said, _ = refused.communicate(timeout=30)
        assert refused.returncode == 1
        assert said.splitlines()[-1].startswith(f"purser: GATEWAY_PORT: port {run.ports['GATEWAY_PORT']} ")
        assert "Traceback" not in said

    first = run.start()
    try:
        said = run.read_until(first, "  logs ")
        for words in (
            f"http://localhost:{run.ports['GATEWAY_PORT']}/docs",
            f"ws://localhost:{run.ports['NOTIFIER_PORT']}/ws",
            "RabbitMQ",
            "postgresql://",
            "prodamus    MOCK MODE: played by the stand-in at http://127.0.0.1:",
        ):
            assert words in said

        second = run.start()
        words_of_second, _ = second.communicate(timeout=30)
        assert second.returncode == 1
        assert words_of_second == f"purser: Purser already runs in this checkout (process {first.pid}): stop it, or use another checkout\n"

        wallet = next(process for process in psutil.Process(first.pid).children() if "services.wallet.main" in process.cmdline())
        wallet.kill()
        run.read_until(first, "wallet was ended by SIGKILL: starting it again in 0.5 s")
        run.read_until(first, "wallet runs again")

        begun = time.monotonic()
        first.send_signal(signal.SIGINT)
        run.read_until(first, "stopped")
        assert first.wait(timeout=20) == 0
        assert time.monotonic() - begun < 20
    finally:
        first.kill()
        first.communicate(timeout=10)
    assert processes_of(folder) == []
