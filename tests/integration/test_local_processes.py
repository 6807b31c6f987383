"""The runner's parts without servers: bounded stops, nothing outlives its parent, restarts with backoff, ports, secrets."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from deploy.local.distribution import find_rabbitmq
from deploy.local.errors import LocalError
from deploy.local.places import can_reach, forget_folder, has_plain_path, kept_secret, usable_folder
from deploy.local.ports import free_port, is_free, remembered_ports
from deploy.local.processes import Child, Command, User
from deploy.local.services import PROJECT, require_free
from deploy.local.supervisor import Patience, Supervisor

IMPATIENT = Patience(quick_deaths=3, first_pause_seconds=0.05, longest_pause_seconds=0.1)


def python(name: str, code: str, folder: Path, stop_seconds: float = 5.0) -> Command:
    return Command(
        name=name,
        arguments=(sys.executable, "-c", code),
        directory=folder,
        log_file=folder / f"{name}.log",
        environment=dict(os.environ),
        stop_seconds=stop_seconds,
    )


async def until_said(child: Child, words: str) -> None:
    async with asyncio.timeout(10):
        while words not in child.last_lines(1):
            await asyncio.sleep(0.01)


async def test_a_child_that_ignores_sigterm_is_killed_within_its_bound(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    child = Child(python("deaf", code, tmp_path, stop_seconds=0.3))
    await child.start()
    await until_said(child, "deaf")
    begun = time.monotonic()
    assert await child.stop() == -signal.SIGKILL
    assert time.monotonic() - begun < 3


async def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    code = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    child = Child(python("parent", code, tmp_path))
    await child.start()
    async with asyncio.timeout(10):
        while not child.last_lines(1):
            await asyncio.sleep(0.01)
    grandchild = psutil.Process(int(child.last_lines(1)))
    await child.kill()
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE


async def test_with_an_echo_every_line_reaches_the_terminal_and_the_file(tmp_path: Path) -> None:
    lines: list[tuple[str, str]] = []
    child = Child(python("loud", "print('one'); print('x' * 100_000); print('two', end='')", tmp_path), lambda *line: lines.append(line))
    await child.start()
    assert await child.wait() == 0
    assert lines[0] == ("loud", "one")
    assert lines[-1] == ("loud", "two")
    assert (tmp_path / "loud.log").stat().st_size == len("one\n") + 100_001 + len("two")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's parent-death signal is Linux's")
def test_kill_9_of_the_runner_leaves_nothing_behind(tmp_path: Path) -> None:
    code = f"""
import asyncio, pathlib, sys
sys.path.insert(0, {str(PROJECT)!r})
from deploy.local.processes import Child, Command
async def main():
    folder = pathlib.Path({str(tmp_path)!r})
    child = Child(Command("sleeper", ("sleep", "60"), folder, folder / "log", {{"PATH": "/usr/bin:/bin"}}))
    await child.start()
    print(child.pid, flush=True)
    await child.wait()
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        child = psutil.Process(int(runner.stdout.readline()))
        runner.kill()
        runner.wait(timeout=5)
    deadline = time.monotonic() + 5
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


async def test_what_dies_is_started_again_and_said_in_one_line(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append, IMPATIENT)
    child = Child(python("wallet", "import time; time.sleep(60)", tmp_path))

    async def start() -> None:
        nonlocal child
        child = Child(child.command)
        await child.start()

    await start()
    supervisor.watch("wallet", lambda: child, start)
    first = child.pid
    await child.kill()
    async with asyncio.timeout(10):
        while len(said) < 2:
            await asyncio.sleep(0.01)
    assert said == ["wallet was ended by SIGKILL: starting it again in 0.05 s", "wallet runs again"]
    assert child.pid != first
    assert child.running
    await supervisor.close()
    await child.stop()


