"""What nobody needs to approve, summed a day; and withdrawals that are called off because the money is needed elsewhere."""

from __future__ import annotations

import asyncio

import pytest

from services.payments.domain.withdrawals import Step
from services.payments.ledger import Silent
from tests.integration.withdrawals_world import withdraw_command, withdrawals_world


async def test_up_to_the_days_limit_nobody_needs_to_approve(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url, auto_approve={"rsd": 2_500}) as world:
        first, second = await world.withdraw(), await world.withdraw(amount_minor=1_500)
        over, euro, theirs = await world.withdraw(amount_minor=1), await world.withdraw(currency="eur"), await world.withdraw(user_id="3")

        assert [one.status for one in (first, second, over, euro, theirs)] == ["approved", "approved", "pending", "pending", "approved"]
        assert world.woken == ["runner"] * 3
        await world.run()
        assert await world.state(first.withdrawal_id) == ("paid", Step.DONE)
        assert (await world.row(first.withdrawal_id))["decided_by"] == "auto"
        await world.decide(over.withdrawal_id, "cancel")
        assert (await world.withdraw(amount_minor=1)).status == "pending", "what is paid out counts"


async def test_what_was_given_up_or_was_yesterday_does_not_count(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url, auto_approve={"rsd": 1_000}) as world:
        waits = await world.withdraw(amount_minor=5_000)
        assert (waits.status, (await world.withdraw()).status) == ("pending", "pending"), "one that waits for approval counts"
        async with world.pool.acquire() as db:
            await db.execute("update payments.withdrawals set created_at = date_trunc('day', now(), 'UTC') - interval '1 second'")
        today = await world.withdraw(amount_minor=600)
        assert (today.status, (await world.withdraw(amount_minor=600)).status) == ("approved", "pending")
        await world.unsent.cancel_for("1", "rsd", 1_200, "needed elsewhere", "system", "request-7")
        assert (await world.withdraw()).status == "approved"


async def test_parallel_ones_do_not_pass_the_limit_together(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url, auto_approve={"rsd": 3_000}) as world:
        made = await asyncio.gather(*(world.withdraw() for _ in range(30)))

        assert sorted(one.status for one in made) == ["approved"] * 3 + ["pending"] * 27


async def test_unsent_ones_are_called_off_newest_first_and_only_as_far_as_needed(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        sent = await world.approved()
        await world.run()
        oldest, approved, newest = (await world.withdraw()).withdrawal_id, await world.approved(), (await world.withdraw()).withdrawal_id
        euro = (await world.withdraw(currency="eur")).withdrawal_id

        freed = await world.unsent.cancel_for("1", "rsd", 1_001, "refund of 0193", "user:9", "request-7")

        assert freed == 2_000
        told = [(await world.state(one))[0] for one in (sent, oldest, approved, newest, euro)]
        assert told == ["paid", "pending", "canceled", "canceled", "pending"]
        assert (world.book.available, world.book.held) == (97_000, 2_000)
        assert (await world.audited())[-2:] == [("user:9", "withdrawal.cancel")] * 2
        await world.run()
        assert len(world.payouts.sent) == 1, "nothing that was called off is sent"
        assert await world.unsent.cancel_for("1", "rsd", 10**6, "x", "system", "request-8") == 1_000, "there is no more"
        assert await world.unsent.cancel_for("1", "rsd", 0, "x", "system", "request-9") == 0


async def test_a_silent_wallet_is_told_and_the_next_call_finishes_what_was_begun(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        first, second = (await world.withdraw()).withdrawal_id, (await world.withdraw()).withdrawal_id
        world.book.silent_before.append("release")
        with pytest.raises(Silent):
            await world.unsent.cancel_for("1", "rsd", 1_000, "x", "system", "request-7")
        assert world.book.available == 98_000

        assert await world.unsent.cancel_for("1", "rsd", 1_000, "x", "system", "request-7") == 1_000

        assert (await world.state(first), await world.state(second)) == (("pending", Step.WAITING), ("canceled", Step.DONE))


async def test_one_that_may_or_may_not_be_held_is_called_off_too(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        world.book.silent_after.append("reserve")
        await world.withdrawals.create(withdraw_command())

        assert await world.unsent.cancel_for("1", "rsd", 500, "x", "system", "request-7") == 1_000


async def test_what_is_called_off_while_it_is_sent_is_one_or_the_other(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        approved = [await world.approved() for _ in range(20)]

        await asyncio.gather(world.run(), world.unsent.cancel_for("1", "rsd", 20_000, "x", "system", "request-7"))
        await world.run()

        statuses = [(await world.state(one))[0] for one in approved]
        paid = statuses.count("paid")
        assert statuses.count("canceled") == 20 - paid
        assert len({order.withdrawal_id for order in world.payouts.sent}) == paid
        assert (world.book.available, world.book.held, world.book.out) == (100_000 - paid * 1_000, 0, paid * 1_000)
