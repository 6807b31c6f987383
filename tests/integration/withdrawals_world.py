"""Withdrawals over a real database, with a wallet and a payout provider in memory whose silence and refusals a test chooses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from services.payments.domain.facts import PayoutTold
from services.payments.domain.withdrawals import Step
from services.payments.handlers.unsent_withdrawals import UnsentWithdrawals
from services.payments.handlers.withdrawal_saga import PURPOSE, WithdrawalSaga
from services.payments.handlers.withdrawals import Withdrawals
from services.payments.ledger import Silent
from services.payments.providers.base import PaidOut, PayoutAnswer, PayoutOrder, Unknown
from services.payments.store import withdrawals as store
from shared import postgres
from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_commands import Refused
from shared.contracts.payment_events import WithdrawalUpdated
from shared.contracts.wallet_commands import (
    FundsMoved,
    FundsReserved,
    HoldReleased,
    HoldSettled,
    MoveFunds,
    ReleaseHold,
    ReserveFunds,
    SettleHold,
)
from shared.contracts.withdrawals import BankAccount, CreateWithdrawal, DecideWithdrawal, WithdrawalView
from shared.postgres import Pool
from shared.sealing import Seal
from tests.integration.payments_world import ANSWERS, DATA_KEY, PaymentsWorld, QuietRelay, payments_world, sameness

ACCOUNT = "160-0000000056789-95"
WITHDRAW = "POST /api/v1/balance/withdraw"


@dataclass
class BookInMemory:
    """One user's money in one currency. `silent_before`: what it does not do and does not answer; `silent_after`: what it does and does
    not answer; each once a name in the list."""

    available: int = 100_000
    held: int = 0
    holds: dict[str, tuple[str, int]] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    out: int = 0
    silent_before: list[str] = field(default_factory=list)
    silent_after: list[str] = field(default_factory=list)

    async def reserve(self, command: ReserveFunds) -> FundsReserved | Refused:
        self._silence(self.silent_before, "reserve")
        state, amount = self.holds.get(command.reference, ("", 0))
        if state == "released":
            return _no("hold_released", command)
        if not state:
            if command.amount_minor > self.available:
                return _no("insufficient_funds", command)
            amount = command.amount_minor
            self.holds[command.reference] = ("held", amount)
            self.available, self.held = self.available - amount, self.held + amount
        self._silence(self.silent_after, "reserve")
        return FundsReserved(reference=command.reference, held_minor=amount)

    async def settle(self, command: SettleHold) -> HoldSettled | Refused:
        self._silence(self.silent_before, "settle")
        assert (command.target.kind, command.legs) == ("clearing", ())
        state, amount = self.holds.get(command.reference, ("", 0))
        if state in ("", "released"):
            return _no("hold_released" if state else "hold_not_found", command)
        if state == "held":
            self.holds[command.reference] = ("settled", amount)
            self.held, self.out = self.held - amount, self.out + amount
        self._silence(self.silent_after, "settle")
        return HoldSettled(reference=command.reference, settled_minor=amount)

    async def release(self, command: ReleaseHold) -> HoldReleased | Refused:
        self._silence(self.silent_before, "release")
        state, amount = self.holds.get(command.reference, ("", 0))
        if state == "settled":
            return _no("hold_settled", command)
        if state == "held":
            self.available, self.held = self.available + amount, self.held - amount
        self.holds[command.reference] = ("released", amount)
        self._silence(self.silent_after, "release")
        return HoldReleased(reference=command.reference, released_minor=amount)

    async def move(self, command: MoveFunds) -> FundsMoved | Refused:
        self._silence(self.silent_before, "move")
        (leg,) = command.legs
        assert (leg.source.kind, leg.target.kind, command.kind) == ("clearing", "user", "withdrawal")
        if command.reference not in self.moved:
            self.moved.add(command.reference)
            self.available, self.out = self.available + leg.amount_minor, self.out - leg.amount_minor
        self._silence(self.silent_after, "move")
        return FundsMoved(reference=command.reference)

    def _silence(self, names: list[str], name: str) -> None:
        if name in names:
            names.remove(name)
            raise Silent(name)


@dataclass
class PayoutsInMemory:
    """Answers what the test says, the last answer ever after, and keeps what it was asked to pay."""

    answers: list[PayoutAnswer] = field(default_factory=lambda: [PaidOut("po_1")])
    found: PayoutAnswer = field(default_factory=Unknown)
    sent: list[PayoutOrder] = field(default_factory=list)
    name: str = "mock"
    breaks: bool = False

    async def pay_out(self, order: PayoutOrder) -> PayoutAnswer:
        self.sent.append(order)
        if self.breaks:
            raise ConnectionError
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def find_payout(self, _: PayoutOrder) -> PayoutAnswer:
        return self.found


@dataclass
class WithdrawalsWorld:
    pool: Pool
    withdrawals: Withdrawals
    saga: WithdrawalSaga
    unsent: UnsentWithdrawals
    book: BookInMemory
    payouts: PayoutsInMemory
    payments: PaymentsWorld
    woken: list[str] = field(default_factory=list)

    async def withdraw(self, **changes: Any) -> WithdrawalView:
        reply = await self.withdrawals.create(withdraw_command(**changes))
        assert isinstance(reply.answer, WithdrawalView), reply
        return reply.answer

    async def approved(self, **changes: Any) -> UUID:
        """A withdrawal that an admin has approved; nothing was sent yet."""
        made = await self.withdraw(**changes)
        assert isinstance(await self.decide(made.withdrawal_id, "approve"), WithdrawalView)
        return made.withdrawal_id

    async def decide(self, withdrawal_id: UUID, decision: str, **changes: Any) -> Any:
        return (await self.withdrawals.decide(decide_command(withdrawal_id, decision, **changes))).answer

    async def tell(self, withdrawal_id: UUID, outcome: Literal["paid", "failed", "returned"], reference: str = "po_1") -> str:
        """What a provider's event says of the payout; the name of what came of it."""
        fact = PayoutTold(withdrawal_id, reference, outcome, utc_now())
        async with postgres.transaction(self.pool) as tx:
            return await self.saga.follow(tx, fact, None, "event-1")

    async def run(self) -> None:
        """Whatever is or becomes due is taken further, as the runner does, a crash's leavings too."""
        async with postgres.connection(self.pool) as db:
            await db.execute("update payments.withdrawals set next_at = now() where next_at is not null")
        for withdrawal_id in await self.saga.take_due(50):
            await self.saga.advance(withdrawal_id)

    async def row(self, withdrawal_id: UUID) -> dict[str, Any]:
        (row,) = await self.payments.rows("select * from payments.withdrawals where withdrawal_id = $1", withdrawal_id)
        return row

    async def state(self, withdrawal_id: UUID) -> tuple[str, Step]:
        """(told status, step)"""
        async with postgres.connection(self.pool) as db:
            found = await store.find(db, withdrawal_id)
        assert found is not None
        return found.status.value, found.step

    async def told(self) -> list[str]:
        """The statuses that open pages were told, in their order."""
        rows = await self.payments.rows("select payload from payments.outbox where message_type = $1 order by id", WithdrawalUpdated.TYPE)
        return [WithdrawalUpdated.model_validate_json(row["payload"]).status for row in rows]

    async def audited(self) -> list[tuple[str, str]]:
        rows = await self.payments.rows("select actor, action from payments.audit order by occurred_at")
        return [(row["actor"], row["action"]) for row in rows]


