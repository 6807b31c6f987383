"""What becomes of a suspense item: one decision succeeds, once, and the money follows it wherever it goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import pytest

from services.payments.domain.facts import RefundTold
from shared import postgres
from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_commands import Refused
from shared.contracts.suspense import ListSuspenseItems, SuspenseItemView, SuspensePage
from shared.contracts.wallet_commands import MoveFunds
from shared.money import Money
from tests.integration.operators_world import OperatorsWorld, a_charge, decide_command, operators_world


@pytest.fixture(scope="module")
async def running(module_database_url: str) -> AsyncIterator[OperatorsWorld]:
    async with operators_world(module_database_url) as world:
        yield world


@pytest.fixture
async def world(running: OperatorsWorld) -> AsyncIterator[OperatorsWorld]:
    """With suspense as the book's: whatever a story did, what suspense has is what its items say."""
    yield running
    running.ledger.lost.clear()
    running.ledger.unheard.clear()
    await running.resume()
    (row,) = await running.rows(
        """
        select coalesce(sum(amount_minor), 0)::bigint as minor from payments.suspense_items
        where received_at is not null and settled_at is null
        """
    )
    assert await running.account("suspense") == row["minor"]


async def an_item(world: OperatorsWorld, amount_minor: int = 4_000, *, received: bool = True) -> SuspenseItemView:
    """Less than was asked for; in the book unless it has not got there yet."""
    made = await world.deposit(world.somebody(), amount_minor + 1)
    await world.tell(a_charge(made.session_id, amount_minor=amount_minor))
    if received:
        await world.resume()
    (item,) = await world.items(made.payment_id)
    return item


async def settled(world: OperatorsWorld, item: SuspenseItemView, decision: str, **changes: Any) -> SuspenseItemView:
    answer = await world.decide(item.item_id, decision, **changes)
    assert isinstance(answer, SuspenseItemView), answer
    return answer


@pytest.mark.parametrize("received", [True, False])
async def test_given_to_a_user(world: OperatorsWorld, received: bool) -> None:
    item, user = await an_item(world, received=received), world.somebody()

    answer = await settled(world, item, "assign_user", user_id=user)

    assert (answer.status, answer.assigned_user_id, answer.decided_by) == ("assigned", user, "user:9")
    assert await world.available(user) == 4_000
    assert await world.audited(f"suspense:{item.item_id}") == [("user:9", "suspense.assign")]


async def test_given_to_a_payment_completes_it_and_its_late_proof_changes_nothing(world: OperatorsWorld) -> None:
    item, payer = await an_item(world), world.somebody()
    made = await world.deposit(payer, 4_000)

    answer = await settled(world, item, "assign_payment", payment_id=str(made.payment_id))

    assert (answer.status, answer.assigned_payment_id) == ("assigned", made.payment_id)
    assert await world.status(made.payment_id) == "completed"
    await world.credit()
    assert await world.available(payer) == 4_000, "booked out of suspense, and not once more by its completion"
    assert await world.frames(made.payment_id) == ["completed"]
    assert await world.tell(a_charge(made.session_id, charge=item.reference, amount_minor=4_000)) == ["unchanged"]


async def test_what_it_cannot_be_given_to(world: OperatorsWorld) -> None:
    item, payer = await an_item(world), world.somebody()
    dearer, paid = await world.deposit(payer, 4_001), await world.paid_deposit(payer, 4_000)

    async def to(payment_id: object) -> object:
        return await world.decide(item.item_id, "assign_payment", payment_id=str(payment_id))

    assert await to(dearer.payment_id) == "amount_mismatch"
    assert await to(paid.payment_id) == "already_paid"
    assert await to(new_id()) == "payment_not_found"
    assert await to("not-an-id") == "payment_not_found"
    assert await world.decide(new_id(), "write_off", reference="r", reason="r") == "suspense_item_not_found"
    assert (await world.item(item.item_id)).status == "open"
    assert await world.status(dearer.payment_id) == "pending"
    assert await world.audited(f"suspense:{item.item_id}") == []


async def test_written_off_it_is_the_platforms(world: OperatorsWorld) -> None:
    item, before = await an_item(world), await world.account("revenue", "platform")

    answer = await settled(world, item, "write_off", reference="BANK-1", reason="nobody answers")

    assert (answer.status, answer.decision_reference, answer.decision_reason) == ("written_off", "BANK-1", "nobody answers")
    assert await world.account("revenue", "platform") == before + 4_000
    assert await world.audited(f"suspense:{item.item_id}") == [("user:9", "suspense.write_off")]


