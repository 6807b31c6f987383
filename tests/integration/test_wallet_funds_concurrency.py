"""Holds and sets of transfers by many at once: no more is held than there is, a hold ends one way, nothing locks up."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from services.wallet import store
from shared import postgres
from shared.contracts.wallet_commands import FundsReserved, HoldReleased, HoldSettled
from shared.money import Money
from tests.integration.funds_world import (
    FEES,
    PROVIDER,
    Answer,
    a_move,
    a_release,
    a_reserve,
    a_settle,
    funds,
    leg,
    money_of,
    person,
    refused,
    state_of,
)
from tests.integration.wallet_world import WalletWorld, a_transfer, assert_sound, empty, user, wallet_world

CONNECTIONS = 16


@pytest.fixture(scope="module")
async def book(module_database_url: str) -> AsyncIterator[WalletWorld]:
    async with wallet_world(module_database_url, pool_size=CONNECTIONS) as world:
        yield world


@pytest.fixture
async def world(book: WalletWorld) -> WalletWorld:
    """User 1 has 20.00 rsd."""
    await empty(book)
    await book.post(a_transfer())
    return book


async def test_blnk_181_a_hundred_holds_at_once_of_what_covers_ten_are_ten(world: WalletWorld) -> None:
    handlers = [funds(world) for _ in range(8)]
    reserves = [a_reserve(200) for _ in range(100)]
    answers = await asyncio.gather(*(handlers[n % 8].reserve(reserve) for n, reserve in enumerate(reserves)))
    assert Counter(refused(answer) for answer in answers) == {None: 10, "insufficient_funds": 90}
    assert await money_of(world) == (0, 2000, 11)


async def test_the_same_hold_asked_for_many_times_at_once_is_one(world: WalletWorld) -> None:
    reserve = a_reserve(200)
    answers = await asyncio.gather(*(funds(world).reserve(reserve) for _ in range(20)))
    assert answers == [FundsReserved(reference=reserve.reference, held_minor=200)] * 20
    assert await money_of(world) == (1800, 200, 2)


async def test_settled_and_released_at_once_a_hold_ends_one_way(world: WalletWorld) -> None:
    for _ in range(15):
        reserve = a_reserve(100)
        await funds(world).reserve(reserve)
        before = await money_of(world)
        answers = await asyncio.gather(
            *(funds(world).settle(a_settle(reserve.reference)) for _ in range(3)),
            *(funds(world).release(a_release(reserve.reference)) for _ in range(3)),
        )
        ended = await state_of(world, reserve.reference)
        kinds = Counter(refused(answer) or type(answer) for answer in answers)
        if ended == "settled":
            assert kinds == {HoldSettled: 3, "hold_settled": 3}
            assert await money_of(world) == (before[0], 0, before[2] + 1)
        else:
            assert kinds == {HoldReleased: 3, "hold_released": 3}
            assert await money_of(world) == (before[0] + 100, 0, before[2] + 1)


async def test_reserved_and_released_at_once_a_hold_holds_nothing_in_the_end(world: WalletWorld) -> None:
    for _ in range(15):
        reserve = a_reserve(100)
        await asyncio.gather(funds(world).reserve(reserve), funds(world).release(a_release(reserve.reference)))
        assert await state_of(world, reserve.reference) == "released"
        assert (await money_of(world))[:2] == (2000, 0)


async def test_one_reference_for_two_users_at_once_is_one_hold(world: WalletWorld) -> None:
    await world.post(a_transfer(target=user("2")))
    for _ in range(10):
        reserve = a_reserve(10)
        other = a_reserve(10, reference=reserve.reference, user_id="2")
        answers = await asyncio.gather(funds(world).reserve(reserve), funds(world).reserve(other))
        assert Counter(refused(answer) for answer in answers) == {None: 1, "reference_conflict": 1}


async def test_batches_holds_settlings_releases_and_moves_over_the_same_accounts_do_not_deadlock(world: WalletWorld) -> None:
    """Sixteen at once over six users, in every order; new users, new held accounts and new currencies appear in the middle."""
    users = [str(n) for n in range(6)]
    await world.post(*(a_transfer(target=user(name), money=Money(10**6, currency)) for name in users for currency in ("rsd", "eur")))

    async def batch(dice: random.Random) -> None:
        pairs = [dice.sample(users, 2) for _ in range(dice.randint(1, 15))]
        transfers = [a_transfer(kind="transfer", source=user(a), target=user(b), money=Money(1, "rsd")) for a, b in pairs]
        transfers.append(a_transfer(target=user(f"new-{dice.randint(0, 9)}"), money=Money(50, dice.choice(["rsd", "eur", "jpy"]))))
        dice.shuffle(transfers)
        async with postgres.connection(world.pool) as db:
            await store.post_transfers(db, transfers)

    async def out(dice: random.Random) -> list[Answer]:
        name = dice.choice([*users, *(f"new-{n}" for n in range(10))])
        reserve = a_reserve(dice.randint(1, 30), user_id=name, up_to=True, currency=dice.choice(["rsd", "rsd", "eur"]))
        others = dice.sample(users, 2)
        commands = funds(world)
        settle = a_settle(
            reserve.reference, leg(person(others[0]), person(others[1]), 1), target=dice.choice([PROVIDER, person(others[0])])
        )
        answers: list[Answer] = [await commands.reserve(reserve)]
        match dice.randint(0, 2):
            case 0:
                answers.append(await commands.settle(settle))
            case 1:
                answers.append(await commands.release(a_release(reserve.reference)))
            case _:
                answers += await asyncio.gather(commands.settle(settle), commands.release(a_release(reserve.reference)))
        return answers

    async def move(dice: random.Random) -> list[Answer]:
        first, second, third = dice.sample(users, 3)
        legs = (leg(person(first), person(second), 2), leg(person(third), FEES, 1), leg(FEES, person(second), 1))
        return [await funds(world).move(a_move(*legs))]

    async def work(seed: int) -> list[Answer]:
        dice = random.Random(seed)
        answers: list[Answer] = []
        for _ in range(30):
            match dice.randint(0, 3):
                case 0:
                    await batch(dice)
                case 1:
                    answers += await move(dice)
                case _:
                    answers += await out(dice)
        return answers

    answers = [answer for each in await asyncio.gather(*map(work, range(CONNECTIONS))) for answer in each]
    codes = Counter(refused(answer) for answer in answers)
    assert set(codes) <= {None, "hold_settled", "hold_released"}, codes
    assert codes[None] > 200
    await assert_sound(world)
    assert await world.rows("select from wallet.holds where state = 'held'") == []
    assert await world.rows("select sum(held_minor) as n from wallet.accounts") == [{"n": 0}]
