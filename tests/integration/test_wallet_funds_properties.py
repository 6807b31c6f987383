"""Whatever commands come in whatever order, the wallet and a model of a few lines agree on every answer and on every version."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.wallet.domain import AccountKind, AccountName, Outcome, Transfer
from shared.contracts.payment_commands import Refused
from shared.contracts.wallet_commands import (
    Account,
    FundsReserved,
    HoldReleased,
    HoldSettled,
    Leg,
    MoveFunds,
    ReleaseHold,
    ReserveFunds,
    SettleHold,
)
from shared.money import Money
from tests.integration.funds_world import (
    FEES,
    PROVIDER,
    Answer,
    Command,
    a_move,
    a_release,
    a_reserve,
    a_settle,
    do,
    funds,
    leg,
    person,
)
from tests.integration.wallet_world import BookInMemory, WalletWorld, assert_book_is, empty, wallet_world

PEOPLE = [person("anna"), person("boris")]


@pytest.fixture(scope="module")
async def world(module_database_url: str) -> AsyncIterator[WalletWorld]:
    async with wallet_world(module_database_url) as world:
        yield world


@dataclass
class HeldInMemory:
    command: ReserveFunds | None
    state: str
    amount_minor: int


@dataclass
class FundsInMemory:
    """What the commands must do: each answer a code, or what was held."""

    book: BookInMemory = field(default_factory=BookInMemory)
    holds: dict[str, HeldInMemory] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    def answer(self, command: Command) -> str | int:
        once = isinstance(command, MoveFunds | ReserveFunds)
        if once and command.reference in self.refused:
            return "insufficient_funds"
        answer = self._answer(command)
        if once and answer == "insufficient_funds":
            self.refused.add(command.reference)
        return answer

    def _answer(self, command: Command) -> str | int:
        match command:
            case MoveFunds():
                steps = [(one.source, one.target, one.amount_minor, one.kind or command.kind) for one in command.legs]
                return self._post(command.reference, command.currency, steps, new=None) or "moved"
            case ReserveFunds():
                return self._reserve(command)
            case SettleHold():
                return self._settle(command)
            case ReleaseHold():
                return self._release(command)

    def _reserve(self, command: ReserveFunds) -> str | int:
        known = self.holds.get(command.reference)
        if known is not None:
            if known.command is not None and _terms(known.command) != _terms(command):
                return "reference_conflict"
            return "hold_released" if known.state == "released" else known.amount_minor
        available = self.book.balances.get((command.user_id, command.currency), [(0, 0)])[-1][0]
        amount = max(0, min(available, command.amount_minor)) if command.up_to else command.amount_minor
        if amount > max(available, 0):
            return "insufficient_funds"
        steps = [(person(command.user_id), None, amount, command.kind)] if amount else []
        refusal = self._post(command.reference, command.currency, steps, new=True, holder=command.user_id)
        if refusal is not None:
            return refusal
        self.holds[command.reference] = HeldInMemory(command, "held", amount)
        return amount

    def _settle(self, command: SettleHold) -> str | int:
        known = self.holds.get(command.reference)
        if known is None:
            return "hold_not_found"
        if known.state == "released" or known.command is None:
            return "hold_released"
        held = known.command
        steps: list[Step] = [(None, command.target, known.amount_minor, held.kind)] if known.amount_minor else []
        steps += [(one.source, one.target, one.amount_minor, one.kind or held.kind) for one in command.legs]
        refusal = self._post(f"{command.reference}:settle", held.currency, steps, new=known.state == "held", holder=held.user_id)
        if refusal is not None:
            return refusal
        known.state = "settled"
        return known.amount_minor

    def _release(self, command: ReleaseHold) -> str | int:
        known = self.holds.setdefault(command.reference, HeldInMemory(None, "released", 0))
        if known.state == "settled":
            return "hold_settled"
        if known.state == "held" and known.command is not None:
            held = known.command
            if known.amount_minor:
                back: list[Step] = [(None, person(held.user_id), known.amount_minor, held.kind)]
                self._post(f"{command.reference}:release", held.currency, back, new=True, holder=held.user_id)
            known.state = "released"
        return known.amount_minor

    def _post(self, reference: str, currency: str, steps: Sequence[Step], *, new: bool | None, holder: str = "") -> str | None:
        """A refusal's code, or None. `new`: whether the set must be new, or must be known; None: either will do."""
        if not steps:
            return None
        held = AccountName(AccountKind.HELD, holder)
        transfers = [
            Transfer(
                reference=f"{reference}#{number}" if number else reference,
                kind=kind,
                source=held if source is None else AccountName(AccountKind(source.kind), source.owner),
                target=held if target is None else AccountName(AccountKind(target.kind), target.owner),
                money=Money(amount_minor, currency),
                payment_id=None,
                description="",
                correlation_id="c",
                occurred_at=a_release("hold:x").occurred_at,
            )
            for number, (source, target, amount_minor, kind) in enumerate(steps)
        ]
        before = self.book.transfers, self.book.balances
        outcomes = self.book.post(transfers)
        if outcomes is None:
            return "insufficient_funds"
        whole = set(outcomes) == {Outcome.POSTED} and new is not False
        again = set(outcomes) == {Outcome.DUPLICATE} and new is not True and f"{reference}#{len(steps)}" not in before[0]
        if whole or again:
            return None
        self.book.transfers, self.book.balances = before
        return "reference_conflict"


