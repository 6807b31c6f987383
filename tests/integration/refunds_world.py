"""Refunds over a real database: payments' own schema, wallet's real book beside it without a broker between, and the mock's own book."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import orjson

from deploy.prepare import SERVICES, database_urls
from services.payments.domain.facts import RefundTold
from services.payments.domain.intents import movement
from services.payments.domain.payments import Payment, Status
from services.payments.domain.refunds import Refund
from services.payments.handlers import told
from services.payments.handlers.refund_facts import RefundFacts
from services.payments.handlers.refund_saga import RefundSaga
from services.payments.handlers.refund_views import RefundViews
from services.payments.handlers.refunds import RefundReply, RefundRequests
from services.payments.handlers.settlement import Settlement
from services.payments.mock_book import MockBook, MockSession
from services.payments.providers.mock.adapter import sign
from services.payments.providers.mock.refunds import MockRefundEvents, MockRefunds
from services.payments.sagas import SagaRunner
from services.payments.store import payments as payment_store
from services.payments.store import refunds as refund_store
from services.payments.store.events import PURPOSE as PROVIDER_EVENT
from services.wallet.handlers.credits import Credits
from shared import postgres
from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_commands import Refused
from shared.contracts.payment_events import PaymentUpdated, ProviderEventReceived
from shared.contracts.refunds import RefundMade, RefundPayment
from shared.contracts.wallet_commands import (
    FundsMoved,
    FundsReserved,
)
from shared.keys import Keys
from shared.migrations import migrate
from shared.money import Money
from shared.sealing import Seal
from shared.waiting import Waiters
from tests.integration.funds_world import a_reserve
from tests.integration.payments_world import ANSWERS, DATA_KEY, SECRET, PaymentsWorld, QuietRelay, payments_world, sameness
from tests.integration.refund_doubles import FakeWithdrawals, SteeredLedger, SteeredRefunds
from tests.integration.wallet_world import WalletWorld

OPERATION = "POST /api/v1/payments/refund/{payment_id}"
Answer = TypeVar("Answer")


@dataclass
class RefundsWorld:
    payments: PaymentsWorld
    book: WalletWorld
    ledger: SteeredLedger
    provider: SteeredRefunds
    withdrawals: FakeWithdrawals
    saga: RefundSaga
    requests: RefundRequests
    views: RefundViews
    settlement: Settlement
    events: MockRefundEvents
    published: list[ProviderEventReceived]
    people: int = 0

    def somebody(self) -> str:
        """A user whom no other test of the world knows."""
        self.people += 1
        return f"u{self.people}"

    async def paid(
        self,
        amount_minor: int = 5000,
        currency: str = "usd",
        *,
        kind: str = "deposit",
        fee_minor: int = 0,
        provider: str = "mock",
        user_id: str | None = None,
        mentor_id: str | None = None,
        credited: bool = True,
    ) -> Payment:
        """A completed payment; in the mock's book too, and in wallet's unless it is not credited (yet)."""
        payment_id, session_id, now = new_id(), new_id(), utc_now()
        money = Money(amount_minor, currency)
        described: dict[str, Any] = {
            "payment_id": payment_id,
            "session_id": session_id,
            "user_id": user_id or self.somebody(),
            "kind": kind,
            "provider": provider,
            "money": money,
            "status": Status.PENDING,
            "locale": "en",
            "correlation_id": "request-1",
            "created_at": now,
            "updated_at": now,
            "fee_minor": fee_minor,
        }
        if kind == "payment":
            described |= {"mentor_id": mentor_id or self.somebody(), "coaching_session_id": "1"}
        payment = Payment(**described)
        charge = f"ch_{new_id().hex}"
        async with postgres.transaction(self.payments.pool) as tx:
            await payment_store.insert_payment(tx, payment, reconcile_after_seconds=60)
        if provider == "mock":
            book = MockBook(self.payments.pool)
            session = await book.open(MockSession(session_id, payment_id, payment.user_id, money, now + timedelta(hours=1)))
            async with postgres.transaction(self.payments.pool) as tx:
                await MockBook.decide(tx, session, "success", event_id=f"evt_{session_id.hex}", charge=charge, at=now)
        async with postgres.transaction(self.payments.pool) as tx:
            await payment_store.save_settled(tx, [_completed(payment, charge)])
            stored = await payment_store.find_payment(tx, payment_id)
        assert stored is not None
        if credited:
            await self.credit(stored)
        return stored

    async def credit(self, payment: Payment) -> None:
        assert not await Credits(self.book.pool, lambda _: None).handle([told.completed(payment, "request-1")])

    async def pay_from_balance(self, payment: Payment) -> None:
        assert isinstance(await self.ledger.move(movement(payment)), FundsMoved)

    async def audited(self, refund_id: UUID) -> list[tuple[str, str]]:
        rows = await self.payments.rows(
            "select actor, action from payments.audit where resource = $1 order by occurred_at", f"refund:{refund_id}"
        )
        return [(row["actor"], row["action"]) for row in rows]

    async def ask(self, payment: Payment, **changes: Any) -> RefundReply:
        return await self.requests.request(command(payment.payment_id, **changes))

    async def refund(self, payment: Payment, amount_minor: int | None = None, **changes: Any) -> RefundMade:
        reply = await self.ask(payment, amount_minor=amount_minor, **changes)
        assert isinstance(reply.answer, RefundMade), reply
        return reply.answer

    async def refused(self, payment: Payment, **changes: Any) -> str:
        reply = await self.ask(payment, **changes)
        assert isinstance(reply.answer, Refused), reply
        return reply.answer.code

    async def resume(self) -> None:
        """As if the time of everything that is under way had come."""
        await self.payments.rows("update payments.refunds set next_at = clock_timestamp() where next_at is not null returning 1")
        await SagaRunner([self.saga]).run_due(self.saga)

    async def tell(self, *messages: ProviderEventReceived) -> list[str]:
        """Hands events in as one batch; what came of those that are kept now."""
        assert not await self.settlement.handle(messages)
        ids = [message.headers["webhook-id"] for message in messages]
        rows = await self.payments.rows("select event_id, outcome from payments.provider_events where event_id = any($1)", ids)
        outcomes = {row["event_id"]: row["outcome"] for row in rows}
        return [outcomes[event_id] for event_id in ids]

    async def due_events(self, payment: Payment) -> list[ProviderEventReceived]:
        """What the mock tells of the payment when the time of everything has come."""
        await self.payments.rows(
            """
            update payments.mock_refunds
            set tells_at = clock_timestamp(), settles_at = least(settles_at, clock_timestamp()),
                fails_at = case when fails_at is not null then least(fails_at, clock_timestamp()) end
            where tells_at is not null and session_id = $1 returning 1
            """,
            payment.session_id,
        )
        await self.events.tell_due()
        told_now, self.published[:] = list(self.published), []
        return [event for event in told_now if str(payment.session_id).encode() in event.body]

    async def row(self, refund_id: UUID) -> Refund:
        async with postgres.connection(self.payments.pool) as db:
            found = await refund_store.find(db, refund_id)
        assert isinstance(found, Refund)
        return found

    async def refunds_of(self, payment: Payment) -> list[Refund]:
        """The oldest first, without refused requests."""
        async with postgres.connection(self.payments.pool) as db:
            found, _ = await refund_store.page(db, payment.payment_id, 100, None, None)
        return found[::-1]

    async def back(self, payment: Payment) -> tuple[int, int]:
        """(on its way back, back) of the payment."""
        (row,) = await self.payments.rows(
            "select refunding_minor, refunded_minor from payments.payments where payment_id = $1", payment.payment_id
        )
        return row["refunding_minor"], row["refunded_minor"]

    async def available(self, user_id: str | None, currency: str = "usd") -> tuple[int, int]:
        """(available, held) of a user."""
        found = await self.book.rows(
            "select available_minor, held_minor from wallet.accounts where kind = 'user' and owner = $1 and currency = $2",
            user_id,
            currency,
        )
        return (found[0]["available_minor"], found[0]["held_minor"]) if found else (0, 0)

    async def spend(self, user_id: str | None, amount_minor: int, currency: str = "usd") -> str:
        """Holds that much of a user's money for something else; the hold's reference."""
        assert user_id is not None
        reserve = a_reserve(amount_minor, user_id=user_id, currency=currency)
        assert isinstance(await self.ledger.reserve(reserve), FundsReserved)
        return reserve.reference

    async def moved(self, payment: Payment) -> dict[str, int]:
        """What each account has more (or less, below zero) by the transfers of the payment; those that have nothing are left out."""
        rows = await self.book.rows(
            """
            select account.kind || ':' || account.owner as name, sum(side.change)::bigint as change
            from (
                select source_id as account_id, -amount_minor as change from wallet.transfers where payment_id = $1
                union all select target_id, amount_minor from wallet.transfers where payment_id = $1
            ) as side join wallet.accounts as account using (account_id)
            group by 1
            """,
            payment.payment_id,
        )
        return {row["name"]: row["change"] for row in rows if row["change"]}

    async def frames_of(self, payment: Payment) -> list[tuple[str, int]]:
        """(status, refunded) of each payment.updated, in order."""
        rows = await self.payments.rows("select payload from payments.outbox where message_type = $1 order by id", PaymentUpdated.TYPE)
        updates = [PaymentUpdated.model_validate_json(row["payload"]) for row in rows]
        return [(update.status, update.refunded_amount_minor) for update in updates if update.payment_id == payment.payment_id]


def _completed(payment: Payment, charge: str) -> Payment:
    reference = str(payment.payment_id) if payment.provider == "balance" else charge
    return replace(payment, status=Status.COMPLETED, charge_reference=reference, completed_at=utc_now())


def command(payment_id: UUID | str, key: str | None = None, **changes: Any) -> RefundPayment:
    """An admin's request for all that is left, unless `changes` say otherwise."""
    asker = changes.get("requested_by", "9")
    fields: dict[str, Any] = {
        "correlation_id": "request-9",
        "idempotency": sameness(key, caller=f"user:{asker}", operation=OPERATION),
        "deadline": utc_now() + timedelta(seconds=60),
        "refund_id": new_id(),
        "payment_id": str(payment_id),
        "requested_by": asker,
        "requested_by_admin": asker == "9",
    }
    return RefundPayment(**(fields | changes))


