"""One run of schemathesis over a running stack, as the process that its users start."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

from deploy.local.services import PROJECT
from deploy.local.stack import Stack
from tests.flow.authorization_world import (
    Who,
    a_paid_deposit,
    a_paid_order,
    a_paid_session_payment,
    a_refund,
    a_suspense_item,
    a_transfer,
    a_withdrawal,
    a_world,
)

HERE: Final = Path(__file__).parent

# The fuzzer comes from one address in a few people's names, and logs in with many a wrong password: their rates are not what it tests.
SETTINGS: Final = {
    "RATE_LIMIT_USER_PER_SECOND": "100000",
    "RATE_LIMIT_USER_BURST": "100000",
    "RATE_LIMIT_ADDRESS_PER_SECOND": "100000",
    "RATE_LIMIT_ADDRESS_BURST": "100000",
    "RATE_LIMIT_LOGIN_FAILURES": "10000",
    "RATE_LIMIT_LOGIN_FAILURES_ADDRESS": "100000",
    # With it an admin's word is all that a payout needs: the mock's own would be over before anybody could mark them.
    "PAYOUT_METHOD": "manual",
    # So that its webhooks, which the document describes, are taken here; nobody pays there.
    "PROVIDERS": "mock",
    "STRIPE_API_BASE": "http://127.0.0.1:9",
    "STRIPE_SECRET_KEY": "sk_test_that_pays_nothing",
    "STRIPE_WEBHOOK_SECRET": "whsec_that_nobody_knows_who_asks",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_that_pays_nothing",
}


async def furnish(stack: Stack) -> None:
    """What operations can be about, and something to spend: else they would be tried on nothing but what is not found."""
    async with a_world(stack) as world:
        for who in (Who.OWNER, Who.OTHER, Who.MENTOR, Who.ADMIN):
            await a_paid_deposit(world, who)
        for make in (a_paid_session_payment, a_refund, a_withdrawal, a_transfer, a_paid_order):
            await make(world)
        for _ in range(4):
            await a_suspense_item(world)


async def fuzz(stack: Stack, *arguments: str, timeout_seconds: float) -> tuple[int, str]:
    """Its exit status, 0 when every check held, and all that it printed. `arguments`: more of `st run`'s."""
    folder = stack.directory / "fuzz"
    folder.mkdir(exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
        *("--config-file", str(HERE / "schemathesis.toml"), "run", f"{stack.gateway_url}/openapi.json", "--url", stack.gateway_url),
        *arguments,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PURSER_FUZZ_PEOPLE": str(HERE / "people.json"), "PYTHONHASHSEED": "0"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout_seconds)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")