Step = tuple[Account | None, Account | None, int, str]
"""From, to (None: what the holder has held), how much, and what it is called."""


def _terms(command: ReserveFunds) -> tuple[object, ...]:
    return command.user_id, command.amount_minor, command.currency, command.kind, command.up_to


def said(answer: Answer) -> str | int:
    match answer:
        case Refused():
            return answer.code
        case FundsReserved():
            return answer.held_minor
        case HoldSettled():
            return answer.settled_minor
        case HoldReleased():
            return answer.released_minor
        case _:
            return "moved"


amounts = st.integers(1, 6)
others = st.sampled_from([PROVIDER, FEES])


@st.composite
def legs(draw: st.DrawFn) -> Leg:
    """Money comes in as often as it goes out, else there is seldom any."""
    source, target = draw(st.sampled_from([(PROVIDER, PEOPLE[0]), (PROVIDER, PEOPLE[1]), (PEOPLE[0], PEOPLE[1]), (PEOPLE[1], FEES)]))
    return leg(source, target, draw(amounts), kind=draw(st.sampled_from([None, None, None, "fee", "dispute"])))


@st.composite
def commands(draw: st.DrawFn) -> Command:
    """Few people, sums and references, so that repeats, conflicts and empty balances are common."""
    hold, currency = f"hold:{draw(st.integers(1, 4))}", draw(st.sampled_from(["rsd", "rsd", "rsd", "jpy"]))
    match draw(st.sampled_from(["move", "reserve", "reserve", "reserve", "settle", "settle", "release"])):
        case "move":
            # Sometimes under a hold's own name, or the name of its end.
            reference = draw(st.sampled_from([*(f"set:{n}" for n in range(8)), hold, f"{hold}:settle"]))
            return a_move(*draw(st.lists(legs(), min_size=1, max_size=3)), reference=reference, currency=currency, kind="payment")
        case "reserve":
            return a_reserve(
                draw(amounts),
                reference=hold,
                user_id=draw(st.sampled_from(["anna", "boris"])),
                currency=currency,
                up_to=draw(st.booleans()),
            )
        case "settle":
            return a_settle(hold, *draw(st.lists(legs(), max_size=2)), target=draw(st.sampled_from([PROVIDER, *PEOPLE])))
        case _:
            return a_release(hold)


INCOME = [a_move(leg(PROVIDER, one, 10), reference=f"income:{one.owner}") for one in PEOPLE]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sequence=st.lists(commands(), min_size=4, max_size=25))
async def test_the_wallet_answers_as_the_model_does(world: WalletWorld, sequence: list[Command]) -> None:
    await empty(world)
    model, handler = FundsInMemory(), funds(world)
    for command in (*INCOME, *sequence):
        assert said(await do(handler, command)) == model.answer(command), command
    await assert_book_is(world, model.book)
    holds = await world.rows("select reference, state, amount_minor from wallet.holds")
    assert {row["reference"]: (row["state"], row["amount_minor"]) for row in holds} == {
        reference: (hold.state, hold.amount_minor) for reference, hold in model.holds.items()
    }
