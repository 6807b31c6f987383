"""An operator's figures against the same figures worked out row by row: over a random book, on both sides of every midnight, and after what
has changed since they were counted."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from services.payments.domain.payments import PAID_FROM_BALANCE, Payment
from services.payments.handlers import operator as handler
from services.payments.handlers.operator import Operator
from services.payments.store.payments import COLUMNS, payment_of
from shared import postgres
from shared.contracts.base import new_id, utc_now
from shared.contracts.operator import Figure, FiguresView, GetFigures, ListSeries, ListStuck, SeriesView, StuckView
from tests.integration.history_world import HistoryWorld, history_world
from tests.integration.rows_under_way import refund, suspended, withdrawal

A_DAY: Final = timedelta(days=1)
LEAST: Final = timedelta(microseconds=1)
METHODS: Final = ("mock", "stripe", "allsecure", "prodamus", "balance")
CURRENCIES: Final = ("rsd", "jpy", "kwd")
PAYMENTS: Final = 120

Sums = dict[tuple[str, str], tuple[int, int]]


@pytest.fixture
async def world(fresh_database_url: str) -> AsyncIterator[HistoryWorld]:
    async with history_world(fresh_database_url) as running:
        yield running


class Book:
    """Rows of a random book, as they were written. Every moment is near a midnight of UTC, or on it."""

    def __init__(self, world: HistoryWorld, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.today = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
        self.paid: list[dict[str, Any]] = []
        self.refunds: list[dict[str, Any]] = []
        self.withdrawals: list[dict[str, Any]] = []
        self.suspended: list[dict[str, Any]] = []

    def moment(self) -> datetime:
        """Not in the future: what is not yet cannot be in a book."""
        midnight = self.today - self.random.randint(0, 4) * A_DAY
        away = self.random.choice([timedelta(0), LEAST, -LEAST, timedelta(hours=self.random.uniform(-23, 23))])
        return min(midnight + away, utc_now() - timedelta(minutes=2))

    def money(self) -> dict[str, Any]:
        return {
            "amount_minor": self.random.choice([1, 999, 10**15, self.random.randint(1, 10**6)]),
            "currency": self.random.choice(CURRENCIES),
        }

    async def write(self) -> None:
        for _ in range(PAYMENTS):
            await self._payment()
            await self._withdrawal()
            await self._suspended()

    async def _payment(self) -> None:
        begun = self.moment()
        row = self.money() | {"provider": self.random.choice(METHODS), "created_at": begun, "updated_at": begun, "payment_id": new_id()}
        status = self.random.choice(["pending", "completed", "completed", "completed", "failed", "canceled", "expired"])
        row |= {"status": status, "expires_at": begun + timedelta(hours=self.random.choice([-1, 1, 24]))}
        if status == "completed":
            row |= {
                "completed_at": max(begun, self.moment()),
                "dispute_status": self.random.choice([None, None, None, "open", "won", "lost"]),
            }
            row["refunded_minor"] = self.random.choice([0, 0, row["amount_minor"] // 2, row["amount_minor"]])
            if self.random.random() < 0.1:
                row["credit_reference"] = f"suspense:{new_id()}:assigned"
            self.paid.append(row)
        elif status == "failed" and self.random.random() < 0.5:
            row["refusal"] = '{"code":"c","detail":"d","request_id":"r"}'
        await self.world.payment(**row)
        if row.get("refunded_minor"):
            await self._refund(row)

    async def _refund(self, paid: dict[str, Any]) -> None:
        state = self.random.choice(["succeeded", "succeeded", "failed", "reversing", "settling"])
        row = {name: paid[name] for name in ("provider", "currency")} | {"state": state, "amount_minor": paid["refunded_minor"]}
        row |= {"wanted_minor": row["amount_minor"], "settled_at": self.moment(), "created_at": paid["completed_at"]}
        if state == "succeeded" and self.random.random() < 0.3:
            # At its own site the provider has sent back more than was left.
            row |= {"excess_minor": self.random.randint(1, 500), "origin": "provider", "forced": True}
        if state in ("succeeded", "failed"):
            row["next_at"] = None
        await refund(self.world, paid["payment_id"], **row)
        self.refunds.append(row)

    async def _withdrawal(self) -> None:
        status, step = self.random.choice(
            [("paid", "done"), ("paid", "done"), ("paid", "returning"), ("returned", "done"), ("sending", "settling"), ("rejected", "done")]
        )
        row = self.money() | {"status": status, "step": step, "updated_at": self.moment()}
        row |= {"payout_method": self.random.choice(["mock", "manual"]), "next_at": None if step == "done" else self.today}
        if step in ("settling", "returning"):
            row["outcome"] = "paid" if step == "settling" else "returned"
        await withdrawal(self.world, **row)
        self.withdrawals.append(row)

    async def _suspended(self) -> None:
        status, decision = self.random.choice(
            [("open", None), ("open", "refund"), ("refunded", "refund"), ("assigned", "assign_user"), ("written_off", "write_off")]
        )
        row = self.money() | {"status": status, "provider": self.random.choice(METHODS[:-1]), "created_at": self.moment()}
        if decision is not None:
            row |= {"decision": decision, "decision_id": new_id(), "decided_by": "user:9", "decided_at": self.today}
            row |= {"assigned_user_id": "1" if decision == "assign_user" else None}
            row |= {"decision_reference": "B-1", "decision_reason": "agreed"} if decision == "write_off" else {}
            row |= {"next_at": self.today} if status == "open" else {"settled_at": self.moment()}
        await suspended(self.world, **row)
        self.suspended.append(row)

    async def as_told(self) -> list[Payment]:
        async with postgres.connection(self.world.pool) as db:
            rows = await db.fetch(f"select {COLUMNS} from payments.payments where refusal is null")  # noqa: S608
        return [payment_of(row) for row in rows]


def summed(rows: list[tuple[str, str, int]]) -> Sums:
    sums: Sums = defaultdict(lambda: (0, 0))
    for method, currency, amount_minor in rows:
        count, total = sums[method, currency]
        sums[method, currency] = (count + 1, total + amount_minor)
    return dict(sums)


def told(figures: tuple[Figure, ...]) -> Sums:
    return {(one.method, one.currency): (one.count, one.amount_minor) for one in figures}


async def none_dead() -> int | None:
    return 0


async def test_every_days_money_and_every_hours_payments_are_what_their_rows_add_up_to(world: HistoryWorld) -> None:
    book = Book(world, seed=20_261_121)
    await book.write()
    operator = Operator(world.pool, 60, none_dead)
    for day in [book.today - n * A_DAY for n in range(7)]:
        told_of = await operator.figures(GetFigures(correlation_id="q", since=day, until=day + A_DAY))
        assert isinstance(told_of, FiguresView), told_of

        def of_day(rows: list[dict[str, Any]], at: str, method: str, day: datetime = day) -> list[dict[str, Any]]:
            return [row for row in rows if row[method] != PAID_FROM_BALANCE and day <= row[at] < day + A_DAY]

        paid = [row for row in of_day(book.paid, "completed_at", "provider") if "credit_reference" not in row]
        came = [*paid, *of_day(book.suspended, "created_at", "provider")]
        assert told(told_of.paid_in) == summed([(row["provider"], row["currency"], row["amount_minor"]) for row in came]), day
        back = [row for row in of_day(book.refunds, "settled_at", "provider") if row["state"] == "succeeded"]
        sent_back = [row for row in book.suspended if row["status"] == "refunded"]
        back += of_day(sent_back, "settled_at", "provider")
        all_back = [(row["provider"], row["currency"], row["amount_minor"] + row.get("excess_minor", 0)) for row in back]
        assert told(told_of.refunded) == summed(all_back), day
        out = [row for row in of_day(book.withdrawals, "updated_at", "payout_method") if (row["status"], row["step"]) == ("paid", "done")]
        assert told(told_of.withdrawn) == summed([(row["payout_method"], row["currency"], row["amount_minor"]) for row in out]), day

    for bucket, length in (("hour", timedelta(hours=1)), ("day", A_DAY)):
        first = handler.beginning(utc_now(), bucket) - 29 * length  # type: ignore[arg-type]
        assert await points_of(operator, bucket, 30) == expected(await book.as_told(), bucket, first)


async def points_of(operator: Operator, bucket: Any, buckets: int) -> Counter[tuple[datetime, str, str]]:
    view = await operator.series(ListSeries(correlation_id="q", bucket=bucket, buckets=buckets))
    assert isinstance(view, SeriesView), view
    counted = {(point.at, point.method, point.status): point.count for point in view.points}
    assert len(counted) == len(view.points), "one point each"
    return Counter(counted)


def expected(payments: list[Payment], bucket: Any, first: datetime) -> Counter[tuple[datetime, str, str]]:
    now = utc_now()
    begun = [(handler.beginning(one.created_at, bucket), one.provider, one.told_at(now)) for one in payments]
    return Counter(one for one in begun if one[0] >= first)


LATE: Final = {
    "expired": (
        "update payments.payments set status = 'completed', completed_at = now(), charge_reference = 'late', credit_reference = 'mock:late'"
        " where payment_id = $1",
    ),
    "completed": (
        "update payments.payments set refunded_minor = amount_minor where payment_id = $1",
        """
        insert into payments.refunds (refund_id, payment_id, provider, amount_minor, wanted_minor, currency, state, origin, correlation_id,
                                      settled_at)
        values (gen_random_uuid(), $1, 'mock', 1000, 1000, 'rsd', 'succeeded', 'request', 'r', now())
        """,
    ),
    "refunded": (
        "update payments.payments set refunded_minor = 0 where payment_id = $1",
        """
        insert into payments.refunds (refund_id, payment_id, provider, amount_minor, wanted_minor, currency, state, origin, correlation_id,
                                      settled_at)
        values (gen_random_uuid(), $1, 'mock', 1000, 1000, 'rsd', 'failed', 'request', 'r', now() - interval '9 days')
        """,
    ),
    "partially_refunded": (
        "update payments.payments set dispute_status = 'open' where payment_id = $1",
        """
        insert into payments.disputes (dispute_id, payment_id, provider, dispute_reference, amount_minor, currency, owner_id, owner_minor,
                                       fee_minor, loss_minor, state, correlation_id)
        values (gen_random_uuid(), $1, 'mock', 'd', 5, 'rsd', '1', 5, 0, 0, 'open', 'r')
        """,
    ),
}
"""What happens to a payment that is told so, long after it was made: it is paid late, sent back, its refund fails after all, disputed."""


@pytest.mark.parametrize("bucket", ["hour", "day"])
async def test_hours_and_days_that_are_over_are_told_as_they_are_after_late_changes(
    world: HistoryWorld, monkeypatch: pytest.MonkeyPatch, bucket: Any
) -> None:
    book = Book(world, 3)
    length = timedelta(hours=1) if bucket == "hour" else A_DAY
    last = handler.beginning(utc_now(), bucket)
    first = last - len(LATE) * length
    subjects = []
    for n, status in enumerate(LATE, start=1):
        begun = {"created_at": last - n * length, "expires_at": last - n * length + LEAST}
        for other in ("completed", "expired", "pending"):
            await world.payment(status=other, **begun)
        back = {"refunded": 1000, "partially_refunded": 1}.get(status, 0)
        stored = "expired" if status == "expired" else "completed"
        subjects.append(await world.payment(status=stored, refunded_minor=back, **begun))
    operator = Operator(world.pool, 60, none_dead)
    before = await points_of(operator, bucket, len(LATE) + 1)
    assert before == expected(await book.as_told(), bucket, first)

    for subject, statements in zip(subjects, LATE.values(), strict=True):
        async with postgres.transaction(world.pool) as tx:
            for statement in statements:
                await tx.execute(statement, subject)
    later = utc_now() + timedelta(seconds=11)
    monkeypatch.setattr(handler, "monotonic", lambda: time.monotonic() + 11)
    monkeypatch.setattr(handler, "utc_now", lambda: later)
    if handler.beginning(later, bucket) != last:
        pytest.skip("the hour went by meanwhile")
    after = await points_of(operator, bucket, len(LATE) + 1)
    assert after == expected(await book.as_told(), bucket, first)
    assert len({at for at, *_ in (before - after)}) == len(LATE), "each of them has changed"


async def test_an_order_that_could_not_be_delivered_is_stuck_until_its_money_is_back(world: HistoryWorld) -> None:
    for refunded_minor in (0, 999, 1000):
        order_id, at = new_id(), utc_now() - timedelta(hours=1)
        kind = {"user_id": None, "kind": "order", "order_id": order_id}
        payment_id = await world.payment(**kind, status="completed", refunded_minor=refunded_minor)
        fields = {"product": "x", "caller": "g", "contact": b"s", "points": b"s", "locale": "en", "title": "t", "correlation_id": "r"}
        sums = {"amount_minor": 1000, "currency": "rsd", "fulfilment": "failed", "paid_payment_id": payment_id, "updated_at": at}
        await world.write("orders", order_id=order_id, **fields, **sums)
    answer = await Operator(world.pool, 60, none_dead).stuck(ListStuck(correlation_id="q"))
    assert isinstance(answer, StuckView), answer
    assert [(one.kind, one.why) for one in answer.items] == [("order", "delivery_failed")] * 2
