"""The verifier: silent over a sound book, and each invariant, broken by hand, is found with the row that breaks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest

from deploy.verification.asking import INVARIANTS, Verdict, ask, ask_all
from deploy.verification.invariants import Finding
from deploy.verify import lines
from tests.integration.verify_world import break_it, pay, sound_world, whole_world
from tests.integration.wallet_world import WalletWorld, a_transfer, prepare_schemas, user, wallet_world


@pytest.fixture
async def world(fresh_database_url: str) -> AsyncIterator[WalletWorld]:
    async with sound_world(fresh_database_url) as world:
        yield world


@pytest.fixture(scope="module")
async def kept_world(module_database_url: str) -> AsyncIterator[WalletWorld]:
    """For tests that undo what they break."""
    async with whole_world(module_database_url) as world:
        yield world


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
    assert lines(found)[-1].startswith("the book adds up: invariants A, B, C, D, E, F, G hold (5 transfers")
    assert "AMQP_URL is not set" in lines(found)[-1]


async def test_a_sound_book_of_everything_that_a_payment_can_do_holds(kept_world: WalletWorld) -> None:
    found = await verdict(kept_world)
    assert broken(found) == {}
    assert found.completed_payments == 11


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
    "A: what users have held is what moved there, and what their open holds hold": (
        "update wallet.holds set amount_minor = 101, asked_minor = 101 where state = 'held' and kind = 'withdrawal'"
    ),
    "B: each completed payment is booked once: its owner, its sum, its fee": "update payments.payments set fee_minor = 0",
    "B: nothing moves without its cause": "delete from payments.payments where user_id = '1'",
    "B: each refund, withdrawal and dispute is booked as it went": "update payments.withdrawals set amount_minor = 99",
    "C: no hold without a live refund or withdrawal": "update payments.withdrawals set status = 'canceled', step = 'done'",
    "C: what is on its way out is held": "update wallet.holds set state = 'released', ended_at = now() where state = 'held'",
    "B: each transfer between users is booked as it was asked for": "update payments.transfers set to_user_id = '8'",
    "F: what is in suspense is what its open items are": "update payments.suspense_items set amount_minor = 69 where status = 'open'",
    "F: each item came into suspense once and left it at most once": "delete from wallet.transfers where reference like '%:written-off'",
    "F: what is available is below zero only after a dispute": "update wallet.accounts set available_minor = -1 where owner = '0'",
    "B: what of each payment is back, or on its way, is what its refunds are": (
        "update payments.payments set refunded_minor = refunded_minor + 1"
    ),
    "B: each order is paid by one payment, whose sum is its own": "update payments.orders set paid_payment_id = null",
    "C: each hold has ended as its refund or withdrawal has": "update wallet.holds set state = 'released' where state = 'settled'",
    "D: nothing under way is forgotten": "update payments.refunds set next_at = now() - interval '3 minutes' where next_at is not null",
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
        ("update wallet.transfers set amount_minor = 1", "the whole book sums to zero", {"users_minor": 12_897, "platform_minor": -7}),
        ("update wallet.entries set transfer_id = gen_random_uuid() where version = 1", "every entry agrees", {"transfer_kind": None}),
        ("update wallet.transfers set currency = 'eur'", "each transfer moves one sum", {"currency": "eur", "source_currency": "rsd"}),
        (
            "update payments.payments set user_id = '7' where user_id = '1'",
            "each completed payment",
            {"target_owner": "7", "to_owner": "1"},
        ),
        ("update payments.payments set currency = 'eur'", "each completed payment", {"currency": "eur", "transfer_currency": "rsd"}),
        ("update wallet.transfers set reference = reference || '-again'", "each completed payment", {"transfer_id": None}),
        ("delete from wallet.outbox where id = (select max(id) from wallet.outbox)", "the newest version", {"newest_event_version": 9}),
        # A settling that took the money a second time.
        (
            "update wallet.entries set change_minor = held_change_minor where change_minor = 0",
            "every entry agrees",
            {"change_minor": -100, "held_change_minor": -100},
        ),
        (
            "update payments.payments set mentor_id = '8' where kind = 'payment' and provider = 'mock'",
            "each completed payment",
            {"target_owner": "8", "to_owner": "7"},
        ),
        (
            "update wallet.transfers set amount_minor = 51 where reference like 'balance:%#2'",
            "each completed payment",
            {"amount_minor": 50, "transfer_minor": 51, "target_kind": "fees"},
        ),
        ("update payments.payments set provider = 'mock' where provider = 'balance'", "nothing moves", {"source_kind": "user"}),
        ("delete from payments.withdrawals where status = 'canceled'", "nothing moves", {"target_kind": "held", "target_owner": "1"}),
        ("update payments.withdrawals set status = 'failed' where status = 'paid'", "nothing moves", {"source_kind": "held"}),
        ("update payments.refunds set settled_at = null where state = 'failed'", "nothing moves", {"amount_minor": 97}),
        ("delete from payments.transfers where amount_minor = 5", "nothing moves", {"source_owner": "6", "target_owner": "7"}),
        (
            "update payments.suspense_items set status = 'refunded', decision = 'refund' where status = 'written_off'",
            "nothing moves",
            {"target_kind": "revenue"},
        ),
        ("update payments.disputes set payment_id = gen_random_uuid() where state = 'open'", "nothing moves", {"kind": "dispute"}),
        ("update payments.disputes set provider = 'stripe' where state = 'won'", "booked as it went", {"left_minor": 0, "back_minor": 0}),
        ("delete from wallet.entries where kind = 'dispute'", "below zero only", {"owner": "5", "available_minor": -500}),
        ("delete from payments.suspense_items where status = 'open'", "what is in suspense", {"suspense_minor": 70, "items_minor": 0}),
        ("update payments.refunds set excess_minor = 1 where state = 'succeeded'", "booked as it went", {"left_minor": 100}),
        ("delete from wallet.transfers where reference like '%:returned'", "booked as it went", {"is_back": True, "back_minor": 0}),
        ("update payments.refunds set state = 'failed', next_at = null where state = 'pending'", "no hold", {"refund_state": "failed"}),
        ("update payments.withdrawals set user_id = '0'", "no hold", {"owner": "1"}),
        ("delete from wallet.holds where kind = 'refund'", "what is on its way out", {"step": "pending", "held_minor": None}),
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
    assert list(broken(await verdict(world))) == ["B: nothing moves without its cause"]


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
    rows = broken(await verdict(world, settle_seconds=0.6))["B: each completed payment is booked once: its owner, its sum, its fee"]
    assert [row["reference"] for row in rows] == [lost.reference]


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


async def test_the_verifier_can_change_nothing(world: WalletWorld) -> None:
    verifier = await asyncpg.connect(world.verifier_url)
    try:
        for statement in ("update wallet.accounts set held_minor = 1", "update payments.payments set user_id = '7'"):
            with pytest.raises((asyncpg.ReadOnlySQLTransactionError, asyncpg.InsufficientPrivilegeError)):
                await verifier.execute(statement)
    finally:
        await verifier.close()
