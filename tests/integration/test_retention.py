"""Personal data after its time: what is old and over goes, what is young or open stays, and nothing that shows it breaks."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from services.payments import retention as retention_module
from services.payments.products import Product
from services.payments.retention import Retention
from shared.contracts.orders import CreateOrder, OrderCreated
from shared.contracts.payment_commands import Refused
from shared.money import Money
from tests.integration.disk_world import written_before
from tests.integration.intents_world import emptied
from tests.integration.orders_world import order_command, paid
from tests.integration.payments_world import ANSWERS
from tests.integration.retention_world import DAYS, RetentionWorld, retention_world
from tests.integration.withdrawals_world import ACCOUNT

EMAIL = "ana@example.rs"
NOTHING = {"provider_events": 0, "orders": 0, "withdrawals": 0}


@pytest.fixture(scope="module")
async def running(module_database_url: str) -> AsyncIterator[RetentionWorld]:
    async with retention_world(module_database_url) as started:
        yield started


@pytest.fixture
async def world(running: RetentionWorld, module_database_url: str) -> RetentionWorld:
    await emptied(running.payments, module_database_url)
    running.withdrawals.book.available = 100_000
    return running


# ---- raw events


async def test_a_raw_event_goes_after_its_time_and_what_came_of_it_stays(world: RetentionWorld) -> None:
    created = await world.orders.order()
    event = paid(created.session_id, "ch_1")
    await world.orders.tell(event)
    assert (await world.raw(created.payment_id))["body"] == event.body.decode()
    await world.ages(DAYS - 1)
    assert (await world.retention.prune())["provider_events"] == 0
    await world.ages(2)

    assert (await world.retention.prune())["provider_events"] == 1

    assert await world.raw(created.payment_id) == {"provider": "mock", "raw_left_out": "deleted after its time"}
    await world.orders.tell(event)
    assert await world.orders.outcomes() == ["applied"], "a repeat is still known as one"


# ---- orders


async def test_an_orders_personal_data_goes_and_what_was_bought_stays(world: RetentionWorld) -> None:
    created = await world.fulfilled()
    text = await world.orders.read(created.order_id)
    (before,) = await world.payments.rows("select opened_at, settled_at, created_at from payments.payments")
    await world.ages()

    assert await world.retention.prune() == {"provider_events": 1, "orders": 1, "withdrawals": 0}

    assert not await world.is_there(created.order_id)
    assert await world.orders.read(created.order_id) == text
    view = await world.orders.view(created.order_id)
    assert (view.status, view.email, view.phone, view.payment_url) == ("fulfilled", None, None, None)
    (after,) = await world.payments.rows("select opened_at, settled_at, created_at from payments.payments")
    assert (after["opened_at"], after["settled_at"]) == (before["opened_at"], before["settled_at"])


@pytest.mark.parametrize("readable", [False, True], ids=["sealed", "written before it was"])
async def test_a_link_that_names_the_payer_goes_from_everywhere_and_a_repeat_is_still_answered(
    world: RetentionWorld, monkeypatch: pytest.MonkeyPatch, readable: bool
) -> None:
    monkeypatch.setitem(world.orders.orders.products, "thing", _priced_in_rub(world))
    command = order_command("key-1", product="thing", points=None, method="prodamus", email=EMAIL)
    first = await answered(world, command)
    assert "ana%40example.rs" in first.payment_url
    await world.orders.execute("update payments.payments set status = 'expired'")
    if readable:
        await written_before(world.payments)
    await world.ages()
    assert ("ana%40example.rs" in await world.dump()) is readable

    assert (await world.retention.prune())["orders"] == 1

    assert "ana%40example.rs" not in await world.dump()
    assert await world.payments.rows("select payment_url, sealed_url from payments.payments") == [{"payment_url": None, "sealed_url": None}]
    again = await answered(world, order_command("key-1", product="thing", points=None, method="prodamus", email=EMAIL))
    assert again == first.model_copy(update={"payment_url": ""})


async def answered(world: RetentionWorld, command: CreateOrder) -> OrderCreated:
    answer = (await world.orders.orders.create(command)).answer
    assert isinstance(answer, OrderCreated), answer
    return answer


def _priced_in_rub(world: RetentionWorld) -> Product:
    thing = world.orders.orders.products["thing"]
    return replace(thing, price=Money(99_000, "rub"))


OVER = {
    "expired": "update payments.payments set status = 'expired'",
    "declined": "update payments.payments set status = 'failed'",
    "refused": """
        with failed as (update payments.payments set status = 'failed')
        update payments.orders set fulfilment = 'none', refusal = '{"type":"refused.v1","code":"x","detail":"x","request_id":"r"}'
    """,
}
OPEN = {
    "pending": "select 1",
    "watched": "update payments.payments set status = 'expired', watch_until = now() + interval '1 hour'",
    "moved lately": "update payments.payments set status = 'expired', updated_at = now()",
    "changed lately": """
        with expired as (update payments.payments set status = 'expired')
        update payments.orders set updated_at = now()
    """,
}
PAID_AND_OVER = {
    "fulfilled": "select 1",
    "refunded": "update payments.payments set refunded_minor = amount_minor",
    "not delivered, but refunded": """
        with refunded as (update payments.payments set refunded_minor = amount_minor)
        update payments.orders set fulfilment = 'failed', text = null
    """,
    "dispute won": "update payments.payments set dispute_status = 'won'",
}
PAID_AND_OPEN = {
    "due": "update payments.orders set fulfilment = 'due', text = null",
    "not delivered": "update payments.orders set fulfilment = 'failed', text = null",
    "not delivered, refunded in part": """
        with refunded as (update payments.payments set refunded_minor = 1)
        update payments.orders set fulfilment = 'failed', text = null
    """,
    "disputed": "update payments.payments set dispute_status = 'open'",
    "refund under way": "update payments.payments set refunding_minor = 1",
}


@pytest.mark.parametrize(
    ("name", "is_paid", "goes"),
    [
        *((name, False, True) for name in OVER),
        *((name, False, False) for name in OPEN),
        *((name, True, True) for name in PAID_AND_OVER),
        *((name, True, False) for name in PAID_AND_OPEN),
    ],
)
async def test_what_is_over_goes_and_what_is_open_stays_however_old(world: RetentionWorld, name: str, is_paid: bool, goes: bool) -> None:
    created = await (world.fulfilled() if is_paid else world.orders.order())
    await world.ages()
    await world.orders.execute((OVER | OPEN | PAID_AND_OVER | PAID_AND_OPEN)[name])

    assert (await world.retention.prune())["orders"] == int(goes)

    assert await world.is_there(created.order_id) is not goes
    assert (await world.orders.view(created.order_id)).email == (None if goes else "a***@example.rs")


async def test_an_order_whose_time_is_over_takes_no_new_payment(world: RetentionWorld) -> None:
    created = await world.orders.order()
    await world.orders.execute("update payments.payments set status = 'expired'")
    await world.ages()
    await world.retention.prune()

    refused = await world.orders.pay_again(created.order_id)

    assert isinstance(refused, Refused)
    assert (refused.code, refused.detail) == ("order_failed", "The order is too old; make a new one.")


async def test_money_that_comes_after_all_is_booked_and_the_delivery_fails_aloud(world: RetentionWorld) -> None:
    created = await world.orders.order()
    await world.orders.execute("update payments.payments set status = 'expired'")
    await world.ages()
    await world.retention.prune()

    await world.orders.tell(paid(created.session_id))
    await world.orders.fulfil_due()

    assert await world.orders.completed() == [created.payment_id]
    assert await world.orders.status(created.order_id) == "fulfilment_failed"
    assert (await world.orders.stored(created.order_id)).failure == "what it is made from was deleted after its time"
    await world.orders.fulfilments.try_failed_again()
    assert await world.orders.fulfil_due() == 0, "nothing can put that right"


# ---- withdrawals


async def test_a_bank_account_goes_when_its_withdrawal_has_ended_and_the_money_may_still_come_back(world: RetentionWorld) -> None:
    waiting = (await world.withdrawals.withdraw()).withdrawal_id
    sent = await world.withdrawals.approved()
    done = await world.withdrawals.approved()
    await world.withdrawals.run()
    await world.withdrawals.decide(done, "mark_paid", reference="bank-1")
    await world.ages()

    assert await world.retention.prune() == NOTHING | {"withdrawals": 1}

    gone = {withdrawal_id: (await world.withdrawals.row(withdrawal_id))["destination"] is None for withdrawal_id in (waiting, sent, done)}
    assert gone == {waiting: False, sent: False, done: True}
    assert await world.shown(sent) == ACCOUNT, "who pays it out by hand has to know"
    assert await world.shown(done) == "****8995"
    await world.withdrawals.decide(done, "mark_returned", reference="bank-2")
    await world.withdrawals.run()
    assert (await world.withdrawals.state(done))[0] == "returned"


# ---- again, and by several


async def test_it_may_run_again_at_any_time(world: RetentionWorld) -> None:
    await world.fulfilled()
    await world.ages()
    counted = REGISTRY.get_sample_value("purser_personal_data_pruned_total", {"what": "orders"}) or 0

    assert (await world.retention.prune())["orders"] == 1
    before = await world.dump()

    assert await world.retention.prune() == NOTHING
    assert await world.dump() == before
    assert REGISTRY.get_sample_value("purser_personal_data_pruned_total", {"what": "orders"}) == counted + 1


async def test_several_replicas_at_once_delete_everything_once(world: RetentionWorld) -> None:
    for _ in range(20):
        await world.fulfilled()
    await world.ages()
    replicas = [Retention(world.payments.pool, ANSWERS, days=DAYS, batch=3) for _ in range(4)]

    rounds: list[list[dict[str, int]]] = []
    while not rounds or any(any(counts.values()) for counts in rounds[-1]):
        rounds.append(await asyncio.gather(*(replica.prune() for replica in replicas)))

    every = list(itertools.chain(*rounds))
    assert [sum(counts[what] for counts in every) for what in ("provider_events", "orders", "withdrawals")] == [20, 20, 0]
    assert not await world.payments.rows("select from payments.orders where pruned_at is null")


async def test_money_that_comes_at_the_very_moment_is_booked_whoever_was_first(world: RetentionWorld) -> None:
    """Deleting locks payments before their orders, as settling does: neither locks the other out for good."""
    created = [await world.orders.order() for _ in range(8)]
    await world.orders.execute("update payments.payments set status = 'expired'")
    await world.ages()

    await asyncio.gather(world.retention.prune(), *(world.orders.tell(paid(one.session_id, f"ch_{one.order_id}")) for one in created))

    assert sorted(await world.orders.completed()) == sorted(one.payment_id for one in created)
    for one in created:
        row = await world.order_row(one.order_id)
        assert row["fulfilment"] == "due"


async def test_the_loop_begins_soon_and_outlives_a_failure(world: RetentionWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    created = await world.fulfilled()
    await world.ages()
    failures = iter([RuntimeError("once"), None])

    async def prune(self: Retention) -> dict[str, int]:
        if (failure := next(failures)) is not None:
            raise failure
        counts = await whole(self)
        over.set()
        await asyncio.Event().wait()
        return counts

    over, whole = asyncio.Event(), Retention.prune
    monkeypatch.setattr(retention_module, "_FIRST_SECONDS", 0.0)
    monkeypatch.setattr(retention_module, "_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(Retention, "prune", prune)
    await world.retention.start()
    async with asyncio.timeout(5):
        await over.wait()
    await world.retention.stop()

    assert not await world.is_there(created.order_id)