async def test_sent_back_it_leaves_the_book(world: OperatorsWorld) -> None:
    item, before = await an_item(world), await world.account("clearing")

    answer = await settled(world, item, "refund")

    assert answer.status == "refunded"
    assert await world.account("clearing") == before + 4_000
    orders = [order for order in world.refunds.provider.sent if order.charge_reference == item.reference]
    assert [(order.money.amount_minor, order.payment_id) for order in orders] == [(4_000, item.payment_id)]


async def test_a_provider_that_declines_leaves_it_open_for_another_decision(world: OperatorsWorld) -> None:
    item = await an_item(world)

    assert await world.decide(item.item_id, "refund", "key-decline", reason="mock:decline") == "refund_declined"
    assert (await world.item(item.item_id)).decided_by is None
    assert await world.decide(item.item_id, "refund", "key-decline", reason="mock:decline") == "refund_declined", "kept"

    assert (await settled(world, item, "assign_user", user_id=world.somebody())).status == "assigned"


async def test_a_provider_that_does_not_tell_is_asked_and_never_sends_twice(world: OperatorsWorld) -> None:
    """saleor #12491, killbill #643: what timed out is asked about, under the same key."""
    item, before = await an_item(world), await world.account("clearing")
    world.refunds.provider.unheard = 1

    assert await world.decide(item.item_id, "refund") == "in-progress.v1"
    assert (await world.item(item.item_id)).status == "open", "told when the money has moved"
    assert await world.decide(item.item_id, "write_off", reference="r", reason="r") == "suspense_item_decided"
    await world.resume()

    assert (await world.item(item.item_id)).status == "refunded"
    assert await world.account("clearing") == before + 4_000
    (booked,) = await world.rows("select count(*) as n from payments.mock_refunds where charge_reference = $1", item.reference)
    assert booked["n"] == 1


async def test_one_that_the_provider_settles_later_is_told_by_its_event(world: OperatorsWorld) -> None:
    item, before = await an_item(world), await world.account("clearing")
    assert await world.decide(item.item_id, "refund", reason="mock:pending") == "in-progress.v1"
    assert await world.account("clearing") == before

    assert await follow(world, await refund_of(world, item), "succeeded") == "applied"
    await world.resume()

    assert (await world.item(item.item_id)).status == "refunded"
    assert await world.account("clearing") == before + 4_000
    assert await follow(world, await refund_of(world, item), "succeeded") == "unchanged"


async def test_a_refund_that_nobody_tells_of_is_not_sent_again_when_its_key_is_forgotten(world: OperatorsWorld) -> None:
    """Unless the provider tells that it has never arrived."""
    item = await an_item(world)
    world.refunds.provider.lost = 1
    assert await world.decide(item.item_id, "refund") == "in-progress.v1"
    await world.rows(
        "update payments.suspense_items set refund_sent_at = now() - interval '21 hours' where item_id = $1 returning 1", item.item_id
    )
    world.refunds.provider.mute = True
    await world.resume()

    sent = [order for order in world.refunds.provider.sent if order.charge_reference == item.reference]
    assert (len(sent), (await world.item(item.item_id)).status) == (1, "open")

    world.refunds.provider.mute = False
    await world.resume()
    assert (await world.item(item.item_id)).status == "refunded"


async def test_a_refund_that_the_provider_has_taken_is_never_sent_again(world: OperatorsWorld) -> None:
    item = await an_item(world)
    assert await world.decide(item.item_id, "refund", reason="mock:pending") == "in-progress.v1"
    world.refunds.provider.mute = True
    await world.resume()
    world.refunds.provider.mute = False

    assert len([order for order in world.refunds.provider.sent if order.charge_reference == item.reference]) == 1


async def test_a_refund_that_fails_later_is_open_again_or_comes_back_as_another_item(world: OperatorsWorld) -> None:
    pending, done = await an_item(world), await an_item(world)
    await world.decide(pending.item_id, "refund", reason="mock:pending")
    await settled(world, done, "refund")

    assert await follow(world, await refund_of(world, pending), "failed") == "applied"
    assert await follow(world, await refund_of(world, done), "failed") == "applied"
    assert await follow(world, await refund_of(world, done), "failed") == "unchanged"
    await world.resume()

    assert (await world.item(pending.item_id)).decided_by is None
    back = [item for item in await world.items(done.payment_id) if item.reason == "refund_failed"]
    assert [(item.amount_minor, item.status) for item in back] == [(4_000, "open")]
    assert (await world.item(done.item_id)).status == "refunded"


async def refund_of(world: OperatorsWorld, item: SuspenseItemView) -> UUID:
    (row,) = await world.rows("select refund_id from payments.mock_refunds where charge_reference = $1", item.reference)
    refund_id: UUID = row["refund_id"]
    return refund_id