def refund_event(
    payment: Payment,
    amount_minor: int,
    *,
    refund_id: UUID | None = None,
    reference: str = "",
    status: str = "succeeded",
    seconds: float = 0,
    currency: str | None = None,
) -> ProviderEventReceived:
    """An authentic event of the mock about a refund of the payment, so many seconds from now; with no id of ours: made at its own site."""
    event_id = f"evt_{new_id().hex}"
    data = {
        "session_id": str(payment.session_id),
        "charge": payment.charge_reference,
        "refund": reference or f"re_{new_id().hex}",
        "refund_id": None if refund_id is None else str(refund_id),
        "status": status,
        "amount_minor": amount_minor,
        "currency": currency or payment.money.currency,
        "reason": "",
    }
    created = (utc_now() + timedelta(seconds=seconds)).isoformat()
    signed = sign(event_id, orjson.dumps({"id": event_id, "type": "refund.updated", "created": created, "data": data}), Keys((SECRET,)))
    return ProviderEventReceived(correlation_id="event-1", provider="mock", headers=signed.headers, body=base64.b64encode(signed.body))


@asynccontextmanager
async def refunds_world(database_url: str) -> AsyncIterator[RefundsWorld]:
    async with payments_world(database_url) as payments:
        admin = await asyncpg.connect(database_url)
        try:
            await migrate(admin, "wallet", SERVICES / "wallet" / "migrations")
            await admin.execute("grant usage on schema wallet to purser_wallet")
        finally:
            await admin.close()
        url = database_urls(database_url, SECRET).wallet
        pool = await postgres.create_pool(url, size=8, application_name="test wallet")
        try:
            book = WalletWorld(pool, database_url, url, url)
            ledger = SteeredLedger(book)
            provider = SteeredRefunds(MockRefunds(payments.pool))
            withdrawals = FakeWithdrawals(ledger)
            relay: Any = QuietRelay()
            saga = RefundSaga(payments.pool, ledger, {"mock": provider}, withdrawals, relay)
            published: list[ProviderEventReceived] = []

            async def publish(event: ProviderEventReceived) -> None:
                published.append(event)

            follow: Any = {RefundTold: RefundFacts().follow}
            waiters: Waiters[UUID] = Waiters()
            yield RefundsWorld(
                payments=payments,
                book=book,
                ledger=ledger,
                provider=provider,
                withdrawals=withdrawals,
                saga=saga,
                requests=RefundRequests(payments.pool, ANSWERS, saga),
                views=RefundViews(payments.pool),
                settlement=Settlement(payments.pool, {"mock": payments.mock}, relay, waiters, Seal((DATA_KEY,), PROVIDER_EVENT), follow),
                events=MockRefundEvents(payments.pool, Keys((SECRET,)), publish),
                published=published,
            )
        finally:
            await postgres.close_pool(pool)


async def together(*work: Awaitable[Answer]) -> list[Answer]:
    return list(await asyncio.gather(*work))
