"""The ledger under sixteen connections at once: nothing is lost, nothing is doubled, nothing locks up."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest

from services.wallet import store
from services.wallet.domain import Outcome, Transfer
from shared.money import Money
from tests.integration.wallet_world import WalletWorld, a_transfer, assert_sound, user, wallet_world

CONNECTIONS = 16


@pytest.fixture
async def world(fresh_database_url: str) -> AsyncIterator[WalletWorld]:
    async with wallet_world(fresh_database_url) as world:
        yield world


async def post_at_once(world: WalletWorld, batches_of_each: Sequence[Sequence[Sequence[Transfer]]]) -> list[Outcome]:
    """Each connection posts its own batches, one after the other, all connections at the same time. An error of any is raised."""

    async def post_all(batches: Sequence[Sequence[Transfer]]) -> list[Outcome]:
        connection = await asyncpg.connect(world.url)
        try:
            return [outcome for batch in batches for outcome in await store.post_transfers(connection, batch)]
        finally:
            await connection.close()

    return [outcome for outcomes in await asyncio.gather(*map(post_all, batches_of_each)) for outcome in outcomes]


async def test_blnk_238_and_239_no_credit_is_lost_to_a_race(world: WalletWorld) -> None:
    """One hot account, sixteen connections, single credits and batches."""
    batches = [[[a_transfer() for _ in range(size)] for size in (1, 1, 1, 7, 20)] for _ in range(CONNECTIONS)]
    outcomes = await post_at_once(world, batches)
    assert Counter(outcomes) == {Outcome.POSTED: CONNECTIONS * 30}
    assert await world.balance("1") == (CONNECTIONS * 30 * 2000, CONNECTIONS * 30)
    await assert_sound(world)


async def test_getlago_5870_and_2243_the_same_top_up_told_many_times_at_once_is_one_credit(world: WalletWorld) -> None:
    transfers = [a_transfer(target=user(str(n % 3))) for n in range(20)]
    outcomes = await post_at_once(world, [[random.sample(transfers, len(transfers))] for _ in range(CONNECTIONS)])
    assert Counter(outcomes) == {Outcome.POSTED: 20, Outcome.DUPLICATE: 20 * (CONNECTIONS - 1)}
    assert sum([(await world.balance(str(n)))[0] for n in range(3)]) == 20 * 2000
    await assert_sound(world)


async def test_formance_767_batches_over_the_same_accounts_in_opposite_order_do_not_deadlock(world: WalletWorld) -> None:
    """Transfers to and fro between the same users, in random batches, while new users and currencies appear in the middle."""
    users = [str(n) for n in range(8)]
    await world.post(*(a_transfer(target=user(name), money=Money(10**9, "rsd")) for name in users))

    def to_and_fro(seed: int) -> list[list[Transfer]]:
        dice = random.Random(seed)
        batches = []
        for number in range(12):
            pairs = [dice.sample(users, 2) for _ in range(dice.randint(1, 25))]
            batch = [a_transfer(kind="transfer", source=user(a), target=user(b), money=Money(dice.randint(1, 50), "rsd")) for a, b in pairs]
            batch += [a_transfer(target=user(f"new-{number}-{dice.randint(0, 5)}"), money=Money(1, dice.choice(["rsd", "eur"])))]
            dice.shuffle(batch)
            batches.append(batch)
        return batches

    outcomes = await post_at_once(world, [to_and_fro(seed) for seed in range(CONNECTIONS)])
    assert set(outcomes) == {Outcome.POSTED}
    assert sum([(await world.balance(name))[0] for name in users]) == 8 * 10**9
    await assert_sound(world)


async def test_batches_that_fight_for_references_of_different_accounts_do_not_deadlock(world: WalletWorld) -> None:
    """The same references for different owners, in opposite order: only the references make these batches take turns."""

    def contrary(owner: int) -> list[list[Transfer]]:
        batch = [a_transfer(reference=f"mock:{n}", target=user(str(owner)), payment_id=None) for n in range(30)]
        return [batch if owner % 2 else batch[::-1]]

    outcomes = Counter(await post_at_once(world, [contrary(owner) for owner in range(CONNECTIONS)]))
    assert outcomes == {Outcome.POSTED: 30, Outcome.CONFLICT: 30 * (CONNECTIONS - 1)}
    assert sum([(await world.balance(str(n)))[0] for n in range(CONNECTIONS)]) == 30 * 2000
    await assert_sound(world)


async def test_formance_364_ids_and_versions_are_not_given_twice(world: WalletWorld) -> None:
    """New accounts made by all at once are one account each, and every id and version is given once."""
    batches = [[[a_transfer(target=user(str(n))) for n in random.sample(range(10), 10)]] for _ in range(CONNECTIONS)]
    await post_at_once(world, batches)
    (counts,) = await world.rows(
        """
        select (select count(*) from wallet.accounts where kind = 'user') as users,
               (select count(distinct transfer_id) from wallet.transfers) as transfers,
               (select count(distinct payload::json ->> 'message_id') from wallet.outbox) as messages
        """
    )
    assert counts == {"users": 10, "transfers": 10 * CONNECTIONS, "messages": 10 * CONNECTIONS}
    await assert_sound(world)


async def test_events_of_an_account_are_in_the_order_of_its_versions(world: WalletWorld) -> None:
    """Ids are given while the account is locked, so a relay that goes by id sends versions in order."""
    await post_at_once(world, [[[a_transfer(target=user(str(n % 2))) for n in range(9)] for _ in range(3)] for _ in range(CONNECTIONS)])
    wrong = await world.rows(
        """
        select * from (
            select key, (payload::json ->> 'version')::bigint as version, row_number() over (partition by key order by id) as expected
            from wallet.outbox
        ) as event where version <> expected
        """
    )
    assert wrong == []
