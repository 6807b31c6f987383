"""Commands to a wallet over a real book, for tests that move and hold funds."""

from __future__ import annotations

from typing import Any

from services.wallet.handlers.funds import Funds
from services.wallet.handlers.questions import look_up_in
from services.wallet.references import CommittedReferences
from shared.contracts.base import new_id
from shared.contracts.payment_commands import Refused
from shared.contracts.wallet_commands import (
    Account,
    FundsMoved,
    FundsReserved,
    HoldReleased,
    HoldSettled,
    Leg,
    MoveFunds,
    ReleaseHold,
    ReserveFunds,
    SettleHold,
)
from shared.contracts.wallet_events import BalanceChanged
from shared.waiting import Waiters
from tests.integration.wallet_world import WalletWorld

Command = MoveFunds | ReserveFunds | SettleHold | ReleaseHold
Answer = FundsMoved | FundsReserved | HoldSettled | HoldReleased | Refused

PROVIDER = Account(kind="clearing", owner="mock")
FEES = Account(kind="fees", owner="platform")
LOSS = Account(kind="loss", owner="platform")


def funds(world: WalletWorld, waiters: Waiters[str] | None = None) -> Funds:
    return Funds(world.pool, waiters or Waiters(), CommittedReferences(look_up_in(world.pool)), lambda _: None)


async def do(handler: Funds, command: Command) -> Answer:
    match command:
        case MoveFunds():
            return await handler.move(command)
        case ReserveFunds():
            return await handler.reserve(command)
        case SettleHold():
            return await handler.settle(command)
        case ReleaseHold():
            return await handler.release(command)


def person(user_id: str) -> Account:
    return Account(kind="user", owner=user_id)


def leg(source: Account, target: Account, amount_minor: int, **changes: Any) -> Leg:
    return Leg(source=source, target=target, amount_minor=amount_minor, **changes)


def a_move(*legs: Leg, **changes: Any) -> MoveFunds:
    fields: dict[str, Any] = {"correlation_id": "request-1", "reference": f"transfer:{new_id()}", "kind": "transfer", "currency": "rsd"}
    return MoveFunds(legs=legs, **(fields | changes))


def a_reserve(amount_minor: int = 500, **changes: Any) -> ReserveFunds:
    """A withdrawal of user 1, unless `changes` say otherwise."""
    fields: dict[str, Any] = {
        "correlation_id": "request-1",
        "reference": f"withdrawal:{new_id()}",
        "kind": "withdrawal",
        "user_id": "1",
        "amount_minor": amount_minor,
        "currency": "rsd",
    }
    return ReserveFunds(**(fields | changes))


def a_settle(reference: str, *legs: Leg, target: Account = PROVIDER) -> SettleHold:
    return SettleHold(correlation_id="request-2", reference=reference, target=target, legs=legs)


def a_release(reference: str) -> ReleaseHold:
    return ReleaseHold(correlation_id="request-3", reference=reference)


def refused(answer: Answer) -> str | None:
    """The code of a refusal; None when it was none."""
    return answer.code if isinstance(answer, Refused) else None


async def money_of(world: WalletWorld, user_id: str = "1", currency: str = "rsd") -> tuple[int, int, int]:
    """(available_minor, held_minor, version)"""
    found = await world.rows(
        "select available_minor, held_minor, version from wallet.accounts where kind = 'user' and owner = $1 and currency = $2",
        user_id,
        currency,
    )
    return (found[0]["available_minor"], found[0]["held_minor"], found[0]["version"]) if found else (0, 0, 0)


async def state_of(world: WalletWorld, reference: str) -> str:
    """What became of a hold."""
    (row,) = await world.rows("select state from wallet.holds where reference = $1", reference)
    return str(row["state"])


async def told(world: WalletWorld, user_id: str = "1") -> list[BalanceChanged]:
    """What the user is told, in order."""
    rows = await world.rows("select payload from wallet.outbox order by id")
    events = [BalanceChanged.model_validate_json(row["payload"]) for row in rows]
    return [event for event in events if event.user_id == user_id]
