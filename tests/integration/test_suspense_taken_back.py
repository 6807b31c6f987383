"""Money in suspense that its provider takes back by itself, by a refund at its own site or a dispute, whatever its event names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Literal
from uuid import UUID

import pytest

from services.payments.domain.facts import DisputeTold, Fact, Paid, RefundTold
from shared.contracts.base import new_id, utc_now
from shared.contracts.suspense import SuspenseItemView
from shared.money import Money
from tests.integration.operators_world import OperatorsWorld, operators_world
from tests.integration.scripted_provider import ScriptedProvider

FIFTY = Money(5_000, "usd")


@pytest.fixture(scope="module")
async def running(module_database_url: str) -> AsyncIterator[OperatorsWorld]:
    async with operators_world(module_database_url) as world:
        yield world


@pytest.fixture
async def world(running: OperatorsWorld) -> AsyncIterator[OperatorsWorld]:
    """With suspense as the book's."""
    yield running
    await running.resume()
    (row,) = await running.rows(
        """
        select coalesce(sum(amount_minor), 0)::bigint as minor from payments.suspense_items
        where received_at is not null and settled_at is null
        """
    )
    assert await running.account("suspense") == row["minor"]


async def told(world: OperatorsWorld, fact: Fact) -> str:
    """What came of an event that says so."""
    says = ScriptedProvider(name="mock")
    event = says.event(fact)
    settlement = world.settlement
    assert isinstance(settlement.providers, dict)
    mock = settlement.providers["mock"]
    settlement.providers["mock"] = says
    try:
        assert not await settlement.handle([event])
    finally:
        settlement.providers["mock"] = mock
    await world.credit()
    await world.resume()
    (row,) = await world.rows("select outcome from payments.provider_events where event_id = $1", next(iter(says.facts)))
    return str(row["outcome"])


async def a_strangers(world: OperatorsWorld) -> SuspenseItemView:
    """A charge of a session that is none of ours."""
    session_id = new_id()
    assert await told(world, Paid(session_id, f"ch_{session_id.hex}", FIFTY, utc_now())) == "unknown_reference"
    (row,) = await world.rows("select item_id from payments.suspense_items where session_id = $1", session_id)
    return await world.item(row["item_id"])


def sent_back(item: SuspenseItemView, money: Money = FIFTY) -> RefundTold:
    """At the provider's own site: all that it names is the charge."""
    return RefundTold(None, None, f"re_{new_id().hex}", money, "succeeded", utc_now(), charge_reference=item.reference)


def disputed(
    item: SuspenseItemView, event: Literal["opened", "won", "lost"] = "opened", *, reference: str = "", session_id: UUID | None = None
) -> DisputeTold:
    return DisputeTold(session_id, reference or f"dp_{item.reference}", event, FIFTY, utc_now(), item.reference)


async def test_a_charge_of_nothing_of_ours_that_is_sent_back_there_leaves_suspense(world: OperatorsWorld) -> None:
    """Else it could be given to somebody once more."""
    item, before = await a_strangers(world), await world.account("suspense")
    assert await told(world, sent_back(item)) == "applied"

    now = await world.item(item.item_id)
    assert (now.status, now.decided_by) == ("refunded", "system")
    assert await world.account("suspense") == before - 5_000
    assert await world.decide(item.item_id, "assign_user", user_id="1") == "suspense_item_decided"


async def test_a_strangers_charge_of_which_a_part_is_sent_back_is_for_an_operator(world: OperatorsWorld) -> None:
    item = await a_strangers(world)
    assert await told(world, sent_back(item, Money(2_000, "usd"))) == "taken_from_suspense"
    assert (await world.item(item.item_id)).decided_by is None


async def test_what_goes_back_after_it_was_given_to_a_payment_is_that_payments(world: OperatorsWorld) -> None:
    for back in (sent_back, disputed):
        payer, item = world.somebody(), await a_strangers(world)
        made = await world.deposit(payer)
        assert isinstance(await world.decide(item.item_id, "assign_payment", payment_id=str(made.payment_id)), SuspenseItemView)
        assert await world.available(payer) == 5_000

        assert await told(world, back(item)) == "applied"
        await world.refunds.resume()
        assert await world.available(payer) == 0
        assert await world.dispute_status(made.payment_id) == (None if back is sent_back else "open")


async def test_also_where_the_event_names_the_session_that_the_charge_was_made_for(world: OperatorsWorld) -> None:
    payer, item = world.somebody(), await a_strangers(world)
    made = await world.deposit(payer)
    await world.decide(item.item_id, "assign_payment", payment_id=str(made.payment_id))

    assert await told(world, disputed(item, session_id=item.session_id)) == "applied"
    assert await world.available(payer) == 0


async def test_a_dispute_takes_what_is_in_suspense_and_brings_it_back_when_it_is_won(world: OperatorsWorld) -> None:
    item, before = await a_strangers(world), await world.account("suspense")
    assert await told(world, disputed(item)) == "applied"
    assert (await world.item(item.item_id)).status == "refunded"
    assert await world.account("suspense") == before - 5_000
    assert await told(world, disputed(item, "lost")) == "unchanged"

    assert await told(world, disputed(item, "won")) == "applied"
    assert await world.account("suspense") == before
    (back,) = await world.rows("select reason from payments.suspense_items where charge_reference = $1", f"dp_{item.reference}")
    assert back["reason"] == "refund_failed"


