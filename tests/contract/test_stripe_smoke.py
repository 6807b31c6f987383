"""`make live-stripe`, as a person runs it: against the stand-in it goes through, and without a test key it is not begun."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from services.payments.provider_settings import ProviderSettings
from tests.emulators.server import EmulatorServer
from tests.emulators.stripe import StripeEmulator
from tests.live.stripe_smoke import Unfit, chosen

ROOT = Path(__file__).parents[2]


async def live_stripe(**variables: str) -> tuple[int | None, list[str], str]:
    """How it ends, its lines, and what it says to stderr."""
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("STRIPE_", "ALLSECURE_", "PRODAMUS_"))}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.live.stripe_smoke",
        cwd=ROOT,
        env=surroundings | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        said, complained = await process.communicate()
    return process.returncode, said.decode().splitlines(), complained.decode()


async def test_all_steps_against_the_stand_in() -> None:
    emulator = StripeEmulator()
    async with EmulatorServer(emulator):
        code, lines, complained = await live_stripe(STRIPE_SECRET_KEY=emulator.keys.secret, STRIPE_API_BASE=emulator.base_url)
    assert (code, complained) == (0, "")
    assert [line.split()[0] for line in lines] == ["opened", "paid", "not", "refunded", "refunded", "declined", "canceled", "listed", "all"]
    (charge,) = emulator.control.charges()
    assert (charge.amount_minor, charge.refunded_minor) == (5_000, 5_000)
    statuses = sorted(intent.status for intent in emulator.book.account.intents.oldest_first())
    assert statuses == ["canceled", "succeeded"]


async def test_a_step_that_goes_wrong_is_named() -> None:
    emulator = StripeEmulator()
    async with EmulatorServer(emulator):
        emulator.faults.once("503", "create_refund", times=9)
        code, _, complained = await live_stripe(STRIPE_SECRET_KEY=emulator.keys.secret, STRIPE_API_BASE=emulator.base_url)
    assert code == 1
    assert complained == "live-stripe: failed: a refund of 20.00 usd: Stripe gave no answer that says what became of it\n"


async def test_a_key_that_is_none_of_the_accounts_is_said() -> None:
    emulator = StripeEmulator()
    async with EmulatorServer(emulator):
        code, _, complained = await live_stripe(STRIPE_SECRET_KEY="sk_test_of_somebody_else", STRIPE_API_BASE=emulator.base_url)
    assert code == 1
    assert complained.splitlines()[-1] == "live-stripe: failed: a payment of 50.00 usd was to be opened: Stripe does not accept our key"


async def test_a_setting_that_is_wrong_is_named_and_not_shown() -> None:
    code, lines, complained = await live_stripe(STRIPE_SECRET_KEY="pk_test_hush")
    assert (code, lines) == (2, [])
    assert complained.startswith("live-stripe: STRIPE_SECRET_KEY must begin with sk_test_")
    assert "hush" not in complained


async def test_without_a_key_it_is_not_begun() -> None:
    code, lines, complained = await live_stripe()
    assert (code, lines) == (2, [])
    (line,) = complained.splitlines()
    assert line.startswith("live-stripe: STRIPE_SECRET_KEY is not set")


@pytest.mark.parametrize("key", ["sk_live_x", "rk_live_x", "rk_test_x"])
def test_with_a_key_that_moves_real_money_it_is_not_begun(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", key)
    with pytest.raises(Unfit, match="not of test mode") as refusal:
        chosen(ProviderSettings())
    assert key not in str(refusal.value)
