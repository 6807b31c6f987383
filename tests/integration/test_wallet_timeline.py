"""What wallet tells of the past: the transfers behind some references with what was told of them, and balances as they were."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from services.wallet import timeline
from services.wallet.handlers.questions import Questions, look_up_in
from services.wallet.references import CommittedReferences
from shared import postgres
from shared.contracts.base import utc_now
from shared.contracts.queries import BookedTransfer, GetBalances
from shared.health import Health
from shared.money import Money
from shared.waiting import Waiters
from tests.integration.funds_world import FEES, PROVIDER, a_move, a_reserve, a_settle, funds, leg, person, told
from tests.integration.verify_world import break_it
from tests.integration.wallet_world import WalletWorld, a_transfer, user, wallet_world


@pytest.fixture
async def world(fresh_database_url: str) -> AsyncIterator[WalletWorld]:
    async with wallet_world(fresh_database_url) as world:
        yield world


async def transfers(world: WalletWorld, *references: str) -> tuple[BookedTransfer, ...]:
    async with postgres.connection(world.pool) as db:
        return await timeline.transfers(db, references)


async def at(world: WalletWorld, time: datetime | None) -> list[tuple[str, int, int, int]]:
    """(currency, available, held, version) of user 1 at a time"""
    handler = Questions(world.pool, Waiters(), CommittedReferences(look_up_in(world.pool)), Health("wallet", {}))
    view = await handler.get_balances(GetBalances(correlation_id="q", user_ids=("1",), at=time))
    return [(b.currency, b.available_minor, b.held_minor, b.version) for b in view.balances]


async def test_a_credit_is_told_with_its_entry_and_its_event(world: WalletWorld) -> None:
    credit = a_transfer(correlation_id="request-7")
    await world.post(*(a_transfer() for _ in range(30)), credit, *(a_transfer() for _ in range(30)))
    sent_at = utc_now()
    async with world.admin() as admin:
        await admin.execute("update wallet.outbox set sent_at = $1", sent_at)

    (booked,) = await transfers(world, credit.reference, "mock:unknown")
    assert (booked.reference, booked.kind, booked.amount_minor, booked.currency) == (credit.reference, "deposit", 2000, "rsd")
    assert (booked.source.kind, booked.source.owner, booked.target.kind, booked.target.owner) == ("clearing", "mock", "user", "1")
    assert (booked.payment_id, booked.correlation_id) == (credit.payment_id, "request-7")
    (entry,) = booked.entries
    assert (entry.user_id, entry.version, entry.change_minor, entry.held_change_minor) == ("1", 31, 2000, 0)
    assert (entry.available_after_minor, entry.held_after_minor, entry.published_at) == (31 * 2000, 0, sent_at)
    assert entry.message_id == (await told(world))[30].message_id


async def test_a_hold_is_told_with_its_settling_and_every_side_of_it(world: WalletWorld) -> None:
    await world.post(a_transfer())
    reserve = a_reserve(500)
    await funds(world).reserve(reserve)
    await funds(world).settle(a_settle(reserve.reference, leg(FEES, PROVIDER, 20), leg(person("1"), person("2"), 7)))

    booked = await transfers(world, reserve.reference)
    endings = [one.reference.removeprefix(reserve.reference) for one in booked]
    assert endings == ["", ":settle", ":settle#1", ":settle#2"]
    entries = [[(e.user_id, e.version, e.change_minor, e.held_change_minor) for e in one.entries] for one in booked]
    assert entries == [[("1", 2, -500, 500)], [("1", 3, 0, -500)], [], [("1", 4, -7, 0), ("2", 1, 7, 0)]]
    events = {event.message_id: event for event in (*await told(world), *await told(world, "2"))}
    for one in booked:
        for entry in one.entries:
            assert entry.message_id is not None
            assert (events[entry.message_id].user_id, events[entry.message_id].version) == (entry.user_id, entry.version)
            assert entry.published_at is None


async def test_an_event_that_is_not_kept_any_more_leaves_its_entry(world: WalletWorld) -> None:
    old, new = a_transfer(), a_transfer()
    await world.post(old)
    await break_it(
        world,
        "update wallet.transfers set created_at = created_at - interval '25 hours'",
        "update wallet.entries set created_at = created_at - interval '25 hours'",
        "delete from wallet.outbox",
    )
    assert [one.entries[0].message_id for one in await transfers(world, old.reference)] == [None]
    await world.post(new)
    first, second = await transfers(world, new.reference, old.reference)
    assert (first.entries[0].version, first.entries[0].message_id) == (1, None)
    assert second.entries[0].message_id == (await told(world))[0].message_id


async def test_an_event_is_found_among_many_of_all_times_with_gaps(world: WalletWorld) -> None:
    """An outbox of eight hours: events of others before and after each, ids with holes, some a few seconds out of time's order."""
    credits = [a_transfer(target=user(str(n))) for n in range(8)]
    for credit in credits:
        await world.post(credit)
    expected = [(await told(world, str(n)))[0].message_id for n in range(8)]
    await break_it(
        world,
        "create temporary table mine as select * from wallet.outbox",
        "delete from wallet.outbox",
        """
        insert into wallet.outbox (id, lane, message_type, key, payload, correlation_id, created_at)
        overriding system value
        select 1000 * id + 7 * n, 0, message_type, case n when 50 then key else 'x' end,
               case n when 50 then payload else format('{"message_id": "%s", "version": 1}', gen_random_uuid()) end, 'c',
               created_at + make_interval(hours => id::int - 8, secs => 30 * n - case when n % 2 = 0 then 38 else 0 end)
        from mine cross join generate_series(1, 100) as n
        """,
        # The book keeps the times of its events.
        """
        update wallet.transfers as transfer set created_at = event.created_at
        from wallet.entries as entry join wallet.outbox as event on event.key = entry.account_id::text
        where entry.transfer_id = transfer.transfer_id
        """,
        """
        update wallet.entries as entry set created_at = event.created_at
        from wallet.outbox as event where event.key = entry.account_id::text
        """,
    )
    booked = await transfers(world, *(credit.reference for credit in credits))
    assert [one.entries[0].message_id for one in booked] == expected


async def test_a_balance_is_as_it_was_then(world: WalletWorld) -> None:
    before = utc_now() - timedelta(seconds=1)
    await world.post(a_transfer(), a_transfer(money=Money(7, "jpy")))
    reserve = a_reserve(500)
    await funds(world).reserve(reserve)
    await funds(world).move(a_move(leg(person("1"), person("2"), 100)))
    await funds(world).settle(a_settle(reserve.reference))
    times = [row["created_at"] for row in await world.rows("select distinct created_at from wallet.entries order by created_at")]
    jpy = ("jpy", 7, 0, 1)
    assert await at(world, before) == []
    assert await at(world, times[0]) == [jpy, ("rsd", 2000, 0, 1)]
    assert await at(world, times[1] - timedelta(microseconds=1)) == [jpy, ("rsd", 2000, 0, 1)]
    assert await at(world, times[1]) == [jpy, ("rsd", 1500, 500, 2)]
    assert await at(world, times[2]) == [jpy, ("rsd", 1400, 500, 3)]
    assert await at(world, utc_now() + timedelta(days=1)) == await at(world, None) == [jpy, ("rsd", 1400, 0, 4)]
    assert await at(world, datetime(1, 1, 1, tzinfo=UTC)) == []
    assert await at(world, datetime(9999, 12, 31, tzinfo=UTC)) == await at(world, None)
