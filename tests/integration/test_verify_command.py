"""The verifier as a command, and its look at the dead letters: told by exit status, in lines or JSON, and nothing taken away."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from deploy.local import verify as local_verify
from deploy.prepare import prepare
from deploy.verification.asking import ask_all
from deploy.verification.dead_letters import find_dead_letters
from shared.contracts.topology import DEAD_LETTERS, WALLET_PAYMENT_COMPLETED
from shared.delivery.broker import BrokerLink
from shared.delivery.publisher import Publisher
from tests.integration.verify_world import break_it, sound_world
from tests.integration.wallet_world import SECRET, WalletWorld

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def world(fresh_database_url: str) -> AsyncIterator[WalletWorld]:
    async with sound_world(fresh_database_url) as world:
        yield world


async def test_dead_letters_are_shown_and_stay(fresh_database_url: str, amqp_url: str) -> None:
    urls = await prepare(fresh_database_url, amqp_url, SECRET)
    assert (await find_dead_letters(amqp_url)).holds
    link = BrokerLink(amqp_url, name="test")
    await link.start()
    try:
        publisher = Publisher(link, app_id="test")
        for number in range(5):
            await publisher.publish_bytes(
                b"{}",
                exchange=DEAD_LETTERS.name,
                routing_key=WALLET_PAYMENT_COMPLETED.name,
                message_type="payment.completed.v1",
                message_id=str(number),
                correlation_id=f"request-{number}",
                headers={"x-reason": "ReferenceConflict: …", "x-attempts": 1},
            )
    finally:
        await link.close()
    for _ in range(2):  # looking does not take them away
        found = await find_dead_letters(amqp_url)
        assert len(found.rows) == 3
        assert found.more
        assert found.rows[0] == {
            "queue": "wallet.payment-completed.dead",
            "messages": 5,
            "type": "payment.completed.v1",
            "reason": "ReferenceConflict: …",
            "attempts": "1",
            "first_failed_at": None,
            "correlation_id": "request-0",
        }
    assert not (await ask_all(urls.verifier, amqp_url, 0)).holds


async def run_verify(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command itself, in a folder without .env."""
    clean = {name: value for name, value in os.environ.items() if name not in ("AMQP_URL", "VERIFIER_DATABASE_URL")}
    with tempfile.TemporaryDirectory() as folder:
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "deploy.verify", *arguments],
            cwd=folder,
            env=clean | {"PYTHONPATH": str(PROJECT)} | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


async def test_the_command_tells_by_its_exit_status(world: WalletWorld) -> None:
    held = await run_verify(VERIFIER_DATABASE_URL=world.verifier_url)
    assert (held.returncode, held.stderr) == (0, "")
    assert held.stdout.splitlines()[0] == "A  the whole book sums to zero in each currency: holds"

    await break_it(world, "update wallet.accounts set available_minor = available_minor + 1 where owner = '1'")
    found = await run_verify("--settle-seconds", "0", VERIFIER_DATABASE_URL=world.verifier_url)
    assert found.returncode == 1
    assert "A  the whole book sums to zero in each currency: BROKEN" in found.stdout
    assert "currency=rsd  users_minor=10001  platform_minor=-10000" in found.stdout

    told = orjson.loads((await run_verify("--json", "--settle-seconds", "0", VERIFIER_DATABASE_URL=world.verifier_url)).stdout)
    assert told["holds"] is False
    assert told["invariants"][0]["rows"] == [{"currency": "rsd", "users_minor": 10001, "platform_minor": -10000}]


async def test_what_cannot_be_asked_is_not_called_right(world: WalletWorld) -> None:
    nobody = await run_verify(VERIFIER_DATABASE_URL="postgresql://purser_verifier:x@127.0.0.1:1/none")
    assert nobody.returncode == 2
    assert nobody.stderr.startswith("cannot verify: ")
    no_broker = await run_verify(VERIFIER_DATABASE_URL=world.verifier_url, AMQP_URL="amqp://guest:guest@127.0.0.1:1/")
    assert no_broker.returncode == 2
    unset = await run_verify()
    assert unset.returncode == 2
    assert "VERIFIER_DATABASE_URL is not set" in unset.stderr


async def test_a_checkout_without_a_book_cannot_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(local_verify, "LOCAL", tmp_path)
    monkeypatch.setattr(local_verify, "read_settings", dict)
    monkeypatch.setattr(sys, "argv", ["verify"])
    with pytest.raises(SystemExit) as ended:
        await asyncio.to_thread(local_verify.main)
    assert ended.value.code == 2, "1 would say that the book is wrong"
    assert "no book yet" in capsys.readouterr().err
