"""What an operator's page asks of payments, over the real tables: a day's money, payments by the hour, and what does not get on."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.payments.handlers import operator as handler
from services.payments.handlers.operator import Operator
from services.payments.store import operator as store
from shared import postgres
from shared.contracts.base import new_id, utc_now
from shared.contracts.operator import FiguresView, GetFigures, ListSeries, ListStuck, SeriesView, Stuck, StuckView
from shared.contracts.payment_commands import Refused
from tests.integration.explained import Explained
from tests.integration.history_world import NOON, HistoryWorld, history_world
from tests.integration.rows_under_way import refund, suspended, withdrawal

DAY, MIDNIGHT = NOON - timedelta(hours=12), NOON + timedelta(hours=12)
AFTER_SECONDS = 60


@pytest.fixture
async def world(fresh_database_url: str) -> AsyncIterator[HistoryWorld]:
    async with history_world(fresh_database_url) as running:
        yield running


async def none_dead() -> int | None:
    return 0


def operator_of(world: HistoryWorld) -> Operator:
    return Operator(world.pool, AFTER_SECONDS, none_dead)


async def figures(world: HistoryWorld) -> FiguresView:
    answer = await operator_of(world).figures(GetFigures(correlation_id="q", since=DAY, until=MIDNIGHT))
    assert isinstance(answer, FiguresView), answer
    return answer


async def stuck(world: HistoryWorld, **asked: Any) -> StuckView:
    answer = await operator_of(world).stuck(ListStuck(correlation_id="q", **asked))
    assert isinstance(answer, StuckView), answer
    return answer


async def test_what_came_in_and_went_out_on_a_day_by_method_and_currency(world: HistoryWorld) -> None:
    paid = {"status": "completed", "currency": "rsd"}
    await world.payment(**paid, amount_minor=10**15, completed_at=DAY)
    await world.payment(**paid, amount_minor=10**15, created_at=DAY - timedelta(days=3), completed_at=MIDNIGHT - timedelta(microseconds=1))
    await world.payment(**paid, amount_minor=5, completed_at=DAY - timedelta(microseconds=1))
    await world.payment(**paid, amount_minor=7, completed_at=MIDNIGHT)
    of_stripe = await world.payment(**paid | {"currency": "usd", "provider": "stripe"})
    await world.payment(**paid, provider="balance", amount_minor=9)
    await world.payment(status="failed")
    back = {"state": "succeeded", "next_at": None, "provider": "stripe", "currency": "usd"}
    await refund(world, of_stripe, **back, settled_at=NOON)
    await refund(world, of_stripe, **back, settled_at=MIDNIGHT)
    await refund(world, of_stripe, **back | {"provider": "balance"}, settled_at=NOON)
    await withdrawal(world, status="paid", step="done", payout_method="manual")
    await withdrawal(world, status="returned", step="done")
    await withdrawal(world, status="paid", step="done", updated_at=DAY - timedelta(seconds=1))

    told = await figures(world)
    assert [(f.method, f.currency, f.count, f.amount_minor) for f in told.paid_in] == [
        ("mock", "rsd", 2, 2 * 10**15),
        ("stripe", "usd", 1, 1000),
    ], "of this day only, whenever it was begun; from balances nothing came in"
    assert [(f.method, f.currency, f.count, f.amount_minor) for f in told.refunded] == [("stripe", "usd", 1, 100)]
    assert [(f.method, f.currency, f.count, f.amount_minor) for f in told.withdrawn] == [("manual", "rsd", 1, 1000)]


async def test_who_is_waited_for_and_since_when(world: HistoryWorld) -> None:
    await withdrawal(world)
    await withdrawal(world, created_at=DAY)
    await withdrawal(world, currency="eur")
    await withdrawal(world, step="reserving", next_at=NOON)
    await withdrawal(world, status="sending", step="sending", payout_method="manual")
    await world.payment(expires_at=utc_now() + timedelta(hours=1))
    await world.payment(expires_at=utc_now() - timedelta(seconds=1))
    await suspended(world)
    disputed = await world.payment(status="completed", dispute_status="open")
    await world.write(
        "disputes",
        dispute_id=new_id(),
        payment_id=disputed,
        provider="stripe",
        dispute_reference="dp_1",
        amount_minor=1000,
        currency="rsd",
        owner_id="1",
        owner_minor=1000,
        fee_minor=0,
        loss_minor=0,
        state="open",
        correlation_id="request-1",
        created_at=NOON,
    )
    assert [(w.waits_for, w.currency, w.count, w.amount_minor, w.since) for w in (await figures(world)).waiting] == [
        ("approval", "eur", 1, 1000, NOON),
        ("approval", "rsd", 2, 2000, DAY),
        ("decision", "rsd", 1, 700, NOON),
        ("payer", "rsd", 1, 1000, NOON),
        ("payment_by_hand", "rsd", 1, 1000, NOON),
        ("provider", "rsd", 1, 1000, NOON),
    ]


async def test_payments_by_the_hour_and_by_the_day_as_they_are_told(world: HistoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    now = utc_now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    for _ in range(2):
        await world.payment(status="completed", created_at=hour)
    await world.payment(status="completed", refunded_minor=1000, created_at=hour)
    await world.payment(provider="stripe", expires_at=now - timedelta(seconds=1), created_at=hour - timedelta(microseconds=1))
    await world.payment(created_at=hour - timedelta(hours=23), status="failed")
    await world.payment(created_at=hour - timedelta(hours=24), status="failed")
    await world.payment(created_at=hour, status="failed", refusal='{"code":"c","detail":"d","request_id":"r"}')

    operator = operator_of(world)
    told = await operator.series(ListSeries(correlation_id="q", bucket="hour", buckets=24))
    assert isinstance(told, SeriesView)
    if utc_now().replace(minute=0, second=0, microsecond=0) != hour:
        pytest.skip("the hour went by meanwhile")
    assert (told.first, told.last) == (hour - timedelta(hours=23), hour)
    assert [(p.at, p.method, p.status, p.count) for p in told.points] == [
        (hour - timedelta(hours=23), "mock", "failed", 1),
        (hour - timedelta(hours=1), "stripe", "expired", 1),
        (hour, "mock", "completed", 2),
        (hour, "mock", "refunded", 1),
    ]
    by_day = await operator.series(ListSeries(correlation_id="q", bucket="day", buckets=30))
    assert isinstance(by_day, SeriesView)
    assert sum(point.count for point in by_day.points) == 6
    assert all(point.at == point.at.replace(hour=0, minute=0, second=0, microsecond=0) for point in by_day.points)

    await world.payment(created_at=hour)
    again = await operator.series(ListSeries(correlation_id="q", bucket="hour", buckets=24))
    assert again == told, "however many look, it is counted once in ten seconds"
    monkeypatch.setattr(handler, "monotonic", lambda: time.monotonic() + 11)
    later = await operator.series(ListSeries(correlation_id="q", bucket="hour", buckets=24))
    assert isinstance(later, SeriesView)
    assert sum(point.count for point in later.points) == sum(point.count for point in told.points) + 1


async def test_everything_that_does_not_get_on_is_told_with_why_and_since_when(world: HistoryWorld) -> None:
    minutes = [NOON + timedelta(minutes=n) for n in range(20)]
    opened = {"sealed_url": b"sealed"}
    await world.payment(created_at=minutes[0])
    await world.payment(created_at=DAY, expires_at=minutes[1], **opened)
    await world.payment(created_at=minutes[2], provider="balance", expires_at=utc_now() + timedelta(hours=1))
    paid = await world.payment(status="completed")
    for n, state in enumerate(("reserving", "sending", "pending"), start=3):
        await refund(world, paid, state=state, created_at=minutes[n], sent_at=None if state == "reserving" else minutes[n])
    sent = {"status": "sending", "step": "sending", "next_at": MIDNIGHT, "created_at": DAY}
    await withdrawal(world, **sent, updated_at=minutes[6])
    await withdrawal(world, **sent, updated_at=DAY, unknown_since=minutes[7])
    await withdrawal(world, **sent | {"status": "approved", "step": "approved"}, updated_at=minutes[8])
    await withdrawal(world, step="reserving", next_at=NOON, updated_at=minutes[9])
    item = await suspended(world, created_at=minutes[10])
    await world.write(
        "transfers",
        transfer_id=new_id(),
        from_user_id="1",
        to_user_id="2",
        amount_minor=1,
        currency="rsd",
        status="pending",
        requested_by="user:9",
        caller="user:9",
        correlation_id="request-1",
        next_at=NOON,
        created_at=minutes[11],
        updated_at=minutes[11],
    )
    for state, when in (("due", minutes[12]), ("failed", minutes[13])):
        order_id = new_id()
        payment_id = await world.payment(user_id=None, kind="order", order_id=order_id, status="completed")
        await world.write(
            "orders",
            order_id=order_id,
            product="chakras",
            caller="guest",
            contact=b"sealed",
            points=b"sealed",
            locale="en",
            title="A reading",
            amount_minor=1000,
            currency="rsd",
            fulfilment=state,
            next_at=NOON if state == "due" else None,
            paid_payment_id=payment_id,
            correlation_id="request-1",
            updated_at=when,
        )
    await world.write(
        "outbox", lane=3, message_type="payment.completed.v1", key="1", payload="{}", correlation_id="r", created_at=minutes[14]
    )

    told = await stuck(world)
    assert [(s.kind, s.why) for s in told.items] == [
        ("payment", "not_opened"),
        ("payment", "session_over"),
        ("payment", "wallet_silent"),
        ("refund", "wallet_silent"),
        ("refund", "provider_silent"),
        ("refund", "provider_pending"),
        ("withdrawal", "provider_pending"),
        ("withdrawal", "outcome_unknown"),
        ("withdrawal", "not_sent"),
        ("withdrawal", "wallet_silent"),
        ("suspense", "undecided"),
        ("transfer", "wallet_silent"),
        ("order", "not_delivered"),
        ("order", "delivery_failed"),
        ("messages", "not_published"),
    ]
    assert [s.since for s in told.items] == minutes[:15]
    assert (told.count, told.more) == (15, False)
    by_kind = {(s.kind, s.why): s for s in told.items}
    assert by_kind["refund", "provider_silent"].payment_id == paid
    assert by_kind["suspense", "undecided"] == Stuck(
        kind="suspense", why="undecided", since=minutes[10], thing_id=item, method="stripe", amount_minor=700, currency="rsd"
    )
    order = by_kind["order", "delivery_failed"]
    assert order.thing_id is None, "an order's id is its secret"
    assert order.payment_id is not None

    few = await stuck(world, limit=2)
    assert [s.since for s in few.items] == minutes[:2], "the longest first"
    assert few.count == 15


async def test_what_is_on_its_way_is_not_stuck(world: HistoryWorld) -> None:
    now = utc_now()
    opened = {"sealed_url": b"sealed", "expires_at": now + timedelta(hours=1)}
    await world.payment(**opened, created_at=DAY)
    await world.payment(created_at=now)
    await world.payment(**opened | {"expires_at": now - timedelta(seconds=30)}, created_at=DAY)
    paid = await world.payment(status="completed")
    await refund(world, paid, created_at=now)
    await refund(world, paid, state="succeeded", settled_at=NOON, next_at=None)
    await withdrawal(world)
    await withdrawal(world, status="sending", step="sending", payout_method="manual")
    await suspended(world, created_at=now)
    await world.write("outbox", lane=3, message_type="payment.completed.v1", key="1", payload="{}", correlation_id="r", created_at=now)
    assert await stuck(world) == StuckView(items=(), count=0, more=False, dead_letters=0)


async def test_of_each_kind_no_more_is_read_than_is_counted(world: HistoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_STUCK_COUNTED", 3)
    for _ in range(5):
        await suspended(world)
    await world.payment(created_at=DAY)
    told = await stuck(world)
    assert (len(told.items), told.count, told.more) == (4, 4, True)


async def test_a_page_is_told_that_counting_takes_too_long(world: HistoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "TIMEOUT_SECONDS", 0.2)
    async with world.admin() as admin:
        transaction = admin.transaction()
        await transaction.start()
        await admin.execute("lock table payments.withdrawals")
        answer = await operator_of(world).figures(GetFigures(correlation_id="q", since=DAY, until=MIDNIGHT))
        await transaction.rollback()
    assert isinstance(answer, Refused)
    assert answer.code == "figures_not_ready"
    assert (await figures(world)).paid_in == (), "the next time it may be told"


async def test_no_table_that_grows_is_read_as_a_whole(world: HistoryWorld) -> None:
    """By index, with nothing in them as with years of data."""
    async with postgres.transaction(world.pool) as tx:
        await tx.execute("set local enable_seqscan = off")
        explained = Explained(tx)
        await store.paid_in(explained.connection, DAY, MIDNIGHT)
        await store.refunded(explained.connection, DAY, MIDNIGHT)
        await store.withdrawn(explained.connection, DAY, MIDNIGHT)
        await store.waiting(explained.connection)
        await store.series(explained.connection, "day", DAY, MIDNIGHT)
        await store.changed(explained.connection, "day", DAY)
        await store.stuck(explained.connection, NOON, AFTER_SECONDS, 100)
    scanned = [line.strip() for line in explained.plan if "Seq Scan" in line]
    assert scanned == [], scanned
    used = " ".join(explained.plan)
    for index in ("payments_completed", "payments_pending", "refunds_settled", "withdrawals_paid", "payments_of_all", "orders_failed"):
        assert index in used, index
