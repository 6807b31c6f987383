"""Paying from the balance: wallet moves all of it or nothing, once, however often it is asked; and nothing is called over before it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from shared.contracts.base import utc_now
from shared.contracts.intents import IntentCreated, PaymentConfirmed
from shared.contracts.payment_commands import InProgress, Refused
from shared.money import Money
from tests.integration.funds_world import funds, money_of
from tests.integration.intents_world import (
    CREATE,
    MemoryLedger,
    cancel_command,
    confirm_command,
    emptied,
    intent_command,
    make_due,
    status_of,
    told_of,
    view_of,
    with_demo_sessions,
)
from tests.integration.payments_world import PaymentsWorld, payments_world, sameness
from tests.integration.wallet_world import a_transfer, assert_sound, user, wallet_world

LEDGER = MemoryLedger()


@pytest.fixture(scope="module")
async def running(module_database_url: str) -> AsyncIterator[PaymentsWorld]:
    async with payments_world(module_database_url, fee_bps=1_000, ledger=LEDGER) as made:
        yield made


@pytest.fixture
def ledger() -> Iterator[MemoryLedger]:
    """User 1 has 100.00 usd."""
    LEDGER.__init__(user_1=10_000)  # type: ignore[misc]
    yield LEDGER
    vars(LEDGER).pop("move", None)


@pytest.fixture
async def world(running: PaymentsWorld, module_database_url: str, ledger: MemoryLedger) -> PaymentsWorld:
    return await emptied(running, module_database_url)


async def payment_id_of(world: PaymentsWorld) -> UUID:
    (row,) = await world.rows("select payment_id from payments.payments")
    found = row["payment_id"]
    assert isinstance(found, UUID)
    return found


async def test_it_is_completed_by_the_time_it_is_answered(world: PaymentsWorld, ledger: MemoryLedger) -> None:
    answer = (await world.intents.create(intent_command(method="balance"))).answer

    assert isinstance(answer, IntentCreated)
    assert (answer.status, answer.method) == ("completed", "balance")
    assert (answer.client_secret, answer.payment_url, answer.expires_at) == (None, None, None)
    assert ledger.balances == {"1": 5_000, "balance": 0, "2": 4_500, "platform": 500}
    view = await view_of(world, answer.payment_id, "2")
    assert view is not None
    assert (view.status, view.credit_reference) == ("completed", f"balance:{answer.payment_id}")
    assert await told_of(world) == ["payment.updated.v1 completed"], "wallet has moved it already: it is not told to credit it"


async def test_not_enough_is_a_failed_payment_and_stays_the_answer(world: PaymentsWorld, ledger: MemoryLedger) -> None:
    ledger.balances["1"] = 4_999
    command = intent_command(method="balance", idempotency=sameness("key-1", operation=CREATE), external_id="lesson-1")
    first = await world.intents.create(command)
    ledger.balances["1"] = 10_000
    again = await world.intents.create(command)

    assert isinstance(first.answer, Refused)
    assert first.answer.code == "insufficient_funds"
    assert (again.answer, again.replayed) == (first.answer, True)
    view = await view_of(world, command.payment_id)
    assert view is not None
    assert (view.status, view.problem) == ("failed", first.answer)
    assert await told_of(world) == ["payment.updated.v1 failed"]
    assert ledger.balances["1"] == 10_000
    anew = await world.intents.create(intent_command(method="balance", external_id="lesson-1"))
    assert isinstance(anew.answer, IntentCreated), "the end has freed the external_id"


async def test_a_hundred_parallel_repeats_move_it_once(world: PaymentsWorld, ledger: MemoryLedger) -> None:
    key = sameness("key-1", operation=CREATE)
    replies = await asyncio.gather(*(world.intents.create(intent_command(method="balance", idempotency=key)) for _ in range(100)))

    assert len({reply.answer.model_dump_json() for reply in replies}) == 1
    assert ledger.balances["1"] == 5_000
    assert await world.rows("select count(*) as n from payments.payments") == [{"n": 1}]


async def test_a_balance_that_covers_two_pays_two_of_fifty(world: PaymentsWorld, ledger: MemoryLedger) -> None:
    replies = await asyncio.gather(*(world.intents.create(intent_command(method="balance")) for _ in range(50)))

    assert sum(isinstance(reply.answer, IntentCreated) for reply in replies) == 2
    assert {reply.answer.code for reply in replies if isinstance(reply.answer, Refused)} == {"insufficient_funds"}
    assert ledger.balances["1"] == 0
    assert await world.rows("select status, count(*) as n from payments.payments group by 1 order by 1") == [
        {"status": "completed", "n": 2},
        {"status": "failed", "n": 48},
    ]


# ---- a wallet that does not answer


async def test_while_wallet_is_silent_it_is_in_progress_and_the_reconciler_finishes_it(world: PaymentsWorld, ledger: MemoryLedger) -> None:
    ledger.silent = True
    command = intent_command(method="balance", idempotency=sameness("key-1", operation=CREATE))
    reply = await world.intents.create(command)
    assert isinstance(reply.answer, InProgress)
    assert reply.answer.resource_id == command.payment_id
    assert await status_of(world, command.payment_id) == "pending"

    ledger.silent = False
    assert await world.reconciler.reconcile_due() == 0, "it is not asked again at once"
    await make_due(world)
    assert await world.reconciler.reconcile_due() == 1

    assert await status_of(world, command.payment_id) == "completed"
    again = await world.intents.create(command)
    assert isinstance(again.answer, IntentCreated)
    assert again.answer.status == "completed"
    assert ledger.balances["1"] == 5_000


async def test_an_answer_that_is_lost_after_the_move_moves_nothing_twice(world: PaymentsWorld, ledger: MemoryLedger) -> None:
    ledger.loses = 2
    command = intent_command(method="balance", idempotency=sameness("key-1", operation=CREATE))
    first = await world.intents.create(command)
    second = await world.intents.create(command)
    third = await world.intents.create(command)

    assert isinstance(first.answer, InProgress)
    assert isinstance(second.answer, InProgress)
    assert isinstance(third.answer, IntentCreated)
    assert {move.reference for move in ledger.asked} == {f"balance:{command.payment_id}"}
    assert ledger.balances == {"1": 5_000, "balance": 0, "2": 4_500, "platform": 500}
    assert await told_of(world) == ["payment.updated.v1 completed"]


async def test_a_crash_after_the_move_is_finished_by_the_same_command_or_by_the_reconciler(
    world: PaymentsWorld, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = type(world.settlement).settle_told

    async def crash(*_: object) -> None:
        raise ConnectionResetError

    for resumed_by in ("command", "reconciler"):
        command = intent_command(method="balance", idempotency=sameness(f"key-{resumed_by}", operation=CREATE))
        monkeypatch.setattr(type(world.settlement), "settle_told", crash)
        with pytest.raises(ConnectionResetError):
            await world.intents.create(command)
        monkeypatch.setattr(type(world.settlement), "settle_told", settle)
        assert await status_of(world, command.payment_id) == "pending"

        if resumed_by == "command":
            reply = await world.intents.create(command)
            assert isinstance(reply.answer, IntentCreated)
        else:
            await make_due(world)
            await world.reconciler.reconcile_due()
        assert await status_of(world, command.payment_id) == "completed"
    assert ledger.balances["1"] == 0


async def test_a_crash_before_the_answer_was_kept_gives_the_same_answer_later(world: PaymentsWorld, ledger: MemoryLedger) -> None:
    command = intent_command(method="balance", idempotency=sameness("key-1", operation=CREATE))
    first = await world.intents.create(command)
    async with world.pool.acquire() as db:
        await db.execute("update payments.idempotency_keys set sealed_answer = null")
    again = await world.intents.create(command.model_copy(update={"deadline": utc_now()}))

    assert again.answer == first.answer, "what was begun in time is finished however late"
    assert len(ledger.asked) == 1


async def test_another_refusal_of_wallet_is_told_and_ends_nothing(world: PaymentsWorld, ledger: MemoryLedger) -> None:
    ledger.balances["1"] = 10_000

    async def conflict(_: object) -> Refused:
        return Refused(code="reference_conflict", detail="", request_id="r")

    ledger.move = conflict  # type: ignore[method-assign, assignment]
    with capture_logs() as lines:
        reply = await world.intents.create(intent_command(method="balance"))
    assert isinstance(reply.answer, InProgress)
    assert [line["code"] for line in lines if line["log_level"] == "error"] == ["reference_conflict"]
    assert await status_of(world, await payment_id_of(world)) == "pending"


# ---- confirming and canceling it


async def test_confirming_one_that_is_in_progress_asks_wallet(world: PaymentsWorld, ledger: MemoryLedger) -> None:
    ledger.silent = True
    command = intent_command(method="balance")
    await world.intents.create(command)
    pending = (await world.confirming.confirm(confirm_command(command.payment_id))).answer
    ledger.silent = False
    confirmed = (await world.confirming.confirm(confirm_command(command.payment_id))).answer

    assert isinstance(pending, PaymentConfirmed)
    assert isinstance(confirmed, PaymentConfirmed)
    assert (pending.status, confirmed.status) == ("pending", "completed")


async def test_it_cannot_be_canceled(world: PaymentsWorld, ledger: MemoryLedger) -> None:
    done = (await world.intents.create(intent_command(method="balance"))).answer
    assert isinstance(done, IntentCreated)
    ledger.silent = True
    waiting = intent_command(method="balance")
    await world.intents.create(waiting)

    for payment_id, code in ((done.payment_id, "already_paid"), (waiting.payment_id, "payment_not_cancelable")):
        answer = (await world.confirming.cancel(cancel_command(payment_id))).answer
        assert isinstance(answer, Refused)
        assert answer.code == code


# ---- and against the real wallet


async def test_the_real_wallet_moves_what_it_covers_and_its_book_adds_up(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url, pool_size=8) as wallet:
        await wallet.post(a_transfer(money=Money(12_345, "usd"), target=user("1")))
        async with payments_world(fresh_database_url, fee_bps=9_999, ledger=funds(wallet)) as world:
            await with_demo_sessions(world)
            key = sameness("key-1", operation=CREATE)
            repeats = [world.intents.create(intent_command(method="balance", idempotency=key)) for _ in range(10)]
            others = [world.intents.create(intent_command(method="balance")) for _ in range(10)]
            replies = await asyncio.gather(*repeats, *others)

        made = {reply.answer.payment_id for reply in replies if isinstance(reply.answer, IntentCreated)}
        assert len(made) == 2
        assert await money_of(wallet, "1", "usd") == (2_345, 0, 3)
        assert await money_of(wallet, "2", "usd") == (2, 0, 2), "5000 less 4999, the fee rounded down, twice"
        fees = await wallet.rows("select sum(amount_minor) as fees from wallet.transfers where kind = 'fee'")
        assert fees == [{"fees": 9_998}]
        await assert_sound(wallet)
