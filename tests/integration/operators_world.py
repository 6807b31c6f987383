"""Suspense, disputes, transfers and the mock's controls over a real database: payments' schema, wallet's real book beside it without a
broker between, and the mock's own book."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson

from services.payments.domain.facts import DisputeTold, Fact, RefundTold
from services.payments.handlers.disputes import DisputeSaga
from services.payments.handlers.inquiry import Inquiry
from services.payments.handlers.mock_controls import MockControls
from services.payments.handlers.refund_facts import RefundFacts
from services.payments.handlers.settlement import Follow, Settlement
from services.payments.handlers.suspense import Suspense
from services.payments.handlers.suspense_saga import DisputesToldOf, RefundsToldOf, SuspenseSaga
from services.payments.handlers.transfers import Transfers
from services.payments.ledger import Silent
from services.payments.providers.mock.adapter import sign
from services.payments.providers.mock.events import MockEvents
from services.payments.reconciler import Reconciler
from services.payments.sagas import Saga, SagaRunner
from services.payments.store.events import PURPOSE as PROVIDER_EVENT
from services.wallet.handlers.credits import Credits
from shared.contracts.base import new_id, utc_now
from shared.contracts.mock_controls import MockEventScheduled, TellMockDispute, TellMockPayment
from shared.contracts.payment_commands import DepositCreated, Refused
from shared.contracts.payment_events import PaymentCompleted, PaymentUpdated, ProviderEventReceived
from shared.contracts.suspense import DecideSuspenseItem, GetSuspenseItem, SuspenseItemView
from shared.contracts.transfers import MakeTransfer
from shared.keys import Keys
from shared.sealing import Seal
from shared.waiting import Waiters
from tests.integration.payments_world import ANSWERS, DATA_KEY, SECRET, QuietRelay, sameness
from tests.integration.refund_doubles import SteeredLedger
from tests.integration.refunds_world import RefundsWorld, refunds_world

TABLES = ("suspense_items", "disputes", "transfers")


class BookLedger(SteeredLedger):
    """Says what is posted, too."""

    async def posted(self, reference: str, correlation_id: str) -> bool:
        if self.lost[PaymentCompleted] > 0:
            raise Silent("get-transfer.v1")
        return bool(await self.book.rows("select 1 from wallet.transfers where reference = $1", reference))


@dataclass
class OperatorsWorld:
    refunds: RefundsWorld
    ledger: BookLedger
    settlement: Settlement
    reconciler: Reconciler
    suspense_saga: SuspenseSaga
    suspense: Suspense
    disputes: DisputeSaga
    transfers: Transfers
    controls: MockControls
    mock_events: MockEvents
    published: list[ProviderEventReceived]

    # ---- payers and their payments

    def somebody(self) -> str:
        return self.refunds.somebody()

    async def deposit(self, user_id: str, amount_minor: int = 5_000, **changes: Any) -> DepositCreated:
        """A top-up in dollars that nobody has paid."""
        return await self.refunds.payments.deposit(user_id=user_id, amount_minor=amount_minor, currency="usd", **changes)

    async def paid_deposit(self, user_id: str, amount_minor: int = 5_000) -> DepositCreated:
        made = await self.deposit(user_id, amount_minor)
        assert await self.tell(await self.refunds.payments.decide(made.session_id, user_id=user_id)) == ["applied"]
        return made

    async def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        return await self.refunds.payments.rows(query, *arguments)

    async def status(self, payment_id: UUID) -> str:
        """As it is stored."""
        (row,) = await self.rows("select status from payments.payments where payment_id = $1", payment_id)
        return str(row["status"])

    async def dispute_status(self, payment_id: UUID) -> str | None:
        (row,) = await self.rows("select dispute_status from payments.payments where payment_id = $1", payment_id)
        status: str | None = row["dispute_status"]
        return status

    async def available(self, user_id: str) -> int:
        return (await self.refunds.available(user_id))[0]

    async def account(self, kind: str, owner: str = "mock", currency: str = "usd") -> int:
        """What a system account has by its transfers."""
        (row,) = await self.ledger.book.rows(
            """
            select coalesce(sum(case when t.target_id = a.account_id then t.amount_minor else -t.amount_minor end), 0)::bigint as sum
            from wallet.accounts a join wallet.transfers t on a.account_id in (t.source_id, t.target_id)
            where a.kind = $1 and a.owner = $2 and a.currency = $3
            """,
            kind,
            owner,
            currency,
        )
        return int(row["sum"])

    # ---- what providers tell, and what follows

    async def tell(self, *messages: ProviderEventReceived) -> list[str]:
        """Hands events in as one batch, and credits what they complete; what came of those that are kept now."""
        assert not await self.settlement.handle(messages)
        await self.credit()
        ids = [message.headers["webhook-id"] for message in messages]
        rows = await self.rows("select event_id, outcome from payments.provider_events where event_id = any($1)", ids)
        outcomes = {row["event_id"]: row["outcome"] for row in rows}
        return [outcomes[event_id] for event_id in ids]

    async def credit(self) -> None:
        """Wallet hears of every completion that the outbox has."""
        rows = await self.rows("select payload from payments.outbox where message_type = $1 order by id", PaymentCompleted.TYPE)
        events = [PaymentCompleted.model_validate_json(row["payload"]) for row in rows]
        assert not await Credits(self.ledger.book.pool, lambda _: None).handle(events)

    async def resume(self) -> None:
        """As if the time of everything that is under way had come."""
        for table in TABLES:
            await self.rows(f"update payments.{table} set next_at = clock_timestamp() where next_at is not null returning 1")  # noqa: S608
        sagas: list[Saga] = [self.suspense_saga, self.disputes, self.transfers]
        for saga in sagas:
            await SagaRunner(sagas).run_due(saga)

    async def tell_due(self) -> list[str]:
        """The mock tells everything whose time has come; what came of it."""
        await self.mock_events.tell_due()
        events, self.published[:] = list(self.published), []
        return await self.tell(*events)

    async def items(self, payment_id: UUID | None) -> list[SuspenseItemView]:
        """Those of a payment, the oldest first."""
        rows = await self.rows(
            "select item_id from payments.suspense_items where payment_id is not distinct from $1 order by created_at", payment_id
        )
        return [await self.item(row["item_id"]) for row in rows]

    async def item(self, item_id: UUID) -> SuspenseItemView:
        view = await self.suspense.one(GetSuspenseItem(correlation_id="q", item_id=str(item_id)))
        assert isinstance(view, SuspenseItemView)
        return view

    async def frames(self, payment_id: UUID) -> list[str]:
        """The statuses that open pages were told besides a completion, in order."""
        rows = await self.rows("select payload from payments.outbox where message_type = $1 order by id", PaymentUpdated.TYPE)
        told = [PaymentUpdated.model_validate_json(row["payload"]) for row in rows]
        return [update.status for update in told if update.payment_id == payment_id]

    async def audited(self, resource: str) -> list[tuple[str, str]]:
        rows = await self.rows("select actor, action from payments.audit where resource = $1 order by occurred_at", resource)
        return [(row["actor"], row["action"]) for row in rows]

    # ---- what operators ask for

    async def decide(self, item_id: UUID, decision: str, key: str | None = None, **changes: Any) -> SuspenseItemView | str:
        """The item, or the code of the refusal, or 'in-progress.v1'."""
        reply = await self.suspense.decide(decide_command(item_id, decision, key, **changes))
        if isinstance(reply.answer, SuspenseItemView):
            return reply.answer
        return reply.answer.code if isinstance(reply.answer, Refused) else reply.answer.type

    async def dispute(self, payment_id: UUID, event: str) -> str:
        """By the mock's controls; what came of the event, or the refusal's code."""
        command = TellMockDispute(**_envelope("POST /api/v1/mock/disputes"), payment_id=str(payment_id), actor_user_id="9", event=event)
        reply = await self.controls.dispute(command)
        if isinstance(reply.answer, Refused):
            return reply.answer.code
        (outcome,) = await self.tell_due()
        return outcome

    async def control(self, session_id: UUID, outcome: str, key: str | None = None, **changes: Any) -> MockEventScheduled | str:
        command = TellMockPayment(
            **_envelope("POST /api/v1/mock/payments/{session_id}", key),
            session_id=str(session_id),
            actor_user_id="9",
            outcome=outcome,
            **changes,
        )
        answer = (await self.controls.payment(command)).answer
        return answer if isinstance(answer, MockEventScheduled) else answer.type if not isinstance(answer, Refused) else answer.code


def decide_command(item_id: UUID | str, decision: str, key: str | None = None, **changes: Any) -> DecideSuspenseItem:
    fields: dict[str, Any] = {
        **_envelope(f"POST /api/v1/suspense/{{item_id}}/{decision}", key),
        "item_id": str(item_id),
        "decision_id": new_id(),
        "actor_user_id": "9",
        "decision": decision,
    }
    return DecideSuspenseItem(**(fields | changes))


def transfer_command(from_user_id: str, to_user_id: str, amount_minor: int = 1_000, key: str | None = None, **changes: Any) -> MakeTransfer:
    fields: dict[str, Any] = {
        **_envelope("POST /api/v1/transfers", key),
        "transfer_id": new_id(),
        "requested_by": "9",
        "from_user_id": from_user_id,
        "to_user_id": to_user_id,
        "amount_minor": amount_minor,
        "currency": "usd",
        "reason": "a gift",
    }
    return MakeTransfer(**(fields | changes))


def _envelope(operation: str, key: str | None = None) -> dict[str, Any]:
    return {
        "correlation_id": "request-9",
        "idempotency": sameness(key, caller="user:9", operation=operation),
        "deadline": utc_now() + timedelta(seconds=60),
    }


def mock_event(kind: str, session_id: UUID, *, seconds: float = 0, **data: Any) -> ProviderEventReceived:
    """An authentic event of the mock with any content."""
    event_id = f"evt_{new_id().hex}"
    told = {"session_id": str(session_id), "charge": None, "amount_minor": 5_000, "currency": "usd"} | data
    created = (utc_now() + timedelta(seconds=seconds)).isoformat()
    signed = sign(event_id, orjson.dumps({"id": event_id, "type": kind, "created": created, "data": told}), Keys((SECRET,)))
    return ProviderEventReceived(correlation_id="event-1", provider="mock", headers=signed.headers, body=base64.b64encode(signed.body))


def a_charge(session_id: UUID, **data: Any) -> ProviderEventReceived:
    """The session is paid, by another charge than any before."""
    return mock_event("session.paid", session_id, **({"charge": f"ch_{new_id().hex}"} | data))


@asynccontextmanager
async def operators_world(database_url: str) -> AsyncIterator[OperatorsWorld]:
    async with refunds_world(database_url) as refunds:
        pool = refunds.payments.pool
        ledger = BookLedger(refunds.book)
        suspense_saga = SuspenseSaga(pool, ledger, {"mock": refunds.provider})
        disputes = DisputeSaga(pool, ledger, refunds.withdrawals)
        follow: dict[type[Fact], Follow] = {
            RefundTold: RefundsToldOf(suspense_saga, RefundFacts().follow).follow,
            DisputeTold: DisputesToldOf(suspense_saga, disputes.follow).follow,
        }
        relay: Any = QuietRelay()
        waiters: Waiters[UUID] = Waiters()
        providers = {"mock": refunds.payments.mock}
        settlement = Settlement(pool, providers, relay, waiters, Seal((DATA_KEY,), PROVIDER_EVENT), follow)
        published: list[ProviderEventReceived] = []

        async def publish(event: ProviderEventReceived) -> None:
            published.append(event)

        mock_events = MockEvents(pool, Keys((SECRET,)), publish)
        nobody: Any = None
        yield OperatorsWorld(
            refunds=refunds,
            ledger=ledger,
            settlement=settlement,
            reconciler=Reconciler(pool, Inquiry(providers, settlement, nobody), after_seconds=0.001),
            suspense_saga=suspense_saga,
            suspense=Suspense(pool, ANSWERS, suspense_saga, settlement, lambda: None),
            disputes=disputes,
            transfers=Transfers(pool, ANSWERS, ledger),
            controls=MockControls(pool, ANSWERS, on=True, wake=lambda: None),
            mock_events=mock_events,
            published=published,
        )
