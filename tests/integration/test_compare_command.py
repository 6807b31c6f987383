"""The operator's comparison as a process: what it says, and how it ends, when it cannot tell."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from deploy.local.ports import free_port
from deploy.prepare import SERVICES, database_urls
from tests.integration.payments_world import DATA_KEY, SECRET, payments_world
from tests.servers import PROJECT

STRIPE = {"STRIPE_SECRET_KEY": "sk_test_of_nobody", "STRIPE_API_BASE": "http://127.0.0.1:1"}
PRODAMUS = {"PRODAMUS_PAGE_URL": "http://127.0.0.1:1/p/shop", "PRODAMUS_SECRET_KEY": "a-key-of-a-page"}


async def run(*arguments: str, **settings: str) -> tuple[int, str]:
    """Exit status, and all that was printed."""
    common = {"AMQP_URL": "amqp://nobody@127.0.0.1/", "SECRET_KEY": SECRET, "DATA_KEYS": DATA_KEY, "PATH": os.environ["PATH"]}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.payments.compare", *arguments),
        cwd=SERVICES.parent,
        env=common | {"PYTHONPATH": str(PROJECT)} | settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        told, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, told.decode()


async def test_a_provider_without_credentials_is_named() -> None:
    code, told = await run("--provider", "allsecure", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert (code, told) == (2, "cannot compare: allsecure: no credentials are set\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--provider", "mock"), "argument --provider: invalid choice: 'mock'"),
        (("--day", "2026-13-01"), "argument --day: '2026-13-01' is no day; one is 2026-11-20"),
    ],
)
async def test_what_is_no_provider_or_no_day_is_said_before_anything_is_opened(arguments: tuple[str, ...], told: str) -> None:
    code, printed = await run(*arguments)
    assert code == 2
    assert told in printed


async def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    url = f"postgresql://nobody:hush@127.0.0.1:{free_port()}/none"
    code, told = await run(**PRODAMUS, DATABASE_URL=url)
    assert code == 2
    assert told.startswith("cannot compare: DATABASE_URL: ")
    assert "hush" not in told


async def test_a_provider_that_does_not_answer_is_not_taken_for_one_that_agrees(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url):
        url = database_urls(fresh_database_url, SECRET).payments
        code, told = await run("--day", "2026-11-20", **STRIPE, **PRODAMUS, DATABASE_URL=url)
    assert code == 2
    stripe, prodamus = told.splitlines()
    assert stripe.startswith("stripe 2026-11-20: cannot be compared: ")
    assert prodamus == "prodamus 2026-11-20: 0 payments to compare with its cabinet by hand: it lists nothing and cannot be asked"


async def test_nobody_configured_is_said() -> None:
    code, told = await run(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert (code, told) == (0, "nothing to compare: no provider is configured\n")
