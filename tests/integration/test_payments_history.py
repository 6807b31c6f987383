"""The list of payments over the real table: whose they are, how they are told, and page by page without gaps."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, get_args
from uuid import UUID

import pytest

from services.payments.store import cursors
from services.payments.store import history as store
from services.payments.store.cursors import Position
from services.payments.store.history import Filter
from services.payments.store.payments import COLUMNS, payment_of
from shared import postgres
from shared.contracts.base import new_id
from shared.contracts.history import ListedPayment, ListPayments, PaymentList, ToldStatus
from shared.contracts.payment_commands import Refused
from tests.integration.history_world import NOON, HistoryWorld, history_world


@pytest.fixture(scope="module")
async def world(module_database_url: str) -> AsyncIterator[HistoryWorld]:
    """One for the module: every story has users of its own."""
    async with history_world(module_database_url) as running:
        yield running


async def listed(world: HistoryWorld, user_id: str | None, **asked: Any) -> PaymentList:
    answer = await world.history.payments(ListPayments(correlation_id="q", user_id=user_id, **asked))
    assert isinstance(answer, PaymentList), answer
    return answer


async def ids(world: HistoryWorld, user_id: str | None, **asked: Any) -> list[UUID]:
    return [item.payment_id for item in (await listed(world, user_id, **asked)).items]


def combinations() -> list[dict[str, Any]]:
    """Every state that the table allows: status, end of session, refunds, dispute."""
    unpaid = [
        {"status": status, "expires_at": end}
        for status, end in product(
            ("pending", "failed", "expired", "canceled"), (None, NOON - timedelta(seconds=1), NOON, NOON + timedelta(seconds=1))
        )
    ]
    paid = [
        {"status": "completed", "expires_at": end, "refunded_minor": back, "refunding_minor": going, "dispute_status": dispute}
        for end, back, going, dispute in product(
            (None, NOON, NOON + timedelta(1)), (0, 1, 999, 1000), (0, 1), (None, "open", "won", "lost")
        )
        if back + going <= 1000
    ]
    return unpaid + paid


async def test_every_state_is_told_in_sql_as_the_domain_tells_it(world: HistoryWorld) -> None:
    for facts in combinations():
        await world.payment(user_id="told", **facts)
    async with postgres.connection(world.pool) as db:
        rows = await db.fetch(
            f"select {COLUMNS}, {store.TOLD_STATUS.format(now='$1')} as told from payments.payments where user_id = 'told'",  # noqa: S608
            NOON,
        )
        told = {row["payment_id"]: row["told"] for row in rows}
        by_domain = {row["payment_id"]: payment_of(row).told_at(NOON) for row in rows}
        found = {}
        for status in get_args(ToldStatus):
            for payment in (await store.page(db, Filter("told", status), NOON, limit=500))[0]:
                assert payment.payment_id not in found, "in two lists"
                found[payment.payment_id] = status

    assert len(told) == len(combinations())
    assert told == by_domain
    assert found == by_domain
    assert set(told.values()) == set(get_args(ToldStatus)), "none is left out"


async def test_payer_and_mentor_see_theirs_and_only_an_admin_asks_for_all(world: HistoryWorld) -> None:
    at = {"created_at": datetime(2020, 1, 1, tzinfo=UTC)}
    own = await world.payment(user_id="payer", **at)
    session = await world.payment(user_id="payer", kind="payment", mentor_id="teacher", **at)
    mentors_own = await world.payment(user_id="teacher", **at)
    elsewhere = await world.payment(user_id="stranger", kind="payment", mentor_id="another", **at)
    guests = await world.payment(user_id=None, kind="order", order_id=new_id(), **at)
    refused = await world.payment(user_id="payer", status="failed", refusal='{"code":"c","detail":"d","request_id":"r"}', **at)

    assert set(await ids(world, "payer")) == {own, session}, "a refused request is no payment"
    assert set(await ids(world, "teacher")) == {session, mentors_own}
    assert set(await ids(world, "stranger")) == {elsewhere}
    assert await ids(world, "nobody") == []
    everyones = await ids(world, None, since=datetime(2020, 1, 1, tzinfo=UTC), until=datetime(2020, 1, 2, tzinfo=UTC))
    assert set(everyones) == {own, session, mentors_own, elsewhere, guests}
    assert refused not in everyones


async def test_what_somebody_began_and_nobody_can_pay_any_more_is_found_behind_whatever_is_listed_before_it(world: HistoryWorld) -> None:
    def at(minutes: int) -> dict[str, Any]:
        return {"created_at": NOON + timedelta(minutes=minutes)}

    over = {"expires_at": NOON - timedelta(seconds=1)}
    expired = await world.payment(user_id="tops-up", **over, **at(1))
    refused = await world.payment(user_id="tops-up", status="failed", refusal='{"code":"c","detail":"d","request_id":"r"}', **at(2))
    paid = await world.payment(user_id="tops-up", status="completed", **at(3))
    for minutes in range(4, 104):
        await world.payment(user_id="tops-up", **at(minutes))
        await world.payment(user_id="student", mentor_id="tops-up", kind="payment", status="completed", **at(minutes))

    ended = Filter("tops-up", ended=True)
    async with postgres.connection(world.pool) as db:
        assert [one.payment_id for one in (await store.page(db, ended, NOON, limit=1))[0]] == [paid]
        assert [one.payment_id for one in (await store.page(db, ended, NOON, limit=9))[0]] == [paid, refused, expired]


async def test_an_item_tells_the_session_of_coaching_the_charge_and_the_status(world: HistoryWorld) -> None:
    payment_id = await world.payment(
        user_id="one",
        kind="payment",
        mentor_id="two",
        coaching_session_id="42",
        status="completed",
        refunded_minor=400,
        description="Lesson",
    )
    (item,) = (await listed(world, "two")).items
    assert (item.payment_id, item.user_id, item.mentor_id, item.coaching_session_id) == (payment_id, "one", "two", "42")
    assert (item.kind, item.method, item.status, item.amount_minor, item.currency) == ("payment", "mock", "partially_refunded", 1000, "rsd")
    assert (item.credit_reference, item.description, item.created_at) == (f"mock:ch_{payment_id}", "Lesson", NOON)


async def test_filters_by_time_external_id_and_status_add_up(world: HistoryWorld) -> None:
    days = [NOON + timedelta(days=day) for day in range(4)]
    made = [await world.payment(user_id="filters", created_at=day, external_id=f"mine-{day.day}", caller="user:filters") for day in days]
    await world.payment(user_id="filters", created_at=days[1], status="canceled")

    assert await ids(world, "filters", since=days[2]) == [made[3], made[2]], "not before"
    assert await ids(world, "filters", until=days[1]) == [made[0]], "before"
    assert await ids(world, "filters", external_id=f"mine-{days[1].day}") == [made[1]]
    assert await ids(world, None, external_id=f"mine-{days[1].day}") == [made[1]]
    assert await ids(world, "filters", external_id=f"mine-{days[1].day}", since=days[2]) == []
    assert await ids(world, "filters", status="pending", since=days[1], until=days[3]) == [made[2], made[1]]


async def test_pages_have_no_gap_and_no_repeat_while_new_ones_arrive(world: HistoryWorld) -> None:
    """Several of one instant, own ones and mentor's in turn, and a new payment before every page."""
    made = []
    for n in range(17):
        side = {"user_id": "pager"} if n % 2 else {"user_id": "pupil", "kind": "payment", "mentor_id": "pager"}
        made.append(await world.payment(created_at=NOON + timedelta(seconds=n // 4), **side))

    walked: list[ListedPayment] = []
    cursor = None
    while True:
        page = await listed(world, "pager", limit=5, cursor=cursor)
        walked += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
        await world.payment(user_id="pager", created_at=NOON + timedelta(hours=1))

    assert sorted(item.payment_id for item in walked) == sorted(made)
    keys = [(item.created_at, item.payment_id) for item in walked]
    assert keys == sorted(keys, reverse=True), "newest first, and of one instant by id"


async def test_skip_pages_too_and_a_last_page_that_is_full_has_no_next(world: HistoryWorld) -> None:
    made = [await world.payment(user_id="skipper", created_at=NOON + timedelta(seconds=n)) for n in range(4)][::-1]

    assert await ids(world, "skipper", skip=1, limit=2) == made[1:3]
    assert await ids(world, "skipper", skip=4) == []
    page = await listed(world, "skipper", limit=2)
    assert page.next_cursor is not None
    last = await listed(world, "skipper", limit=2, cursor=page.next_cursor)
    assert [item.payment_id for item in last.items] == made[2:]
    assert last.next_cursor is None


OTHERS = cursors.encode("a", Position(NOON, UUID(int=1)))
BEYOND_TIME = base64.urlsafe_b64encode(b"p\x7f" + b"\xff" * 7 + bytes(16)).decode().rstrip("=")


@pytest.mark.parametrize("cursor", ["x", "nonsense", "YQ", "é", "p" * 34, "_" * 34, OTHERS, BEYOND_TIME, OTHERS + "AAAA"])
async def test_a_cursor_that_is_not_ours_is_refused(world: HistoryWorld, cursor: str) -> None:
    answer = await world.history.payments(ListPayments(correlation_id="q", user_id="1", cursor=cursor))
    assert isinstance(answer, Refused)
    assert (answer.code, answer.errors[0].loc) == ("invalid_cursor", ("query", "cursor"))


async def test_no_list_looks_at_much_more_than_it_tells(world: HistoryWorld) -> None:
    """With a large table and rare finds: an index leads to them."""
    async with world.admin() as admin:
        await admin.execute(
            """
            insert into payments.payments (payment_id, session_id, user_id, kind, provider, amount_minor, currency, status, locale,
                                           correlation_id, charge_reference, credit_reference, completed_at, created_at)
            select gen_random_uuid(), gen_random_uuid(), 'many-' || n % 500, 'deposit', 'mock', 1000, 'rsd', 'completed', 'en', 'r',
                   'bulk_' || n, 'mock:bulk_' || n, now(), now() - n * interval '1 minute'
            from generate_series(1, 20000) as n
            """
        )
        await admin.execute("analyze payments.payments")
    for user_id, asked in (
        ("many-7", {}),
        ("many-7", {"status": "disputed"}),
        (None, {}),
        (None, {"status": "disputed"}),
        (None, {"status": "refunded"}),
        (None, {"external_id": "none of them"}),
    ):
        async with postgres.connection(world.pool) as db:
            counting = _Counting(db)
            await store.page(counting, Filter(user_id, **asked), NOON, limit=20)  # type: ignore[arg-type]
        assert counting.passed_over < 200, (user_id, asked)


class _Counting:
    """Stands before a connection and counts the rows that its queries look at in vain."""

    def __init__(self, db: Any) -> None:
        self._db = db
        self.passed_over = 0

    async def fetch(self, query: str, *values: Any) -> Any:
        ((plan,),) = await self._db.fetch(f"explain (analyze, format json) {query}", *values)
        self._count(json.loads(plan)[0]["Plan"])
        return await self._db.fetch(query, *values)

    def _count(self, node: dict[str, Any]) -> None:
        self.passed_over += node.get("Rows Removed by Filter", 0)
        for inner in node.get("Plans", ()):
            self._count(inner)