async def follow(world: OperatorsWorld, refund_id: UUID, outcome: Literal["succeeded", "failed"]) -> str:
    told = RefundTold(new_id(), refund_id, f"re_{refund_id.hex}", Money(4_000, "usd"), outcome, utc_now())
    async with postgres.transaction(world.refunds.payments.pool) as tx:
        return await world.settlement.follow[RefundTold](tx, told, None, "event-1")


@pytest.mark.parametrize("trouble", ["lost", "unheard"])
async def test_a_silent_wallet_is_in_progress_and_the_same_key_tells_how_it_ended(world: OperatorsWorld, trouble: str) -> None:
    item, user = await an_item(world), world.somebody()
    command = decide_command(item.item_id, "assign_user", f"key-{trouble}", user_id=user)
    getattr(world.ledger, trouble)[MoveFunds] = 1

    first = await world.suspense.decide(command)
    await world.resume()
    again = await world.suspense.decide(command)  # delivered again
    later = await world.suspense.decide(decide_command(item.item_id, "assign_user", f"key-{trouble}", user_id=user))

    assert first.answer.type == "in-progress.v1"
    assert isinstance(again.answer, SuspenseItemView)
    assert again.answer.status == "assigned"
    assert (later.replayed, later.answer) == (True, again.answer)
    assert await world.available(user) == 4_000


async def test_of_fifty_decisions_at_once_one_succeeds(world: OperatorsWorld) -> None:
    item, user = await an_item(world), world.somebody()
    fitting = await world.deposit(user, 4_000)
    clearing, revenue = await world.account("clearing"), await world.account("revenue", "platform")
    kinds = [
        ("assign_user", {"user_id": user}),
        ("assign_payment", {"payment_id": str(fitting.payment_id)}),
        ("refund", {}),
        ("write_off", {"reference": "r", "reason": "r"}),
    ]

    answers = await asyncio.gather(*(world.decide(item.item_id, kinds[n % 4][0], **kinds[n % 4][1]) for n in range(50)))

    winners = [answer for answer in answers if isinstance(answer, SuspenseItemView)]
    assert len(winners) == 1
    assert {answer for answer in answers if isinstance(answer, str)} <= {"suspense_item_decided", "already_paid"}
    moved = (
        await world.available(user),
        await world.account("clearing") - clearing,
        await world.account("revenue", "platform") - revenue,
    )
    assert sorted(moved) == [0, 0, 4_000]
    assert len(await world.audited(f"suspense:{item.item_id}")) == 1


async def test_two_items_for_one_payment_complete_it_once(world: OperatorsWorld) -> None:
    items, payer = [await an_item(world) for _ in range(6)], world.somebody()
    made = await world.deposit(payer, 4_000)

    answers = await asyncio.gather(
        *(world.decide(item.item_id, "assign_payment", payment_id=str(made.payment_id)) for item in items),
        world.settlement.handle([a_charge(made.session_id, amount_minor=4_000)]),
    )
    await world.credit()
    for _ in range(2):
        await world.resume()

    winners = [answer for answer in answers if isinstance(answer, SuspenseItemView)]
    assert len(winners) <= 1
    assert [answer for answer in answers if isinstance(answer, str)] == ["already_paid"] * (6 - len(winners))
    # The event's charge completed it, or was the second one, and is the payer's either way.
    assert await world.available(payer) == 4_000 * (1 + len(winners))


async def test_a_late_command_decides_nothing(world: OperatorsWorld) -> None:
    item = await an_item(world)
    late = decide_command(item.item_id, "assign_user", user_id="1", deadline=utc_now() - timedelta(seconds=1))

    reply = await world.suspense.decide(late)

    assert isinstance(reply.answer, Refused)
    assert reply.answer.code == "deadline_passed"
    assert (await world.item(item.item_id)).decided_by is None


async def test_the_list_page_by_page(world: OperatorsWorld) -> None:
    made = [await an_item(world, received=False) for _ in range(5)]
    await settled(world, made[2], "assign_user", user_id=world.somebody())
    seen: list[UUID] = []
    cursor = None
    while True:
        page = await world.suspense.page(ListSuspenseItems(correlation_id="q", status="open", limit=2, cursor=cursor))
        assert isinstance(page, SuspensePage)
        assert {item.status for item in page.items} <= {"open"}
        seen += [item.item_id for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert seen[:4] == [made[n].item_id for n in (4, 3, 1, 0)]
    assert len(seen) == len(set(seen))
    strange = await world.suspense.page(ListSuspenseItems(correlation_id="q", cursor="not-ours"))
    assert isinstance(strange, Refused)
    assert strange.code == "invalid_cursor"
