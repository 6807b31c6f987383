"""Sets of transfers: posted in whole and in order, or not at all, and once; what may wait for a credit waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.wallet.handlers import funds as handlers
from shared.contracts.base import new_id
from shared.contracts.wallet_commands import Account, FundsMoved, FundsReserved
from shared.delivery.errors import Permanent
from shared.waiting import Waiters
from tests.integration.funds_world import (
    FEES,
    LOSS,
    PROVIDER,
    a_move,
    a_release,
    a_reserve,
    a_settle,
    funds,
    leg,
    money_of,
    person,
    refused,
    told,
)
from tests.integration.wallet_world import WalletWorld, a_transfer, empty, wallet_world

FROM_BALANCE = Account(kind="clearing", owner="balance")


@pytest.fixture(scope="module")
async def book(module_database_url: str) -> AsyncIterator[WalletWorld]:
    async with wallet_world(module_database_url, pool_size=8) as world:
        yield world


@pytest.fixture
async def world(book: WalletWorld) -> WalletWorld:
    """User 1 has 20.00 rsd."""
    await empty(book)
    await book.post(a_transfer())
    return book


async def journal(world: WalletWorld, reference: str) -> list[tuple[str, str, int]]:
    rows = await world.rows(
        "select reference, kind, amount_minor from wallet.transfers where starts_with(reference, $1) order by reference", reference
    )
    return [(row["reference"].removeprefix(reference), row["kind"], row["amount_minor"]) for row in rows]


async def test_a_session_paid_from_the_balance_moves_in_one_set(world: WalletWorld) -> None:
    payment_id = new_id()
    move = a_move(
        leg(person("1"), FROM_BALANCE, 1000),
        leg(FROM_BALANCE, person("2"), 900),
        leg(FROM_BALANCE, FEES, 100, kind="fee"),
        reference=f"balance:{payment_id}",
        kind="payment",
        payment_id=payment_id,
    )
    assert await funds(world).move(move) == FundsMoved(reference=move.reference)
    assert await journal(world, move.reference) == [("", "payment", 1000), ("#1", "payment", 900), ("#2", "fee", 100)]
    assert await money_of(world) == (1000, 0, 2)
    assert await money_of(world, "2") == (900, 0, 1)
    event = (await told(world, "2"))[0]
    assert (event.kind, event.change_minor, event.payment_id) == ("payment", 900, payment_id)


async def test_a_set_is_posted_in_whole_or_not_at_all(world: WalletWorld) -> None:
    move = a_move(leg(person("1"), PROVIDER, 1500), leg(person("1"), person("2"), 501))
    answer = await funds(world).move(move)
    assert refused(answer) == "insufficient_funds"
    assert await journal(world, move.reference) == []
    assert await money_of(world) == (2000, 0, 1)


async def test_a_set_that_was_refused_is_not_posted_later(world: WalletWorld) -> None:
    """Its payer was told no: a second copy of the command, late on the broker, finds more money and must leave it alone."""
    move = a_move(leg(person("1"), FROM_BALANCE, 2001))
    assert refused(await funds(world).move(move)) == "insufficient_funds"
    await world.post(a_transfer())

    answers = await asyncio.gather(*(funds(world).move(move) for _ in range(5)))

    assert {refused(answer) for answer in answers} == {"insufficient_funds"}
    assert await journal(world, move.reference) == []


async def test_legs_are_covered_in_their_order(world: WalletWorld) -> None:
    there, back = leg(person("1"), person("2"), 2000), leg(person("2"), person("1"), 2000)
    assert refused(await funds(world).move(a_move(back, there))) == "insufficient_funds"
    assert refused(await funds(world).move(a_move(there, back))) is None
    assert await money_of(world) == (2000, 0, 3)


async def test_the_same_set_again_is_answered_as_before(world: WalletWorld) -> None:
    move = a_move(leg(person("1"), person("2"), 2000), leg(FEES, PROVIDER, 1))
    first = await funds(world).move(move)
    again = await asyncio.gather(*(funds(world).move(move.model_copy(update={"correlation_id": f"again-{n}"})) for n in range(10)))
    assert again == [first] * 10
    assert await money_of(world) == (0, 0, 2)


async def test_a_set_with_other_facts_is_a_conflict(world: WalletWorld) -> None:
    one, two = leg(person("1"), person("2"), 100), leg(FEES, PROVIDER, 1)
    move = a_move(one, two)
    await funds(world).move(move)
    for legs in ((one,), (one, two, two), (two, one), (one, leg(FEES, PROVIDER, 2)), (one, leg(FEES, PROVIDER, 1, kind="fee"))):
        assert refused(await funds(world).move(a_move(*legs, reference=move.reference))) == "reference_conflict"
    for changes in ({"kind": "adjustment"}, {"currency": "eur"}, {"payment_id": new_id()}):
        assert refused(await funds(world).move(move.model_copy(update=changes))) in ("reference_conflict", "insufficient_funds")
    assert await journal(world, move.reference) == [("", "transfer", 100), ("#1", "transfer", 1)]
    assert await money_of(world) == (1900, 0, 2)


@pytest.mark.parametrize("kind", ["refund", "transfer", "payment", "adjustment", "fee"])
async def test_only_a_dispute_takes_what_is_gone(world: WalletWorld, kind: str) -> None:
    assert refused(await funds(world).move(a_move(leg(person("1"), PROVIDER, 2001), kind=kind))) == "insufficient_funds"
    assert refused(await funds(world).move(a_move(leg(person("1"), PROVIDER, 2001, kind="dispute"), kind=kind))) is None
    assert await money_of(world) == (-1, 0, 2)


async def test_a_dispute_leaves_what_is_held_to_its_hold(world: WalletWorld) -> None:
    reserve = a_reserve(1500)
    await funds(world).reserve(reserve)
    await funds(world).move(a_move(leg(person("1"), PROVIDER, 2000), kind="dispute"))
    assert await money_of(world) == (-1500, 1500, 3)
    await funds(world).release(a_release(reserve.reference))
    assert await money_of(world) == (0, 0, 4)


async def test_a_command_waits_for_the_credit_it_comes_after(world: WalletWorld) -> None:
    waiters: Waiters[str] = Waiters()
    commands = funds(world, waiters)
    credit = a_transfer()
    reserve = a_reserve(4000, kind="refund", after=credit.reference)
    waiting = asyncio.create_task(commands.reserve(reserve))
    moving = asyncio.create_task(commands.move(a_move(leg(LOSS, PROVIDER, 1), after=credit.reference)))
    await asyncio.sleep(0)
    await world.post(credit)
    waiters.wake([credit.reference])
    async with asyncio.timeout(1.5):
        assert await waiting == FundsReserved(reference=reserve.reference, held_minor=4000)
        assert refused(await moving) is None


async def test_a_credit_that_does_not_come_is_told_and_may_come_later(world: WalletWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "CREDIT_WAIT_SECONDS", 0.1)
    credit = a_transfer()
    reserve = a_reserve(100, after=credit.reference)
    assert refused(await funds(world).reserve(reserve)) == "credit_not_posted"
    assert refused(await funds(world).move(a_move(leg(LOSS, PROVIDER, 1), after=credit.reference))) == "credit_not_posted"
    assert await money_of(world) == (2000, 0, 1)
    await world.post(credit)
    assert refused(await funds(world).reserve(reserve)) is None


async def test_what_the_book_can_never_hold_fails_for_good(world: WalletWorld) -> None:
    for hopeless in (
        a_move(leg(FEES, FEES, 1)),
        a_move(leg(FEES, PROVIDER, 1), currency="zzz"),
        a_move(leg(FEES, PROVIDER, 1), description="\x00"),
        a_move(leg(FEES, PROVIDER, 1), reference="x" * 300).model_copy(update={"reference": "x" * 301}),
    ):
        with pytest.raises(Permanent):
            await funds(world).move(hopeless)
    with pytest.raises(Permanent):
        await funds(world).reserve(a_reserve(1, currency="zzz"))
    assert await world.rows("select count(*) as n from wallet.transfers") == [{"n": 1}]


async def test_a_reference_is_one_thing_only(world: WalletWorld) -> None:
    """A hold cannot take the name of a set, nor a set that of a hold or of its end."""
    move, reserve = a_move(leg(person("1"), person("2"), 1)), a_reserve(500)
    commands = funds(world)
    await commands.move(move)
    assert refused(await commands.reserve(a_reserve(1, reference=move.reference))) == "reference_conflict"
    await commands.reserve(reserve)
    assert refused(await commands.move(a_move(leg(person("1"), PROVIDER, 500), reference=reserve.reference))) == "reference_conflict"
    await commands.move(a_move(leg(FEES, PROVIDER, 500), reference=f"{reserve.reference}:settle"))
    assert refused(await commands.settle(a_settle(reserve.reference))) == "reference_conflict"
    assert await money_of(world) == (1499, 500, 3)