async def test_what_keeps_dying_ends_it_all_with_the_reason(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append, IMPATIENT)
    child = Child(python("wallet", "import sys; sys.exit('SOME_SETTING is wrong')", tmp_path))

    async def start() -> None:
        nonlocal child
        child = Child(child.command)
        await child.start()

    await start()
    supervisor.watch("wallet", lambda: child, start)
    with pytest.raises(LocalError) as failure:
        await asyncio.wait_for(supervisor.failed(), 20)
    assert str(failure.value).startswith("wallet ended with status 1, 3 times in a row; its last words: SOME_SETTING is wrong (log: ")
    assert len([line for line in said if "again in" in line]) == 2
    await supervisor.close()


async def test_a_missing_program_is_one_clear_line(tmp_path: Path) -> None:
    child = Child(Command("ghost", ("/no/such/program",), tmp_path, tmp_path / "log", {}))
    with pytest.raises(LocalError, match=r"^ghost: cannot start /no/such/program: No such file or directory$"):
        await child.start()


def test_a_taken_port_is_named_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(LocalError, match=rf"^GATEWAY_PORT: port {port} "):
            require_free("gateway", port, "127.0.0.1")


def test_ports_are_remembered_until_somebody_takes_one(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = remembered_ports(file, ("amqp", "epmd"))
    assert remembered_ports(file, ("amqp", "epmd")) == first
    with socket.create_server(("127.0.0.1", first["amqp"])):
        second = remembered_ports(file, ("amqp", "epmd"))
    assert second["epmd"] == first["epmd"]
    assert second["amqp"] != first["amqp"]
    file.write_text("{ spoilt")
    assert set(remembered_ports(file, ("amqp", "epmd"))) == {"amqp", "epmd"}


def test_free_ports_are_not_given_twice() -> None:
    assert len({free_port() for _ in range(50)}) == 50


def test_a_secret_is_made_once_and_is_the_owner_s_alone(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "secret-key"
    secret = kept_secret(file)
    assert len(secret) >= 43
    assert kept_secret(file) == secret
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["secret-key"]


def test_a_private_home_is_out_of_the_server_user_s_reach(tmp_path: Path) -> None:
    stranger = User(user_id=54_321, group_id=54_321)
    home = tmp_path / "home"
    (home / "project").mkdir(parents=True)
    for folder in (tmp_path, *tmp_path.parents):  # pytest's own folders are private too
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o001)
    assert can_reach(home / "project", stranger)
    home.chmod(0o700)
    assert not can_reach(home / "project", stranger)
    assert can_reach(home / "project", None)


def test_a_path_with_a_space_keeps_its_unquoting_servers_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "my projects" / ".local" / "node"
    elsewhere = usable_folder(folder, None, plain=True)
    try:
        assert has_plain_path(elsewhere)
        assert elsewhere.is_dir()
        assert usable_folder(folder, None, plain=True) == elsewhere
        copied = tmp_path / "copied projects" / ".local"
        copied.mkdir(parents=True)
        copied.joinpath("node.location").write_text(folder.with_name("node.location").read_text())
        forget_folder(copied / "node")  # another checkout's data is not ours to delete
        assert elsewhere.is_dir()
    finally:
        forget_folder(folder)
    assert not elsewhere.exists()


def programs_on_path(folder: Path, *names: str) -> str:
    folder.mkdir()
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return str(folder)


async def test_an_installed_rabbitmq_is_used_and_none_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", programs_on_path(tmp_path / "bin", "erl", "rabbitmq-server", "rabbitmq-env"))
    said: list[str] = []
    found = await find_rabbitmq(tmp_path / "cache", said.append)
    assert found.erlang == tmp_path / "bin"
    assert (found.scripts / "rabbitmq-server").exists()
    assert said == []
    assert not (tmp_path / "cache").exists()


async def test_without_rabbitmq_and_apt_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", programs_on_path(tmp_path / "bin"))
    words = r"^RabbitMQ not found, and no apt-get to fetch it with: install rabbitmq-server .* or set AMQP_URL$"
    with pytest.raises(LocalError, match=words):
        await find_rabbitmq(tmp_path / "cache", lambda line: None)
