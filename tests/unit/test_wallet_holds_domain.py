"""What commands and holds are in the book: which transfers, under which references, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from services.wallet import domain
from services.wallet.domain import (
    AccountKind,
    AccountName,
    AlreadyReleased,
    AlreadySettled,
    Hold,
    HoldState,
    InsufficientFunds,
    ReferenceConflict,
    Transfer,
)
from shared.contracts.wallet_commands import Account, Leg, MoveFunds, ReleaseHold, ReserveFunds, SettleHold

USER = AccountName(AccountKind.USER, "1")
HELD = AccountName(AccountKind.HELD, "1")
CLEARING = AccountName(AccountKind.CLEARING, "mock")
PROVIDER = Account(kind="clearing", owner="mock")
FEES = Account(kind="fees", owner="platform")


def reserve(amount_minor: int = 500, **changes: Any) -> ReserveFunds:
    fields: dict[str, Any] = {
        "correlation_id": "request-1",
        "reference": "refund:1",
        "kind": "refund",
        "user_id": "1",
        "currency": "rsd",
        "payment_id": UUID(int=5),
        "description": "Session 1",
    }
    return ReserveFunds(amount_minor=amount_minor, **(fields | changes))


def settle(*legs: Leg) -> SettleHold:
    return SettleHold(correlation_id="request-2", reference="refund:1", target=PROVIDER, legs=legs)


RELEASE = ReleaseHold(correlation_id="request-3", reference="refund:1")


def held(held_minor: int = 500, state: HoldState = HoldState.HELD) -> Hold:
    return Hold("refund:1", state, domain.terms_of(reserve()), held_minor, "Session 1", "request-1")


def paths(transfers: tuple[Transfer, ...]) -> list[tuple[str, str, AccountName, AccountName, int]]:
    return [(one.reference, one.kind, one.source, one.target, one.money.amount_minor) for one in transfers]


def test_legs_are_named_after_their_set_and_called_as_it_unless_they_say_otherwise() -> None:
    legs = (
        Leg(source=Account(kind="user", owner="1"), target=PROVIDER, amount_minor=7),
        Leg(source=PROVIDER, target=FEES, amount_minor=2, kind="fee"),
    )
    move = MoveFunds(correlation_id="c", reference="balance:1", kind="payment", currency="rsd", legs=legs)
    assert paths(domain.moves(move)) == [
        ("balance:1", "payment", USER, CLEARING, 7),
        ("balance:1#1", "fee", CLEARING, AccountName(AccountKind.FEES, "platform"), 2),
    ]


@pytest.mark.parametrize(
    ("available", "asked", "up_to", "expected"), [(500, 500, False, 500), (900, 500, True, 500), (300, 500, True, 300)]
)
def test_what_is_held_moves_to_what_the_user_has_held(available: int, asked: int, up_to: bool, expected: int) -> None:
    hold, transfers = domain.reserve(reserve(asked, up_to=up_to), available)
    assert (hold.state, hold.held_minor) == (HoldState.HELD, expected)
    assert paths(transfers) == [("refund:1", "refund", USER, HELD, expected)]
    assert (transfers[0].payment_id, transfers[0].description) == (UUID(int=5), "Session 1")


@pytest.mark.parametrize("available", [0, -1])
def test_up_to_what_is_not_there_holds_nothing(available: int) -> None:
    hold, transfers = domain.reserve(reserve(up_to=True), available)
    assert (hold.held_minor, transfers) == (0, ())


@pytest.mark.parametrize("available", [499, 0, -1])
def test_more_than_there_is_is_refused(available: int) -> None:
    with pytest.raises(InsufficientFunds):
        domain.reserve(reserve(), available)


def test_a_hold_again_is_what_it_was_while_it_holds_or_has_left() -> None:
    for state in (HoldState.HELD, HoldState.SETTLED):
        assert domain.reserve_again(reserve(), held(state=state)) == held(state=state)
    with pytest.raises(AlreadyReleased):
        domain.reserve_again(reserve(), held(state=HoldState.RELEASED))
    with pytest.raises(ReferenceConflict):
        domain.reserve_again(reserve(501), held())


def test_what_was_held_leaves_first_and_its_legs_follow() -> None:
    after, transfers = domain.settle(settle(Leg(source=FEES, target=PROVIDER, amount_minor=20)), held())
    assert after == held(state=HoldState.SETTLED)
    assert paths(transfers) == [
        ("refund:1:settle", "refund", HELD, CLEARING, 500),
        ("refund:1:settle#1", "refund", AccountName(AccountKind.FEES, "platform"), CLEARING, 20),
    ]
    assert {one.correlation_id for one in transfers} == {"request-2"}


def test_with_nothing_held_the_legs_alone_leave() -> None:
    _, transfers = domain.settle(settle(Leg(source=FEES, target=PROVIDER, amount_minor=20)), held(0))
    assert [one.reference for one in transfers] == ["refund:1:settle"]
    assert domain.settle(settle(), held(0))[1] == ()


def test_a_release_gives_back_what_was_held() -> None:
    after, transfers = domain.release(RELEASE, held())
    assert after == held(state=HoldState.RELEASED)
    assert paths(transfers) == [("refund:1:release", "refund", HELD, USER, 500)]


def test_a_hold_ends_one_way() -> None:
    with pytest.raises(AlreadySettled):
        domain.release(RELEASE, held(state=HoldState.SETTLED))
    with pytest.raises(AlreadyReleased):
        domain.settle(settle(), held(state=HoldState.RELEASED))


def test_released_beforehand_it_can_neither_hold_nor_settle() -> None:
    hold = domain.released_beforehand(RELEASE)
    assert domain.release(RELEASE, hold) == (hold, ())
    with pytest.raises(AlreadyReleased):
        domain.reserve_again(reserve(), hold)
    with pytest.raises(AlreadyReleased):
        domain.settle(settle(), replace(hold, reference="refund:1"))