@asynccontextmanager
async def withdrawals_world(
    database_url: str, *, method: str | None = "mock", auto_approve: Mapping[str, int] | None = None, available: int = 100_000
) -> AsyncIterator[WithdrawalsWorld]:
    async with payments_world(database_url) as payments:
        book, payouts = BookInMemory(available=available), PayoutsInMemory()
        ledger: Any = book
        relay: Any = QuietRelay()
        saga = WithdrawalSaga(
            payments.pool, ledger, {"mock": payouts, "allsecure": payouts}, Seal((DATA_KEY,), PURPOSE), relay, auto_approve or {}
        )
        woken: list[str] = []
        yield WithdrawalsWorld(
            pool=payments.pool,
            withdrawals=Withdrawals(saga, ANSWERS, method, lambda: woken.append("runner")),
            saga=saga,
            unsent=UnsentWithdrawals(saga),
            book=book,
            payouts=payouts,
            payments=payments,
            woken=woken,
        )


def withdraw_command(key: str | None = None, *, account: str = ACCOUNT, **changes: Any) -> CreateWithdrawal:
    """10.00 rsd of user 1, unless `changes` say otherwise."""
    user_id = changes.get("user_id", "1")
    fields: dict[str, Any] = {
        "correlation_id": "request-1",
        "idempotency": sameness(key, caller=f"user:{user_id}", operation=WITHDRAW),
        "withdrawal_id": new_id(),
        "user_id": "1",
        "amount_minor": 1_000,
        "currency": "rsd",
        "destination": BankAccount(account=account, name="Jelena Jovanović"),
        "deadline": utc_now() + timedelta(seconds=60),
    }
    return CreateWithdrawal(**(fields | changes))


def decide_command(withdrawal_id: UUID | str, decision: str, key: str | None = None, **changes: Any) -> DecideWithdrawal:
    """By the admin 9; a cancellation by the owner 1."""
    owner = decision == "cancel"
    actor = changes.get("actor_user_id", "1" if owner else "9")
    fields: dict[str, Any] = {
        "correlation_id": f"request of {decision}",
        "idempotency": sameness(key, caller=f"user:{actor}", operation=f"POST …/{decision}"),
        "withdrawal_id": str(withdrawal_id),
        "actor_user_id": actor,
        "actor_is_admin": not owner,
        "decision": decision,
        "deadline": utc_now() + timedelta(seconds=60),
    }
    return DecideWithdrawal(**(fields | changes))


def _no(code: str, command: Any) -> Refused:
    return Refused(code=code, detail=code, request_id=command.correlation_id)