async def test_a_dispute_over_a_charge_of_a_payment_that_is_not_paid_does_not_wait_for_that(world: OperatorsWorld) -> None:
    """The second session of an order, say, or a payment that was rejected."""
    made = await world.deposit(world.somebody(), 9_000)
    await told(world, Paid(made.session_id, f"ch_{made.session_id.hex}", FIFTY, utc_now()))
    (item,) = await world.items(made.payment_id)

    assert await told(world, disputed(item, session_id=made.session_id)) == "applied"
    assert (await world.item(item.item_id)).status == "refunded"


async def test_what_was_decided_otherwise_and_is_taken_back_is_said_aloud(world: OperatorsWorld) -> None:
    item = await a_strangers(world)
    assert isinstance(await world.decide(item.item_id, "write_off", reference="r", reason="r"), SuspenseItemView)
    assert await told(world, disputed(item)) == "taken_from_suspense"
    assert await told(world, sent_back(item)) == "taken_from_suspense"


async def test_a_dispute_over_what_was_given_to_somebody_is_the_platforms_loss_until_it_is_won(world: OperatorsWorld) -> None:
    """An order was paid by two of its sessions, the second charge was given to its payer, and their bank takes it back."""
    user, made = world.somebody(), await world.deposit(world.somebody(), 9_000)
    await told(world, Paid(made.session_id, f"ch_{made.session_id.hex}", FIFTY, utc_now()))
    (item,) = await world.items(made.payment_id)
    assert isinstance(await world.decide(item.item_id, "assign_user", user_id=user), SuspenseItemView)
    lost, cleared = await world.account("loss", "platform"), await world.account("clearing")

    assert await told(world, disputed(item, session_id=made.session_id)) == "applied"
    assert (await world.account("loss", "platform"), await world.account("clearing")) == (lost - 5_000, cleared + 5_000)
    assert (await world.available(user), await world.dispute_status(made.payment_id)) == (5_000, None)

    assert await told(world, disputed(item, "won", session_id=made.session_id)) == "applied"
    assert (await world.account("loss", "platform"), await world.account("clearing")) == (lost, cleared)


async def test_a_part_that_goes_back_out_of_what_an_unpaid_payment_has_in_suspense_is_the_platforms_loss(world: OperatorsWorld) -> None:
    """The money has left the provider, so it has to leave the book; the item stays whole, for an operator to decide."""
    made = await world.deposit(world.somebody(), 9_000)
    await told(world, Paid(made.session_id, f"ch_{made.session_id.hex}", FIFTY, utc_now()))
    (item,) = await world.items(made.payment_id)
    lost, cleared = await world.account("loss", "platform"), await world.account("clearing")

    back = replace(sent_back(item, Money(2_000, "usd")), session_id=made.session_id)
    assert await told(world, back) == "applied"
    await world.refunds.resume()
    assert (await world.account("loss", "platform"), await world.account("clearing")) == (lost - 2_000, cleared + 2_000)
    assert ((await world.item(item.item_id)).status, await world.status(made.payment_id)) == ("open", "pending")

    assert await told(world, replace(back, outcome="failed", happened_at=utc_now())) == "applied"
    await world.refunds.resume()
    assert (await world.account("loss", "platform"), await world.account("clearing")) == (lost, cleared)


@pytest.mark.parametrize("by", ["refund", "dispute"])
async def test_what_came_back_before_it_was_told_to_have_been_taken_stays_in_suspense(by: str, world: OperatorsWorld) -> None:
    """The webhook of the taking is late, or comes only when somebody sends it again."""
    made = await world.deposit(world.somebody(), 9_000)
    await told(world, Paid(made.session_id, f"ch_{made.session_id.hex}", FIFTY, utc_now()))
    (item,) = await world.items(made.payment_id)
    cleared, earlier = await world.account("clearing"), utc_now()
    refund, dispute = replace(sent_back(item), session_id=made.session_id), disputed(item, session_id=made.session_id)
    back: Fact
    taken: Fact
    if by == "refund":
        back, taken = replace(refund, outcome="failed", happened_at=utc_now()), replace(refund, happened_at=earlier)
    else:
        back, taken = replace(dispute, event="won"), dispute

    assert [await told(world, back), await told(world, taken)] == ["applied", "unchanged"]
    await world.refunds.resume()
    assert ((await world.item(item.item_id)).status, await world.account("clearing")) == ("open", cleared)


async def test_word_of_a_refund_that_was_declined_before_waits_for_nothing(world: OperatorsWorld) -> None:
    """The item was open again when its provider's webhook came: nobody knows that refund any more, and no payment is on its way."""
    made = await world.deposit(world.somebody(), 9_000)
    await told(world, Paid(made.session_id, f"ch_{made.session_id.hex}", FIFTY, utc_now()))
    (item,) = await world.items(made.payment_id)

    declined = replace(sent_back(item), session_id=made.session_id, refund_id=new_id(), outcome="failed")
    assert await told(world, declined) == "unchanged"
    assert await told(world, replace(declined, outcome="succeeded", provider_reference="re_other")) == "unknown_refund"
    assert (await world.item(item.item_id)).status == "open"
