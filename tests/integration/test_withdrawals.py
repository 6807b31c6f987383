"""A withdrawal holds the money at once, is approved or not, is paid out or not; each told, each once, whatever falls silent."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.payments.domain.withdrawals import Step
from services.payments.providers.base import PaidOut, PayoutDeclined, PayoutTaken, Unknown
from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_commands import InProgress, Refused
from shared.contracts.withdrawals import GetWithdrawal, WithdrawalView
from tests.integration.payments_world import sameness
from tests.integration.withdrawals_world import ACCOUNT, WITHDRAW, withdraw_command, withdrawals_world


async def test_the_money_is_held_at_once_and_leaves_when_it_is_approved_and_paid_out(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        made = await world.withdraw()
        assert (made.status, made.destination.account, made.destination.name) == ("pending", "****8995", "J*** J***")
        assert (world.book.available, world.book.held) == (99_000, 1_000)
        await world.run()
        assert world.payouts.sent == [], "nothing is sent that nobody approved"

        approved = await world.decide(made.withdrawal_id, "approve")
        assert (approved.status, approved.decided.by) == ("approved", "user:9")
        assert world.woken == ["runner"]
        await world.run()

        (order,) = world.payouts.sent
        assert (order.withdrawal_id, order.destination["account"]) == (made.withdrawal_id, ACCOUNT)
        assert await world.state(made.withdrawal_id) == ("paid", Step.DONE)
        assert (world.book.available, world.book.held, world.book.out) == (99_000, 0, 1_000)
        assert await world.told() == ["pending", "approved", "sending", "paid"]
        assert await world.audited() == [("user:9", "withdrawal.approve")]


async def test_more_than_available_is_refused_and_stays_refused(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url, available=999) as world:
        command = withdraw_command("key-1")
        first = await world.withdrawals.create(command)
        world.book.available = 5_000
        again = await world.withdrawals.create(withdraw_command("key-1"))

        assert isinstance(first.answer, Refused)
        assert first.answer.code == "insufficient_funds"
        assert (again.replayed, again.answer) == (True, first.answer)
        polled = await world.withdrawals.get(
            GetWithdrawal(correlation_id="q", withdrawal_id=str(command.withdrawal_id), viewer_user_id="1")
        )
        assert isinstance(polled, WithdrawalView)
        assert (polled.status, polled.problem) == ("failed", first.answer)
        assert world.book.held == 0
        assert await world.told() == []


async def test_a_hundred_parallel_repeats_of_one_key_make_one_withdrawal(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        replies = await asyncio.gather(*(world.withdrawals.create(withdraw_command("key-1")) for _ in range(100)))

        assert len({reply.answer.model_dump_json() for reply in replies}) == 1
        assert sum(not reply.replayed for reply in replies) == 1
        assert world.book.held == 1_000


@pytest.mark.parametrize("silence", ["silent_before", "silent_after"])
@pytest.mark.parametrize("step", ["reserve", "settle", "release", "move"])
async def test_a_wallet_that_is_silent_at_any_step_is_asked_again_and_moves_once(fresh_database_url: str, step: str, silence: str) -> None:
    """A crash between any two steps looks the same: the row says what is next, the reference what has happened."""
    async with withdrawals_world(fresh_database_url) as world:
        getattr(world.book, silence).append(step)
        world.payouts.answers = [PayoutDeclined("no such account") if step == "release" else PaidOut("po_1")]
        command = withdraw_command()

        reply = await world.withdrawals.create(command)
        assert isinstance(reply.answer, InProgress if step == "reserve" else WithdrawalView)
        await world.run()
        await world.decide(command.withdrawal_id, "approve")
        await world.run()
        if step == "move":
            assert await world.tell(command.withdrawal_id, "returned") == "applied"
            await world.run()
        told_too_early = await world.told()
        await world.run()

        status, out = {"release": ("failed", 0), "move": ("returned", 0)}.get(step, ("paid", 1_000))
        assert await world.state(command.withdrawal_id) == (status, Step.DONE)
        assert (world.book.available, world.book.held, world.book.out) == (100_000 - out, 0, out)
        assert len(world.payouts.sent) == 1
        assert (status in told_too_early) == (step == "reserve"), "told when wallet has done its part, not before"
        assert (await world.told()).count(status) == 1


async def test_a_payout_that_nobody_tells_of_is_asked_about_and_never_taken_for_failed(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        world.payouts.answers = [Unknown()]
        withdrawal_id = await world.approved()
        await world.run()
        assert await world.state(withdrawal_id) == ("sending", Step.SENDING)
        unknown_since = (await world.row(withdrawal_id))["unknown_since"]
        assert unknown_since is not None
        await world.run()
        assert (await world.row(withdrawal_id))["unknown_since"] == unknown_since
        assert {order.withdrawal_id for order in world.payouts.sent} == {withdrawal_id}, "sent again under the same key"

        world.payouts.found = PaidOut("po_7")
        await world.run()

        assert await world.state(withdrawal_id) == ("paid", Step.DONE)
        assert (await world.row(withdrawal_id))["reference"] == "po_7"


async def test_a_payout_that_the_provider_has_taken_and_decides_in_days_is_sent_once(fresh_database_url: str) -> None:
    """Whether AllSecure would still know the second one for the first, its documents do not say."""
    async with withdrawals_world(fresh_database_url) as world:
        world.payouts.answers, world.payouts.found = [PayoutTaken()], PayoutTaken()
        withdrawal_id = await world.approved()
        for _ in range(3):
            await world.run()
        assert await world.state(withdrawal_id) == ("sending", Step.SENDING)
        assert len(world.payouts.sent) == 1

        world.payouts.found = PaidOut("po_7")
        await world.run()
        assert await world.state(withdrawal_id) == ("paid", Step.DONE)


async def test_what_is_unknown_for_longer_than_providers_keep_keys_is_only_asked_about(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        world.payouts.answers = [Unknown()]
        await world.approved()
        await world.run()
        async with world.pool.acquire() as db:
            await db.execute("update payments.withdrawals set unknown_since = now() - interval '21 hours'")
        sent = len(world.payouts.sent)
        await world.run()

        assert len(world.payouts.sent) == sent


async def test_a_payout_that_a_crash_interrupted_is_not_sent_again_when_its_key_is_forgotten(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        withdrawal_id = await world.approved()
        world.payouts.found, world.payouts.breaks = PaidOut("po_1"), True
        with pytest.raises(ConnectionError):
            await world.run()
        assert await world.state(withdrawal_id) == ("sending", Step.SENDING)
        sent = len(world.payouts.sent)
        async with world.pool.acquire() as db:
            await db.execute("update payments.withdrawals set updated_at = now() - interval '2 days'")
        world.payouts.breaks = False

        await world.run()

        assert len(world.payouts.sent) == sent
        assert await world.state(withdrawal_id) == ("paid", Step.DONE)


async def test_a_payout_that_is_declined_gives_the_money_back(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        world.payouts.answers = [PayoutDeclined("the account does not exist")]
        withdrawal_id = await world.approved()
        await world.run()

        assert await world.state(withdrawal_id) == ("failed", Step.DONE)
        assert (world.book.available, world.book.held) == (100_000, 0)
        assert (await world.told())[-1] == "failed"
        assert (await world.row(withdrawal_id))["failure_reason"] == "the account does not exist"


async def test_without_a_payout_method_it_is_refused(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url, method=None) as world:
        reply = await world.withdrawals.create(withdraw_command())
        assert isinstance(reply.answer, Refused)
        assert reply.answer.code == "payouts_not_available"
        assert world.book.holds == {}


async def test_an_external_id_is_unique_among_the_callers_live_ones(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        first = await world.withdraw(external_id="mine")
        second = await world.withdrawals.create(withdraw_command(external_id="mine"))
        theirs = await world.withdrawals.create(withdraw_command(external_id="mine", user_id="3"))
        await world.decide(first.withdrawal_id, "cancel")
        freed = await world.withdrawals.create(withdraw_command(external_id="mine"))

        assert isinstance(second.answer, Refused)
        assert second.answer.code == "external_id_reused"
        assert isinstance(theirs.answer, WithdrawalView)
        assert isinstance(freed.answer, WithdrawalView)


async def test_a_command_that_comes_too_late_leaves_no_trace_and_one_delivered_again_goes_on(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        late = await world.withdrawals.create(withdraw_command("key-1", deadline=utc_now() - timedelta(seconds=1)))
        assert isinstance(late.answer, Refused)
        assert late.answer.code == "deadline_passed"
        assert await world.payments.rows("select from payments.withdrawals") == []

        world.book.silent_before.append("reserve")
        command = withdraw_command("key-1")
        await world.withdrawals.create(command)
        delivered_again = command.model_copy(update={"deadline": utc_now() - timedelta(seconds=1)})
        again = await world.withdrawals.create(delivered_again)

        assert isinstance(again.answer, WithdrawalView)
        assert again.answer.withdrawal_id == command.withdrawal_id
        assert world.book.held == 1_000


async def test_the_account_lies_sealed_and_is_nowhere_in_clear(fresh_database_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        command = withdraw_command("key-1")
        await world.withdrawals.create(command)
        await world.decide(command.withdrawal_id, "approve")
        await world.run()
        tables = await world.payments.rows(
            "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'payments'"
        )
        texts: list[str] = ["".join(capfd.readouterr())]
        for table in (row["name"] for row in tables if row["name"] != "payments.schema_migrations"):
            rows = await world.payments.rows(f"select t::text as text from {table} as t")  # noqa: S608
            texts += [row["text"] for row in rows]

        assert "withdrawal moved" in texts[0]
        assert any("****8995" in text for text in texts)
        for clear in (ACCOUNT, ACCOUNT.encode().hex(), "Jelena", "Jovanović"):
            assert not [text for text in texts if clear in text]
        assert ACCOUNT not in repr(command)


async def test_the_key_decides_sameness_even_when_the_ids_differ(fresh_database_url: str) -> None:
    """Another SECRET_KEY makes other ids of the same key."""
    async with withdrawals_world(fresh_database_url) as world:
        first = await world.withdraw(key="key-1")
        changed: dict[str, Any] = {"withdrawal_id": new_id(), "idempotency": sameness("key-1", operation=WITHDRAW)}
        second = await world.withdrawals.create(withdraw_command(**changed))

        assert second.replayed
        assert second.answer == first
        assert world.book.held == 1_000
