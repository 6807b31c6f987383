"""Holds: money that is on its way out is held once, and then leaves once or comes back once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from shared.contracts.base import new_id
from shared.contracts.wallet_commands import FundsReserved, HoldReleased, HoldSettled
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
    state_of,
    told,
)
from tests.integration.wallet_world import WalletWorld, a_transfer, empty, user, wallet_world


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


async def transfers_of(world: WalletWorld, reference: str) -> list[tuple[str, str, str, int]]:
    """(reference's end, source's kind, target's kind, amount)"""
    rows = await world.rows(
        """
        select substr(transfer.reference, length($1) + 1) as ending, source.kind as source, target.kind as target, amount_minor
        from wallet.transfers as transfer
        join wallet.accounts as source on source.account_id = transfer.source_id
        join wallet.accounts as target on target.account_id = transfer.target_id
        where starts_with(transfer.reference, $1)
        order by transfer.reference
        """,
        reference,
    )
    return [(row["ending"], row["source"], row["target"], row["amount_minor"]) for row in rows]


async def test_held_money_is_not_available_and_leaves_when_it_is_settled(world: WalletWorld) -> None:
    payment_id = new_id()
    reserve = a_reserve(500, payment_id=payment_id)
    assert await funds(world).reserve(reserve) == FundsReserved(reference=reserve.reference, held_minor=500)
    assert await money_of(world) == (1500, 500, 2)
    assert await funds(world).settle(a_settle(reserve.reference)) == HoldSettled(reference=reserve.reference, settled_minor=500)
    assert await money_of(world) == (1500, 0, 3)

    assert await transfers_of(world, reserve.reference) == [("", "user", "held", 500), (":settle", "held", "clearing", 500)]
    _, held, settled = await told(world)
    assert (held.version, held.kind, held.change_minor, held.available_minor, held.held_minor) == (2, "withdrawal", -500, 1500, 500)
    assert (settled.version, settled.kind, settled.change_minor, settled.available_minor, settled.held_minor) == (
        3, "withdrawal", 0, 1500, 0,
    )  # fmt: skip
    assert (settled.payment_id, settled.correlation_id) == (payment_id, "request-2")
    entries = await world.rows("select version, kind, change_minor, held_change_minor, held_after_minor from wallet.entries order by 1")
    assert [tuple(entry.values()) for entry in entries] == [
        (1, "deposit", 2000, 0, 0),
        (2, "withdrawal", -500, 500, 500),
        (3, "withdrawal", 0, -500, 0),
    ]


async def test_released_money_is_available_again(world: WalletWorld) -> None:
    reserve = a_reserve(500)
    await funds(world).reserve(reserve)
    assert await funds(world).release(a_release(reserve.reference)) == HoldReleased(reference=reserve.reference, released_minor=500)
    assert await money_of(world) == (2000, 0, 3)
    assert await transfers_of(world, reserve.reference) == [("", "user", "held", 500), (":release", "held", "user", 500)]
    released = (await told(world))[-1]
    assert (released.kind, released.change_minor, released.held_minor) == ("withdrawal", 500, 0)


async def test_a_command_that_comes_again_is_answered_as_before_and_moves_nothing(world: WalletWorld) -> None:
    paid, given_back = a_reserve(500), a_reserve(700)
    commands = funds(world)
    first = [
        await commands.reserve(paid),
        await commands.settle(a_settle(paid.reference, leg(FEES, PROVIDER, 3))),
        await commands.reserve(given_back),
        await commands.release(a_release(given_back.reference)),
    ]
    there = await money_of(world)
    again = [
        await commands.reserve(paid.model_copy(update={"message_id": new_id(), "correlation_id": "again"})),
        await commands.settle(a_settle(paid.reference, leg(FEES, PROVIDER, 3))),
        await commands.release(a_release(given_back.reference)),
    ]
    assert again == [first[0], first[1], first[3]]
    assert await money_of(world) == there == (1500, 0, 5)
    # What was reserved and released does not hold any more: whoever goes on with it must know.
    assert refused(await commands.reserve(given_back)) == "hold_released"


async def test_more_than_there_is_is_not_held(world: WalletWorld) -> None:
    reserve = a_reserve(2001)
    answer = await funds(world).reserve(reserve)
    assert refused(answer) == "insufficient_funds"
    assert "2000" not in str(answer)
    assert refused(await funds(world).reserve(a_reserve(1, user_id="nobody"))) == "insufficient_funds"
    assert await money_of(world) == (2000, 0, 1)
    assert await world.rows("select from wallet.holds") == []
    # Refused for good: whoever asked was told so, and the same command may still be on its way a second time when there is more.
    await world.post(a_transfer())
    assert refused(await funds(world).reserve(reserve)) == "insufficient_funds"
    assert await money_of(world) == (4000, 0, 2)
    assert refused(await funds(world).reserve(a_reserve(2001))) is None, "another request is decided anew"


async def test_up_to_holds_what_there_is(world: WalletWorld) -> None:
    some, nothing = a_reserve(5000, up_to=True, kind="refund"), a_reserve(5000, up_to=True, kind="refund")
    commands = funds(world)
    assert await commands.reserve(some) == FundsReserved(reference=some.reference, held_minor=2000)
    assert await commands.reserve(nothing) == FundsReserved(reference=nothing.reference, held_minor=0)
    await world.post(a_transfer())
    assert await commands.reserve(some) == FundsReserved(reference=some.reference, held_minor=2000)
    assert await commands.reserve(nothing) == FundsReserved(reference=nothing.reference, held_minor=0)
    assert await money_of(world) == (2000, 2000, 3)
    assert await transfers_of(world, nothing.reference) == []

    settled = await commands.settle(a_settle(nothing.reference, leg(LOSS, PROVIDER, 5000)))
    assert settled == HoldSettled(reference=nothing.reference, settled_minor=0)
    assert await transfers_of(world, nothing.reference) == [(":settle", "loss", "clearing", 5000)]
    assert await money_of(world) == (2000, 2000, 3)


async def test_up_to_holds_nothing_of_a_balance_below_zero(world: WalletWorld) -> None:
    await funds(world).move(a_move(leg(person("1"), PROVIDER, 3000), kind="dispute"))
    reserve = a_reserve(100, up_to=True)
    assert await funds(world).reserve(reserve) == FundsReserved(reference=reserve.reference, held_minor=0)
    assert await money_of(world) == (-1000, 0, 2)


async def test_legs_settle_with_the_hold_or_not_at_all(world: WalletWorld) -> None:
    reserve = a_reserve(500, kind="refund", user_id="1")
    commands = funds(world)
    await commands.reserve(reserve)
    beyond = a_settle(reserve.reference, leg(FEES, PROVIDER, 20, kind="fee"), leg(person("1"), PROVIDER, 1501))
    assert refused(await commands.settle(beyond)) == "insufficient_funds"
    assert await money_of(world) == (1500, 500, 2)
    assert await state_of(world, reserve.reference) == "held"

    within = a_settle(reserve.reference, leg(FEES, PROVIDER, 20, kind="fee"), leg(person("1"), person("2"), 1500))
    assert refused(await commands.settle(within)) is None
    assert await transfers_of(world, reserve.reference) == [
        ("", "user", "held", 500),
        (":settle", "held", "clearing", 500),
        (":settle#1", "fees", "clearing", 20),
        (":settle#2", "user", "user", 1500),
    ]
    assert await money_of(world) == (0, 0, 4)
    assert await money_of(world, "2") == (1500, 0, 1)


async def test_a_hold_may_be_settled_to_another_user(world: WalletWorld) -> None:
    reserve = a_reserve(500)
    await funds(world).reserve(reserve)
    await funds(world).settle(a_settle(reserve.reference, target=person("2")))
    assert await money_of(world) == (1500, 0, 3)
    assert await money_of(world, "2") == (500, 0, 1)


@pytest.mark.parametrize(
    "other",
    [{"amount_minor": 501}, {"user_id": "2"}, {"currency": "eur"}, {"kind": "refund"}, {"up_to": True}, {"payment_id": new_id()}],
    ids=lambda other: next(iter(other)),
)
async def test_a_hold_with_other_facts_is_a_conflict(world: WalletWorld, other: dict[str, Any]) -> None:
    await world.post(a_transfer(target=user("2")))
    reserve = a_reserve(500)
    await funds(world).reserve(reserve)
    facts: dict[str, Any] = {"reference": reserve.reference, "amount_minor": 500} | other
    assert refused(await funds(world).reserve(a_reserve(**facts))) == "reference_conflict"
    assert await money_of(world) == (1500, 500, 2)
    assert await money_of(world, "2") == (2000, 0, 1)


async def test_a_settling_with_other_facts_is_a_conflict(world: WalletWorld) -> None:
    reserve = a_reserve(500)
    commands = funds(world)
    await commands.reserve(reserve)
    await commands.settle(a_settle(reserve.reference, leg(FEES, PROVIDER, 20)))
    there = await money_of(world)
    for contrary in (
        a_settle(reserve.reference),
        a_settle(reserve.reference, leg(FEES, PROVIDER, 21)),
        a_settle(reserve.reference, leg(FEES, PROVIDER, 20), leg(FEES, PROVIDER, 1)),
        a_settle(reserve.reference, leg(FEES, PROVIDER, 20), target=LOSS),
    ):
        assert refused(await commands.settle(contrary)) == "reference_conflict"
    assert await money_of(world) == there
    assert len(await transfers_of(world, reserve.reference)) == 3


async def test_blnk_182_a_rejected_hold_cannot_be_committed(world: WalletWorld) -> None:
    reserve = a_reserve(500)
    commands = funds(world)
    await commands.reserve(reserve)
    await commands.release(a_release(reserve.reference))
    assert refused(await commands.settle(a_settle(reserve.reference))) == "hold_released"
    assert await money_of(world) == (2000, 0, 3)


async def test_a_settled_hold_cannot_be_released(world: WalletWorld) -> None:
    reserve = a_reserve(500)
    commands = funds(world)
    await commands.reserve(reserve)
    await commands.settle(a_settle(reserve.reference))
    assert refused(await commands.release(a_release(reserve.reference))) == "hold_settled"
    assert await money_of(world) == (1500, 0, 3)


async def test_released_before_it_came_a_hold_never_holds(world: WalletWorld) -> None:
    reserve = a_reserve(500)
    commands = funds(world)
    released = HoldReleased(reference=reserve.reference, released_minor=0)
    assert await commands.release(a_release(reserve.reference)) == released
    assert refused(await commands.reserve(reserve)) == "hold_released"
    assert refused(await commands.settle(a_settle(reserve.reference))) == "hold_released"
    assert await commands.release(a_release(reserve.reference)) == released
    assert await money_of(world) == (2000, 0, 1)


async def test_what_was_never_held_cannot_be_settled(world: WalletWorld) -> None:
    assert refused(await funds(world).settle(a_settle("withdrawal:none"))) == "hold_not_found"


async def test_a_hold_that_ended_stays_as_it_ended_whoever_tries(world: WalletWorld) -> None:
    reserve = a_reserve(500)
    await funds(world).reserve(reserve)
    await funds(world).release(a_release(reserve.reference))
    for state in ("settled", "held", "released"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="released already"):
            await world.rows("update wallet.holds set state = $1", state)
    for refusing in ("update wallet.holds set amount_minor = 0", "delete from wallet.holds"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.rows(refusing)
