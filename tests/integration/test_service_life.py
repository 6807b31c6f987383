"""A service whose servers are not there: waiting for its broker it can be stopped at once; without its database it says so and ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from deploy.local.ports import free_port
from deploy.local.services import PROJECT
from tests.servers import SECRET_KEY


@pytest.mark.parametrize("service", ["gateway", "notifier"])
async def test_sigterm_while_it_waits_for_the_broker_ends_it(service: str) -> None:
    settings = {
        "AMQP_URL": f"amqp://nobody:nothing@127.0.0.1:{free_port()}/",
        "SECRET_KEY": SECRET_KEY,
        "JWT_SECRET": SECRET_KEY,
        "GATEWAY_PORT": str(free_port()),
        "NOTIFIER_PORT": str(free_port()),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"services.{service}.main"),
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            while b"broker cannot be reached" not in await process.stdout.readline():
                assert process.returncode is None
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(8):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("service", ["payments", "wallet"])
async def test_without_its_database_a_service_ends_with_one_line_that_names_the_setting(service: str) -> None:
    settings = {
        "AMQP_URL": f"amqp://nobody:nothing@127.0.0.1:{free_port()}/",
        "DATABASE_URL": f"postgresql://nobody:nothing@127.0.0.1:{free_port()}/none",
        "SECRET_KEY": SECRET_KEY,
        "DATA_KEYS": SECRET_KEY,
        "PAYMENTS_PORT": str(free_port()),
        "WALLET_PORT": str(free_port()),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"services.{service}.main"),
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(30):
            told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert process.returncode == 1
    (line,) = told.decode().splitlines()
    assert line.startswith("cannot start: DATABASE_URL: ")
    assert "nothing" not in line


STUBBORN = """
import asyncio, contextlib, sys
from shared.telemetry import configure_logging
from shared.process import run

async def stay():
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)

@contextlib.asynccontextmanager
async def service():
    staying = asyncio.create_task(stay())
    await asyncio.sleep(0)
    if sys.argv[1] == "starting":
        raise SystemExit("cannot start: for a reason")
    yield

configure_logging("stubborn")
run(service)
"""


@pytest.mark.parametrize("ends", ["starting", "stopping"])
async def test_a_task_that_takes_no_cancellation_does_not_keep_the_process(ends: str) -> None:
    """As a connection that restores itself does which a start left open that broke off."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STUBBORN, ends), cwd=PROJECT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            said = b""
            if ends == "stopping":
                said = await process.stdout.readuntil(b"ready")
                process.send_signal(signal.SIGTERM)
            said += await process.stdout.read()
            assert await process.wait() == 1
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert b"left over" in said
    assert (b"cannot start: for a reason" in said) == (ends == "starting"), said
