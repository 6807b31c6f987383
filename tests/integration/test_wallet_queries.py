"""What wallet answers: balances, lists that neither miss nor repeat, tickets that open once, and waiting for a transfer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.wallet import reads, store
from services.wallet.cursors import encode_cursor
from services.wallet.handlers.questions import Questions, look_up_in
from services.wallet.references import CommittedReferences
from shared import postgres
from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_commands import Refused
from shared.contracts.queries import GetBalances, GetTransfer, ListTransactions, OpenStream, TransactionPage, TransactionView
from shared.health import Health
from shared.money import Money
from shared.waiting import Waiters
from tests.integration.wallet_world import CLEARING, WalletWorld, a_transfer, user, wallet_world


@pytest.fixture
async def world(fresh_database_url: str) -> AsyncIterator[WalletWorld]:
    async with wallet_world(fresh_database_url, pool_size=6) as world:
        yield world


@pytest.fixture(scope="module")
async def kept_world(module_database_url: str) -> AsyncIterator[WalletWorld]:
    async with wallet_world(module_database_url) as world:
        yield world


async def listed(world: WalletWorld, **question: Any) -> TransactionPage:
    async with postgres.connection(world.pool) as db:
        return await reads.transactions(db, ListTransactions(**({"correlation_id": "q", "user_id": "1"} | question)))


async def all_pages(world: WalletWorld, **question: Any) -> list[TransactionView]:
    items: list[TransactionView] = []
    cursor = None
    for _ in range(200):
        page = await listed(world, cursor=cursor, **question)
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items
    raise AssertionError("the list has no end")


def questions(world: WalletWorld, waiters: Waiters[str] | None = None) -> Questions:
    return Questions(world.pool, waiters or Waiters(), CommittedReferences(look_up_in(world.pool)), Health("wallet", {}))


async def test_balances_of_some_users_in_all_currencies_or_one(world: WalletWorld) -> None:
    await world.post(a_transfer(), a_transfer(money=Money(7, "jpy")), a_transfer(target=user("2")), a_transfer(target=user("3")))
    view = await questions(world).get_balances(GetBalances(correlation_id="q", user_ids=("1", "2", "nobody")))
    assert [(b.user_id, b.currency, b.available_minor, b.held_minor, b.version) for b in view.balances] == [
        ("1", "jpy", 7, 0, 1),
        ("1", "rsd", 2000, 0, 1),
        ("2", "rsd", 2000, 0, 1),
    ]
    assert all(b.updated_at is not None for b in view.balances)
    view = await questions(world).get_balances(GetBalances(correlation_id="q", user_ids=("1", "mock"), currency="jpy"))
    assert [(b.user_id, b.currency) for b in view.balances] == [("1", "jpy")]


async def test_a_list_shows_each_change_newest_first_with_the_balance_after_it(world: WalletWorld) -> None:
    deposit = a_transfer(description="Top-up")
    await world.post(deposit)
    await world.post(a_transfer(kind="payment", source=user("1"), target=CLEARING, money=Money(500, "rsd"), payment_id=None))
    payment, first = (await listed(world)).items
    assert (payment.kind, payment.amount_minor, payment.balance_after_minor, payment.version) == ("payment", -500, 1500, 2)
    assert (first.kind, first.amount_minor, first.balance_after_minor, first.version) == ("deposit", 2000, 2000, 1)
    assert (first.payment_id, first.description, first.currency) == (deposit.payment_id, "Top-up", "rsd")
    assert (await listed(world, user_id="2")) == TransactionPage(items=(), next_cursor=None)


async def test_pages_of_several_currencies_miss_and_repeat_nothing(world: WalletWorld) -> None:
    for n in range(40):
        await world.post(*(a_transfer(money=Money(n + 1, currency)) for currency in ("rsd", "eur", "jpy")[: 1 + n % 3]))
    whole = (await listed(world, limit=500)).items
    assert len(whole) == len({(t.currency, t.version) for t in whole})
    assert [t.created_at for t in whole] == sorted((t.created_at for t in whole), reverse=True)
    for limit in (1, 7, len(whole) - 1, len(whole)):
        assert tuple(await all_pages(world, limit=limit)) == whole
    eur = [t for t in whole if t.currency == "eur"]
    assert await all_pages(world, limit=3, currency="eur") == eur
    assert [t.version for t in eur] == list(range(len(eur), 0, -1))
    skipped = await listed(world, skip=10, limit=5)
    assert skipped.items == whole[10:15]
    assert (await listed(world, cursor=skipped.next_cursor, limit=500)).items == whole[15:]
    assert (await listed(world, skip=1000)).items == ()


async def test_what_is_posted_while_one_pages_is_on_no_later_page(world: WalletWorld) -> None:
    for _ in range(5):
        await world.post(a_transfer(), a_transfer(money=Money(1, "eur")))
    before = (await listed(world, limit=500)).items
    page = await listed(world, limit=3)
    items = list(page.items)
    while page.next_cursor is not None:
        # Into an account that was listed, one that was not yet, and a new one.
        await world.post(a_transfer(), a_transfer(money=Money(1, "eur")), a_transfer(money=Money(1, "kwd")))
        page = await listed(world, limit=3, cursor=page.next_cursor)
        items += page.items
    assert tuple(items) == before


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    batches=st.lists(st.lists(st.sampled_from(["rsd", "eur", "jpy"]), min_size=1, max_size=4), min_size=1, max_size=12),
    limit=st.integers(1, 6),
    dice=st.randoms(use_true_random=False),
)
async def test_any_list_filtered_in_any_way_is_the_whole_list_filtered(
    kept_world: WalletWorld, batches: list[list[str]], limit: int, dice: random.Random
) -> None:
    owner = f"user-{new_id()}"
    for currencies in batches:
        await kept_world.post(
            *(a_transfer(target=user(owner), money=Money(9, c), kind=dice.choice(["deposit", "adjustment"])) for c in currencies)
        )
    whole = (await listed(kept_world, user_id=owner, limit=500)).items
    since, until = sorted(dice.choice(whole).created_at for _ in range(2))
    for filters in (
        {"since": since},
        {"until": until},
        {"since": since, "until": until, "kind": "deposit"},
        {"kind": "adjustment", "currency": "rsd"},
    ):
        expected = [
            t
            for t in whole
            if ("since" not in filters or t.created_at >= since)
            and ("until" not in filters or t.created_at < until)
            and t.kind == filters.get("kind", t.kind)
            and t.currency == filters.get("currency", t.currency)
        ]
        assert await all_pages(kept_world, user_id=owner, limit=limit, **filters) == expected


async def test_a_page_reads_no_more_than_it_shows(world: WalletWorld) -> None:
    """Thousands of entries, one page: the key is sought, and a time is found by halving."""
    for _ in range(4):
        await world.post(*(a_transfer() for _ in range(1000)))
    (account,) = await world.rows("select account_id from wallet.accounts where kind = 'user'")
    (middle,) = await world.rows("select created_at from wallet.entries where version = 2001")
    arguments = ([account["account_id"]], ["rsd"], [0], [4000], None, 20, 0)
    plan = "\n".join(str(line) for line in await world.rows(f"explain (analyze, timing off) {reads._TRANSACTIONS}", *arguments))
    assert "entries_pkey" in plan
    assert "Seq Scan" not in plan
    page = await listed(world, until=middle["created_at"], limit=2)
    assert [item.version for item in page.items] == [2000, 1999]


@pytest.mark.parametrize("cursor", ["nonsense", encode_cursor({"rsd": 1})[:-2] + "!!"])
async def test_a_malformed_cursor_is_refused_by_name(world: WalletWorld, cursor: str) -> None:
    answer = await questions(world).list_transactions(ListTransactions(correlation_id="request-9", user_id="1", cursor=cursor))
    assert isinstance(answer, Refused)
    assert (answer.code, answer.errors[0].loc, answer.request_id) == ("invalid_cursor", ("query", "cursor"), "request-9")


async def test_a_cursor_of_someone_else_shows_only_ones_own(world: WalletWorld) -> None:
    await world.post(*(a_transfer(target=user(name)) for name in ("1", "1", "2")))
    cursor = (await listed(world, limit=1)).next_cursor
    page = await listed(world, user_id="2", cursor=cursor)
    assert {item.version for item in page.items} <= {1}
    assert len(page.items) == 1


async def test_a_ticket_opens_one_stream_however_many_come_with_it(world: WalletWorld) -> None:
    await world.post(a_transfer())
    replicas = [questions(world) for _ in range(2)]
    question = OpenStream(correlation_id="q", user_id="1", ticket_id=new_id(), ticket_expires_at=utc_now() + timedelta(seconds=30))
    opened = await asyncio.gather(*(replicas[n % 2].open_stream(question) for n in range(20)))
    assert sorted(o.granted for o in opened) == [False] * 19 + [True]
    assert [o.balances for o in opened if not o.granted] == [()] * 19
    (granted,) = [o for o in opened if o.granted]
    assert [(b.currency, b.available_minor) for b in granted.balances] == [("rsd", 2000)]
    bearer = OpenStream(correlation_id="q", user_id="1", ticket_id=None, ticket_expires_at=None)
    assert (await questions(world).open_stream(bearer)).granted


async def test_expired_tickets_are_forgotten_and_open_nothing(world: WalletWorld) -> None:
    async with world.admin() as admin:
        await admin.execute(
            "insert into wallet.stream_tickets select gen_random_uuid(), now() - interval '2 minutes' from generate_series(1, 15)"
        )
    async with postgres.connection(world.pool) as db:
        assert not await store.use_ticket(db, new_id(), utc_now() - timedelta(minutes=2))
        assert await store.use_ticket(db, new_id(), utc_now() + timedelta(seconds=30))
    assert await world.rows("select count(*) as n from wallet.stream_tickets") == [{"n": 1}]


async def test_who_waits_for_a_transfer_is_woken_by_the_batch_that_commits_it(world: WalletWorld) -> None:
    waiters: Waiters[str] = Waiters()
    transfer = a_transfer()
    question = GetTransfer(correlation_id="q", reference=transfer.reference, wait_seconds=20)
    waiting = [asyncio.create_task(questions(world, waiters).get_transfer(question)) for _ in range(50)]
    await asyncio.sleep(0)
    await world.post(transfer)
    waiters.wake([transfer.reference])
    async with asyncio.timeout(5):
        assert all(view.posted for view in await asyncio.gather(*waiting))


async def test_who_waits_here_hears_of_what_another_replica_commits(world: WalletWorld) -> None:
    transfer = a_transfer()
    waiting = asyncio.create_task(
        questions(world).get_transfer(GetTransfer(correlation_id="q", reference=transfer.reference, wait_seconds=20))
    )
    await asyncio.sleep(0)
    await world.post(transfer)
    async with asyncio.timeout(5):
        assert (await waiting).posted


async def test_waiting_ends_with_its_time(world: WalletWorld) -> None:
    async with asyncio.timeout(5):
        view = await questions(world).get_transfer(GetTransfer(correlation_id="q", reference="mock:never", wait_seconds=0.2))
        assert not view.posted
        view = await questions(world).get_transfer(GetTransfer(correlation_id="q", reference="mock:never"))
        assert not view.posted
