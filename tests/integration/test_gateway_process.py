"""The gateway as a process: what stops its start, one line each; what it logs; how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import httpx

from deploy.local.ports import free_port
from shared.contracts.payment_commands import CreateDeposit
from tests.integration.gateway_world import JWT_SECRET, SECRET, StandIns, bearer
from tests.servers import PROJECT


@asynccontextmanager
async def started(amqp_url: str, **environment: str) -> AsyncIterator[Process]:
    told = {"PATH": os.environ["PATH"], "AMQP_URL": amqp_url, "SECRET_KEY": SECRET, "JWT_SECRET": JWT_SECRET, **environment}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.gateway.main", cwd=PROJECT, env={k: v for k, v in told.items() if v}, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def refusal(amqp_url: str, **environment: str) -> tuple[int | None, str]:
    async with started(amqp_url, **environment) as process, asyncio.timeout(30):
        _, errors = await process.communicate()
    return process.returncode, errors.decode()


async def ready(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                if (await http.get("/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.05)


async def test_what_stops_the_start_is_told_in_one_line() -> None:
    nowhere = "amqp://127.0.0.1:1/"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refusals = await asyncio.gather(
            refusal(nowhere, GATEWAY_PORT=port),
            refusal(nowhere, JWT_SECRET=""),
            refusal("", JWT_SECRET="short"),
            refusal(nowhere, ENVIRONMENT="production", PROVIDERS="mock"),
            refusal(nowhere, PUBLIC_URL="http://192.0.2.1"),
        )
    for (status, errors), named in zip(
        refusals, (f"GATEWAY_PORT {port}", "JWT_SECRET is not set", "AMQP_URL is not set", "SECRET_KEY", "ALLOW_DEMO=1"), strict=True
    ):
        assert status not in (0, None)
        assert errors.startswith("cannot start: ")
        assert named in errors
        assert errors.count("\n") == 1
        assert SECRET not in errors


async def test_a_stop_finishes_the_requests_in_hand_and_logs_json_lines(amqp_url: str) -> None:
    port = free_port()
    async with (
        started(amqp_url, GATEWAY_PORT=str(port)) as process,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as http,
        await aio_pika.connect(amqp_url) as connection,
    ):
        await ready(http)
        channel = await connection.channel()
        stand_ins = StandIns()
        came, go_on = asyncio.Event(), asyncio.Event()

        async def slowly(command: CreateDeposit) -> object:
            came.set()
            await go_on.wait()
            return stand_ins._deposit(command)

        stand_ins.answers[CreateDeposit] = slowly  # type: ignore[assignment]
        await stand_ins.serve(channel)
        body = {"amount": 5, "currency": "rsd"}
        in_hand = asyncio.create_task(http.post("/api/v1/balance/deposit", json=body, headers={**bearer(), "X-Request-ID": "in-hand"}))
        async with asyncio.timeout(10):
            await came.wait()
            process.send_signal(signal.SIGTERM)
            # It has stopped listening, and still answers what it took.
            while await answers(port):
                await asyncio.sleep(0.01)
        go_on.set()
        response = await in_hand
        async with asyncio.timeout(10):
            output, errors = await process.communicate()

    lines = [json.loads(line) for line in output.splitlines()]
    (told,) = [line for line in lines if line.get("correlation_id") == "in-hand" and line["event"] == "request"]
    assert (response.status_code, process.returncode, errors) == (201, 0, b"")
    assert (told["status"], told["route"], told["service"]) == (201, "/api/v1/balance/deposit", "gateway")
    assert {line["event"] for line in lines} >= {"ready", "stopping", "stopped"}
    assert bearer()["Authorization"].split(".")[0] not in output.decode()


async def answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
