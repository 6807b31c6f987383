"""The verifier: silent over a sound book, and each invariant, broken by hand, is found with the row that breaks it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from deploy.prepare import prepare
from deploy.verification.asking import INVARIANTS, Verdict, ask, ask_all
from deploy.verification.dead_letters import find_dead_letters
from deploy.verification.invariants import Finding
from deploy.verify import lines
from services.wallet import store
from services.wallet.domain import Transfer
from shared.contracts.topology import DEAD_LETTERS, WALLET_PAYMENT_COMPLETED
from shared.delivery.broker import BrokerLink
from shared.delivery.publisher import Publisher
from tests.integration.wallet_world import SECRET, WalletWorld, a_transfer, prepare_schemas, user, wallet_world

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def world(fresh_database_url: str) -> AsyncIterator[WalletWorld]:
    async with sound_world(fresh_database_url) as world:
        yield world


@pytest.fixture(scope="module")
async def kept_world(module_database_url: str) -> AsyncIterator[WalletWorld]:
    """For tests that undo what they break."""
    async with sound_world(module_database_url) as world:
        yield world


@asynccontextmanager
async def sound_world(database_url: str) -> AsyncIterator[WalletWorld]:
    """A sound book: five payments of two users, credited and pushed."""
    await prepare_schemas(database_url, "payments", "wallet")
    async with wallet_world(database_url) as world:
        for n in range(5):
            await pay(world, a_transfer(target=user(str(n % 2))))
        await break_it(world, "update wallet.outbox set sent_at = clock_timestamp()")
        yield world


async def pay(world: WalletWorld, transfer: Transfer, *, credited: bool = True) -> None:
    """A completed payment and its credit."""
    async with world.admin() as admin:
        await admin.execute(
            """
            insert into payments.payments (
                payment_id, user_id, kind, provider, amount_minor, currency, status, charge_reference, credit_reference, locale,
                correlation_id, completed_at
            ) values ($1, $2, 'deposit', 'mock', $3, $4, 'completed', $5, $5, 'en', 'request-1', clock_timestamp())
            """,
            transfer.payment_id,
            transfer.target.owner,
            transfer.money.amount_minor,
            transfer.money.currency,
            transfer.reference,
        )
        if credited:
            await store.post_transfers(admin, [transfer])


async def break_it(world: WalletWorld, *statements: str) -> None:
    """As an administrator could: triggers and foreign keys do not fire."""
    async with world.admin() as admin:
        await admin.execute("set session_replication_role = replica")
        for statement in statements:
            await admin.execute(statement)


async def broken_by(world: WalletWorld, statement: str) -> dict[str, list[dict[str, Any]]]:
    """What is broken after `statement`, asked in its transaction, which is then undone."""
    async with world.admin() as admin:
        await admin.execute("begin")
        await admin.execute("set local session_replication_role = replica")
        await admin.execute(statement)
        found = [await ask(admin, invariant, older_than_seconds=0) for invariant in INVARIANTS]
        await admin.execute("rollback")
    return by_claim(found)


async def verdict(world: WalletWorld, settle_seconds: float = 0) -> Verdict:
    return await ask_all(world.verifier_url, None, settle_seconds)


def broken(verdict: Verdict) -> dict[str, list[dict[str, Any]]]:
    return by_claim(verdict.findings)


def by_claim(findings: Sequence[Finding]) -> dict[str, list[dict[str, Any]]]:
    return {f"{finding.letter}: {finding.claim}": [dict(row) for row in finding.rows] for finding in findings if not finding.holds}


async def test_a_sound_book_holds(world: WalletWorld) -> None:
    found = await verdict(world)
    assert broken(found) == {}
    assert (found.transfers, found.accounts, found.completed_payments) == (5, 2, 5)
    assert lines(found)[-1].startswith("the book adds up: invariants A, B, E, G hold (5 transfers")
    assert "AMQP_URL is not set" in lines(found)[-1]


async def test_an_empty_book_holds(fresh_database_url: str) -> None:
    await prepare_schemas(fresh_database_url, "payments", "wallet")
    async with wallet_world(fresh_database_url) as world:
        assert broken(await verdict(world)) == {}


BREAKS = {
    "A: the whole book sums to zero in each currency": "update wallet.accounts set available_minor = available_minor + 1 where owner = '1'",
    "A: each transfer moves one sum between two accounts of its currency": "update wallet.transfers set currency = 'eur'",
    "A: every balance is the sum of its entries, and what its newest entry says": "update wallet.accounts set version = 9",
    "A: versions run from 1 without a gap, each balance after is the sum so far": "delete from wallet.entries where version = 2",
    "A: every entry agrees with its transfer": "update wallet.entries set kind = 'adjustment' where version = 2",
    "A: every transfer has one entry in each user's account that it moved": (
        "update wallet.entries set transfer_id = (select transfer_id from wallet.transfers order by 1 limit 1) where version = 2"
    ),
    "B: each completed payment is credited once: its owner, its sum": "update payments.payments set amount_minor = 1",
    "B: nothing is credited without a completed payment": "delete from payments.payments where user_id = '1'",
    "E: the newest version of every balance was sent": "delete from wallet.outbox",
    "G: the wallet's outbox is empty at rest": "update wallet.outbox set sent_at = null where id = 1",
    "G: the payments' outbox is empty at rest": (
        "insert into payments.outbox (lane, message_type, key, payload, correlation_id) values (0, 'payment.completed.v1', '1', '{}', 'c')"
    ),
}


def test_every_invariant_is_broken_below() -> None:
    assert set(BREAKS) == {f"{invariant.letter}: {invariant.claim}" for invariant in INVARIANTS}


@pytest.mark.parametrize("claim", list(BREAKS), ids=lambda claim: claim[:30])
async def test_each_invariant_broken_by_hand_is_found(kept_world: WalletWorld, claim: str) -> None:
    assert (await broken_by(kept_world, BREAKS[claim]))[claim]


@pytest.mark.parametrize(
    ("statement", "claim", "row"),
    [
        ("update wallet.entries set change_minor = 1 where version = 1", "every entry agrees with its transfer", {"change_minor": 1}),
        ("update wallet.entries set available_after_minor = 1 where version = 1", "versions run from 1", {"available_after_minor": 1}),
        (
            "update wallet.entries set created_at = created_at - interval '1 day' where version = 2",
            "versions run from 1",
            {"version": 2, "expected_version": 2},
        ),
        ("update wallet.transfers set amount_minor = 1", "the whole book sums to zero", {"users_minor": 10_000, "platform_minor": -5}),
        ("update wallet.entries set transfer_id = gen_random_uuid() where version = 1", "every entry agrees", {"transfer_kind": None}),
        ("update wallet.transfers set currency = 'eur'", "each transfer moves one sum", {"currency": "eur", "source_currency": "rsd"}),
        (
            "update payments.payments set user_id = '7' where user_id = '1'",
            "each completed payment",
            {"user_id": "7", "credited_user_id": "1"},
        ),
        ("update payments.payments set currency = 'eur'", "each completed payment", {"currency": "eur", "credited_currency": "rsd"}),
        ("update wallet.transfers set reference = reference || '-again'", "each completed payment", {"transfer_id": None}),
        ("delete from wallet.outbox where id = (select max(id) from wallet.outbox)", "the newest version", {"newest_event_version": 2}),
    ],
)
async def test_the_offending_row_is_shown(kept_world: WalletWorld, statement: str, claim: str, row: dict[str, Any]) -> None:
    rows = next(rows for name, rows in (await broken_by(kept_world, statement)).items() if claim in name)
    assert row.items() <= rows[0].items()


async def test_a_second_credit_of_one_payment_is_found(world: WalletWorld) -> None:
    twice = a_transfer(target=user("1"))
    await pay(world, twice)
    await world.post(a_transfer(target=user("1"), payment_id=twice.payment_id, reference="mock:another-reference"))
    await break_it(world, "update wallet.outbox set sent_at = clock_timestamp()")
    assert list(broken(await verdict(world))) == ["B: nothing is credited without a completed payment"]


async def test_work_in_progress_gets_its_time_and_what_stays_is_told(world: WalletWorld) -> None:
    late = a_transfer(target=user("1"))
    await pay(world, late, credited=False)
    asking = asyncio.create_task(verdict(world, settle_seconds=20))
    await asyncio.sleep(0.3)
    assert not asking.done()
    await world.post(late)
    await break_it(world, "update wallet.outbox set sent_at = clock_timestamp() where sent_at is null")
    async with asyncio.timeout(10):
        assert broken(await asking) == {}

    lost = a_transfer(target=user("1"))
    await pay(world, lost, credited=False)
    rows = broken(await verdict(world, settle_seconds=0.6))["B: each completed payment is credited once: its owner, its sum"]
    assert [row["credit_reference"] for row in rows] == [lost.reference]


async def test_a_busy_system_is_not_blamed_for_what_is_younger_than_the_settling_time(world: WalletWorld) -> None:
    """There is always a payment on its way, but none for long."""
    stop = asyncio.Event()

    async def traffic() -> None:
        while not stop.is_set():
            transfer = a_transfer(target=user("1"))
            await pay(world, transfer, credited=False)
            await world.post(transfer)
            await break_it(
                world,
                "update wallet.outbox set sent_at = clock_timestamp() where sent_at is null and id < (select max(id) from wallet.outbox)",
            )

    working = asyncio.create_task(traffic())
    try:
        assert broken(await verdict(world, settle_seconds=1.5)) == {}
    finally:
        stop.set()
        await working


async def test_a_balance_at_rest_since_before_the_pruning_needs_no_row(world: WalletWorld) -> None:
    await break_it(
        world,
        "delete from wallet.outbox",
        "update wallet.accounts set updated_at = updated_at - interval '25 hours' where version > 0",
    )
    assert broken(await verdict(world)) == {}


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
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "deploy.verify", *arguments],
        cwd=PROJECT,
        env=clean | environment,
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


async def test_the_verifier_can_change_nothing(world: WalletWorld) -> None:
    verifier = await asyncpg.connect(world.verifier_url)
    try:
        for statement in ("update wallet.accounts set held_minor = 1", "update payments.payments set user_id = '7'"):
            with pytest.raises((asyncpg.ReadOnlySQLTransactionError, asyncpg.InsufficientPrivilegeError)):
                await verifier.execute(statement)
    finally:
        await verifier.close()
