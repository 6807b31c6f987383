"""Who may decide what about a withdrawal: one decision ever wins, the same again is answered alike, and it is written down who it was."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.payments.domain.withdrawals import Step
from services.payments.providers.base import PaidOut, Unknown
from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_commands import InProgress, Refused
from shared.contracts.withdrawals import ListWithdrawals, WithdrawalPage, WithdrawalView
from shared.delivery.errors import NotYet
from tests.integration.withdrawals_world import WithdrawalsWorld, decide_command, withdraw_command, withdrawals_world


def code(answer: Any) -> str:
    return answer.code if isinstance(answer, Refused) else answer.status


async def test_approve_reject_and_cancel_fifty_at_once_end_in_one_of_them(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        for _ in range(3):
            made = await world.withdraw()
            decisions = [("approve", "reject", "cancel")[n % 3] for n in range(50)]

            answers = await asyncio.gather(*(world.decide(made.withdrawal_id, decision, reason="no") for decision in decisions))

            await world.run()
            (decided,) = {answer.status for answer in answers if isinstance(answer, WithdrawalView)}
            winner = {"approved": "approve", "rejected": "reject", "canceled": "cancel"}[decided]
            assert all(
                (decision == winner) == isinstance(answer, WithdrawalView) for decision, answer in zip(decisions, answers, strict=True)
            )
            refused = Counter(code(answer) for answer in answers if isinstance(answer, Refused))
            assert set(refused) <= ({"withdrawal_not_pending"} if winner == "approve" else {"withdrawal_final"})
            status, _ = await world.state(made.withdrawal_id)
            assert status == ("paid" if winner == "approve" else decided)
        paid = len(world.payouts.sent)
        assert (world.book.available, world.book.held, world.book.out) == (100_000 - paid * 1_000, 0, paid * 1_000)


async def test_the_same_decision_again_is_answered_alike_and_audited_once(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        rejected = (await world.withdraw()).withdrawal_id
        first = await world.decide(rejected, "reject", reason="the name does not match")
        again = await world.decide(rejected, "reject", reason="another reason", actor_user_id="8")

        assert first == again
        assert (first.status, first.reason, first.decided.by) == ("rejected", "the name does not match", "user:9")
        assert world.book.available == 100_000
        assert code(await world.decide(rejected, "approve")) == "withdrawal_final"
        assert await world.audited() == [("user:9", "withdrawal.reject")]
        assert await world.told() == ["pending", "rejected"]


async def test_nobody_decides_about_their_own_and_strangers_know_of_none(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        of_admin = (await world.withdraw(user_id="9")).withdrawal_id
        assert code(await world.decide(of_admin, "approve")) == "forbidden"
        assert code(await world.decide(of_admin, "reject", reason="x")) == "forbidden"
        of_user = (await world.withdraw()).withdrawal_id
        assert code(await world.decide(of_user, "approve", actor_user_id="1", actor_is_admin=False)) == "forbidden"
        assert code(await world.decide(of_user, "cancel", actor_user_id="9", actor_is_admin=True)) == "forbidden"
        assert code(await world.decide(of_user, "cancel", actor_user_id="3")) == "withdrawal_not_found"
        assert code(await world.decide(of_user, "approve", actor_user_id="3", actor_is_admin=False)) == "withdrawal_not_found"
        assert code(await world.decide(new_id(), "approve")) == "withdrawal_not_found"
        assert code(await world.decide("…" * 9, "approve")) == "withdrawal_not_found"  # type: ignore[arg-type]
        assert (await world.state(of_user), await world.state(of_admin)) == (("pending", Step.WAITING),) * 2

        assert code(await world.decide(of_admin, "approve", actor_user_id="8")) == "approved"


async def test_an_approval_before_wallet_told_whether_it_holds_waits(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        world.book.silent_before += ["reserve", "reserve"]
        command = withdraw_command()
        await world.withdrawals.create(command)

        with pytest.raises(NotYet):
            await world.decide(command.withdrawal_id, "approve")
        assert code(await world.decide(command.withdrawal_id, "approve")) == "approved", "asked again, wallet told"


async def test_a_cancellation_before_the_hold_came_keeps_it_from_coming(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        world.book.silent_before.append("reserve")
        command = withdraw_command()
        await world.withdrawals.create(command)

        assert code(await world.decide(command.withdrawal_id, "cancel")) == "canceled"
        await world.run()
        assert (world.book.available, world.book.held) == (100_000, 0)


async def test_a_decision_whose_release_is_not_answered_is_in_progress(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        made = await world.withdraw()
        world.book.silent_after.append("release")
        reply = await world.withdrawals.decide(decide_command(made.withdrawal_id, "cancel"))

        assert isinstance(reply.answer, InProgress)
        assert await world.state(made.withdrawal_id) == ("pending", Step.RELEASING)
        assert code(await world.decide(made.withdrawal_id, "approve")) == "withdrawal_final"
        assert code(await world.decide(made.withdrawal_id, "cancel")) == "canceled"


async def sent_by_hand(world: WithdrawalsWorld) -> UUID:
    withdrawal_id = await world.approved()
    await world.run()
    assert await world.state(withdrawal_id) == ("sending", Step.SENDING)
    return withdrawal_id


async def test_a_payout_by_hand_is_what_an_operator_says(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url, method="manual") as world:
        paid, failed, pending = await sent_by_hand(world), await sent_by_hand(world), (await world.withdraw()).withdrawal_id
        assert world.payouts.sent == []

        assert code(await world.decide(pending, "mark_paid", reference="B-0")) == "withdrawal_not_sent"
        assert code(await world.decide(paid, "mark_returned", reference="B-0")) == "withdrawal_not_paid"
        marked = await world.decide(paid, "mark_paid", reference="B-1")
        assert (marked.status, marked.reference) == ("paid", "B-1")
        assert code(await world.decide(paid, "mark_paid", reference="B-1")) == "paid"
        assert code(await world.decide(paid, "mark_paid", reference="B-2")) == "withdrawal_final"
        assert code(await world.decide(paid, "mark_failed", reason="x")) == "withdrawal_final"
        assert code(await world.decide(failed, "mark_failed", reason="closed")) == "failed"
        assert code(await world.decide(failed, "mark_failed", reason="closed")) == "failed"
        assert code(await world.decide(failed, "mark_paid", reference="B-3")) == "withdrawal_final"
        assert (world.book.available, world.book.held, world.book.out) == (98_000, 1_000, 1_000)

        assert code(await world.decide(paid, "mark_returned", reference="R-1")) == "returned"
        assert code(await world.decide(paid, "mark_returned", reference="R-1")) == "returned"
        assert code(await world.decide(paid, "mark_returned", reference="R-2")) == "withdrawal_final"
        assert (world.book.available, world.book.held, world.book.out) == (99_000, 1_000, 0)
        assert [action for _, action in await world.audited()][2:] == [
            "withdrawal.mark_paid",
            "withdrawal.mark_failed",
            "withdrawal.mark_returned",
        ]


async def test_only_payouts_by_hand_are_marked_by_hand(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        world.payouts.answers = [Unknown()]
        withdrawal_id = await world.approved()
        await world.run()
        for decision in ("mark_paid", "mark_failed", "mark_returned"):
            assert code(await world.decide(withdrawal_id, decision, reference="B-1", reason="x")) == "payout_not_manual"


@pytest.mark.parametrize(("outcome", "status", "out"), [("resolve_paid", "paid", 1_000), ("resolve_failed", "failed", 0)])
async def test_what_is_unknown_for_a_day_is_resolved_by_hand(fresh_database_url: str, outcome: str, status: str, out: int) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        world.payouts.answers = [Unknown()]
        withdrawal_id = await world.approved()
        assert code(await world.decide(withdrawal_id, outcome)) == "withdrawal_not_sent"
        await world.run()
        assert code(await world.decide(withdrawal_id, outcome, reference="B-1", reason="seen")) == "payout_not_overdue"
        async with world.pool.acquire() as db:
            await db.execute("update payments.withdrawals set unknown_since = now() - interval '24 hours 1 second'")

        assert code(await world.decide(withdrawal_id, outcome, reference="B-1", reason="seen")) == status
        assert code(await world.decide(withdrawal_id, outcome, reference="B-1", reason="seen")) == status
        other = "resolve_failed" if outcome == "resolve_paid" else "resolve_paid"
        assert code(await world.decide(withdrawal_id, other, reference="B-1", reason="seen")) == "withdrawal_final"
        assert (world.book.available, world.book.held, world.book.out) == (100_000 - out, 0, out)
        assert ("user:9", f"withdrawal.{outcome}") in await world.audited()


@pytest.mark.parametrize("trouble", ["off", "breaks"])
async def test_a_payout_whose_provider_can_never_be_asked_again_is_resolved_after_a_day(fresh_database_url: str, trouble: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        withdrawal_id = await world.approved()
        if trouble == "off":
            async with world.pool.acquire() as db:
                await db.execute("update payments.withdrawals set payout_method = 'taken-away'")
            await world.run()
        else:
            world.payouts.breaks = True
            with pytest.raises(ConnectionError):
                await world.run()
        assert await world.state(withdrawal_id) == ("sending", Step.SENDING)
        assert code(await world.decide(withdrawal_id, "resolve_failed", reason="it never left")) == "payout_not_overdue"
        async with world.pool.acquire() as db:
            await db.execute("update payments.withdrawals set updated_at = now() - interval '24 hours 1 second'")

        assert code(await world.decide(withdrawal_id, "resolve_failed", reason="it never left")) == "failed"
        assert (world.book.available, world.book.held) == (100_000, 0)


async def test_what_a_provider_tells_of_a_payout(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        world.payouts.answers = [Unknown(), Unknown(), PaidOut("po_1")]
        told_paid, returned_first = await world.approved(), await world.approved()
        await world.run()
        assert await world.tell(told_paid, "paid", "po_9") == "applied"
        assert await world.tell(returned_first, "returned", "po_8") == "applied", "it cannot come back without having left"
        await world.run()
        assert (await world.state(told_paid), await world.state(returned_first)) == (("paid", Step.DONE), ("returned", Step.DONE))
        assert await world.tell(told_paid, "paid", "po_9") == "unchanged"
        assert await world.tell(told_paid, "failed", "po_9") == "applied", "failed after it was paid: the money is back"
        assert await world.tell(told_paid, "returned", "po_9") == "unchanged"
        await world.run()
        assert await world.state(told_paid) == ("returned", Step.DONE)
        canceled = (await world.withdraw()).withdrawal_id
        await world.decide(canceled, "cancel")
        assert await world.tell(canceled, "paid") == "withdrawal_final", "somebody has to look"
        assert await world.tell(new_id(), "paid") == "unknown_payout"
        assert (world.book.available, world.book.held, world.book.out) == (100_000, 0, 0)


async def test_the_list_is_paged_filtered_and_the_owners_own(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        mine = [(await world.withdraw(external_id=f"mine-{n}")).withdrawal_id for n in range(5)]
        theirs = (await world.withdraw(user_id="3")).withdrawal_id
        await world.withdrawals.create(withdraw_command(amount_minor=10**9))  # refused: never a withdrawal
        await world.decide(mine[0], "reject", reason="no")

        async def listed(**wanted: Any) -> Any:
            page = await world.withdrawals.page(ListWithdrawals(**({"correlation_id": "q", "user_id": "1"} | wanted)))
            return [item.withdrawal_id for item in page.items] if isinstance(page, WithdrawalPage) else page.code

        first = await world.withdrawals.page(ListWithdrawals(correlation_id="q", user_id="1", limit=3))
        assert isinstance(first, WithdrawalPage)
        assert [item.withdrawal_id for item in first.items] == mine[:1:-1]
        assert await listed(limit=3, cursor=first.next_cursor) == mine[1::-1]
        assert await listed() == mine[::-1]
        assert await listed(user_id=None) == [theirs, *mine[::-1]]
        assert await listed(status="rejected") == [mine[0]]
        assert await listed(external_id="mine-2") == [mine[2]]
        assert await listed(currency="eur") == []
        assert await listed(since=utc_now() + timedelta(hours=1)) == []
        assert await listed(until=utc_now() + timedelta(hours=1)) == mine[::-1]
        assert await listed(cursor="bm90IG9uZQ") == "invalid_cursor"
        of_admin = await world.withdrawals.page(ListWithdrawals(correlation_id="q", user_id=None, for_admin=True, status="rejected"))
        assert isinstance(of_admin, WithdrawalPage)
        assert of_admin.items[0].decided is not None
        assert first.items[0].decided is None
