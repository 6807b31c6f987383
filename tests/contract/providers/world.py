"""One provider on its stage, with payments' handlers over a real database and wallet's real book: what a payment at it comes to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from deploy.prepare import SERVICES, database_urls
from services.payments.domain.facts import DisputeTold, Fact, RefundTold
from services.payments.handlers.disputes import DisputeSaga
from services.payments.handlers.refund_facts import RefundFacts
from services.payments.handlers.refund_saga import RefundSaga
from services.payments.handlers.refunds import RefundRequests
from services.payments.handlers.settlement import Follow
from services.payments.handlers.suspense_saga import DisputesToldOf, RefundsToldOf, SuspenseSaga
from services.payments.providers.base import Refunds
from services.payments.sagas import Saga, SagaRunner
from services.payments.store import payments as store
from services.wallet.handlers.credits import Credits
from shared import postgres
from shared.contracts.base import utc_now
from shared.contracts.intents import CancelPayment, ConfirmPayment, PaymentConfirmed
from shared.contracts.payment_commands import DepositCreated, Refused
from shared.contracts.payment_events import PaymentCompleted, ProviderEventReceived
from shared.contracts.refunds import RefundMade
from shared.delivery.errors import NotYet
from shared.delivery.failures import Failure
from shared.migrations import migrate
from shared.money import Money
from tests.contract.providers.receiver import Receiver
from tests.contract.providers.stage import Session, Stage
from tests.integration.payments_world import ANSWERS, SECRET, PaymentsWorld, QuietRelay, deposit_command, payments_world, sameness
from tests.integration.refund_doubles import FakeWithdrawals, SteeredLedger
from tests.integration.refunds_world import command as refund_command
from tests.integration.wallet_world import WalletWorld

_ROUNDS_MAX = 30


@dataclass
class ProviderWorld:
    stage: Stage
    receiver: Receiver
    payments: PaymentsWorld
    ledger: SteeredLedger
    refund_saga: RefundSaga
    refund_requests: RefundRequests
    suspense_saga: SuspenseSaga
    disputes: DisputeSaga
    people: int = 0

    # ---- what users ask for

    def somebody(self) -> str:
        self.people += 1
        return f"u{self.people}"

    async def deposit(self, money: Money | None = None, **changes: Any) -> DepositCreated:
        """A top-up by somebody new; made again while the provider does not tell."""
        answer = await self.ask(money, **changes)
        assert isinstance(answer, DepositCreated), answer
        return answer

    async def ask(self, money: Money | None = None, *, tries: int = 5, **changes: Any) -> DepositCreated | Refused:
        """The same command again while the provider does not tell, as the queue would bring it."""
        money = money or self.stage.sums[0]
        asked = {"method": self.stage.name, "amount_minor": money.amount_minor, "currency": money.currency, "user_id": self.somebody()}
        command = deposit_command(**(asked | changes))
        for left in reversed(range(tries)):
            try:
                answer = (await self.payments.deposits.create(command)).answer
            except NotYet:
                if not left:
                    raise
                continue
            assert isinstance(answer, (DepositCreated, Refused))
            return answer
        raise AssertionError

    async def confirm(self, made: DepositCreated) -> str:
        """The status that asking the provider leads to, or the refusal's code."""
        owner = await self.owner(made)
        command = ConfirmPayment(
            correlation_id="request-3",
            idempotency=sameness(caller=f"user:{owner}", operation="POST /api/v1/payments/confirm/{payment_id}"),
            deadline=utc_now() + timedelta(seconds=60),
            payment_id=str(made.payment_id),
            user_id=owner,
        )
        answer = (await self.payments.confirming.confirm(command)).answer
        return answer.status if isinstance(answer, PaymentConfirmed) else getattr(answer, "code", answer.type)

    async def cancel(self, made: DepositCreated) -> str:
        """`canceled`, or the refusal's code; NotYet."""
        owner = await self.owner(made)
        command = CancelPayment(
            correlation_id="request-4",
            idempotency=sameness(caller=f"user:{owner}", operation="POST /api/v1/payments/{payment_id}/cancel"),
            deadline=utc_now() + timedelta(seconds=60),
            payment_id=str(made.payment_id),
            user_id=owner,
        )
        answer = (await self.payments.confirming.cancel(command)).answer
        return answer.code if isinstance(answer, Refused) else "canceled"

    async def refund(self, made: DepositCreated, amount_minor: int | None = None, **changes: Any) -> RefundMade | str:
        """The refund, or the refusal's code, or in-progress.v1."""
        answer = (await self.refund_requests.request(refund_command(made.payment_id, amount_minor=amount_minor, **changes))).answer
        return answer if isinstance(answer, RefundMade) else getattr(answer, "code", answer.type)

    # ---- what comes of it

    async def arrive(self) -> None:
        """Everything that is on its way comes to rest: webhooks, what they cause, sagas that wait; what cannot yet be worked on waits."""
        for _ in range(_ROUNDS_MAX):
            await self.stage.deliveries.flush()
            await self.work()
            if not self.receiver.inbox.messages and not self.stage.deliveries.outstanding and not await self._under_way():
                return
        raise AssertionError(f"it does not come to rest: {len(self.receiver.inbox.messages)} events wait, {await self._under_way()}")

    async def work(self) -> None:
        """One round: events, credits, sagas."""
        messages, self.receiver.inbox.messages = self.receiver.inbox.messages, []
        failures = {failure.index: failure.error for failure in await self._handle(messages)}
        for index, error in failures.items():
            if not isinstance(error, NotYet):
                raise error
            self.receiver.inbox.messages.append(messages[index])
        await self.credit()
        await self.resume()

    async def _handle(self, messages: list[ProviderEventReceived]) -> list[Failure]:
        """As BatchConsumer does: a batch that fails as a whole is taken apart."""
        if not messages:
            return []
        try:
            return list(await self.payments.settlement.handle(messages))
        except NotYet as error:
            if len(messages) == 1:
                return [Failure(0, error)]
        middle = len(messages) // 2
        second = [Failure(one.index + middle, one.error) for one in await self._handle(messages[middle:])]
        return [*await self._handle(messages[:middle]), *second]

    async def credit(self) -> None:
        """Wallet hears of every completion that the outbox has."""
        rows = await self.payments.rows("select payload from payments.outbox where message_type = $1 order by id", PaymentCompleted.TYPE)
        events = [PaymentCompleted.model_validate_json(row["payload"]) for row in rows]
        if events:
            assert not await Credits(self.ledger.book.pool, lambda _: None).handle(events)

    async def resume(self) -> None:
        """As if the time of everything that is under way had come, and what is being sent had been sent two hours ago."""
        await self.payments.rows(
            "update payments.refunds set sent_at = clock_timestamp() - interval '2 hours' where state = 'sending' returning 1"
        )
        for table in ("refunds", "suspense_items", "disputes"):
            await self.payments.rows(
                f"update payments.{table} set next_at = clock_timestamp() where next_at is not null returning 1"  # noqa: S608
            )
        sagas: list[Saga] = [self.refund_saga, self.suspense_saga, self.disputes]
        for saga in sagas:
            await SagaRunner(sagas).run_due(saga)

    async def reconcile(self) -> None:
        """As if the time to ask about everything had come."""
        await self.payments.rows("update payments.payments set reconcile_at = now() where reconcile_at is not null returning 1")
        await self.payments.rows("update payments.provider_questions set at = at - interval '1 hour' returning 1")
        await self.payments.reconciler.reconcile_due()
        await self.work()

    async def expire(self, made: DepositCreated) -> None:
        """The session's time is over on our side, and the reconciler has seen it."""
        await self.payments.rows(
            "update payments.payments set expires_at = now(), reconcile_at = now() where payment_id = $1 returning 1", made.payment_id
        )
        await self.reconcile()

    async def _under_way(self) -> list[str]:
        rows = await self.payments.rows(
            """
            select 'refund ' || state as what from payments.refunds where state not in ('succeeded', 'failed', 'refused', 'pending')
            union all select 'dispute ' || state from payments.disputes where state not in ('open', 'won', 'lost')
            """
        )
        return [row["what"] for row in rows]

    async def knock(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Posts something to the webhook address; the status of the answer."""
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            return (await client.post(self.receiver.url(self.stage.name), content=body, headers=dict(headers))).status_code

    # ---- what can be seen

    async def status(self, made: DepositCreated) -> str:
        """As it is told."""
        async with postgres.connection(self.payments.pool) as db:
            payment = await store.find_payment(db, made.payment_id)
        assert payment is not None
        return payment.told_at(utc_now())

    async def owner(self, made: DepositCreated) -> str:
        (row,) = await self.payments.rows("select user_id from payments.payments where payment_id = $1", made.payment_id)
        return str(row["user_id"])

    async def available(self, made: DepositCreated) -> int:
        """What the payment's owner has now."""
        owner = await self.owner(made)
        return (await self.ledger.book.balance(owner, made.currency))[0]

    async def outcomes(self, made: DepositCreated) -> list[str]:
        """What came of the payment's events that are kept, in order."""
        rows = await self.payments.rows(
            "select outcome from payments.provider_events where payment_id = $1 order by stored_at", made.payment_id
        )
        return [row["outcome"] for row in rows]

    async def kept(self) -> int:
        """How many events are kept in all."""
        (row,) = await self.payments.rows("select count(*) as n from payments.provider_events")
        return int(row["n"])

    async def credits(self, made: DepositCreated) -> int:
        """How often the payment was credited."""
        rows = await self.ledger.book.rows("select 1 from wallet.transfers where payment_id = $1 and kind = 'deposit'", made.payment_id)
        return len(rows)

    async def suspense(self, made: DepositCreated) -> list[tuple[str, int]]:
        """(reason, minor units) of each item of the payment."""
        rows = await self.payments.rows(
            "select reason, amount_minor from payments.suspense_items where payment_id = $1 order by created_at", made.payment_id
        )
        return [(row["reason"], row["amount_minor"]) for row in rows]

    async def our_book(self) -> dict[UUID, tuple[Money, int, int]]:
        """Of each completed payment of this provider: its sum, what is back, what disputes hold."""
        rows = await self.payments.rows(
            """
            select session_id, amount_minor, currency, refunded_minor, coalesce((
                select sum(amount_minor)::bigint from payments.disputes as one
                where one.payment_id = payment.payment_id and one.state in ('open', 'lost')
            ), 0) as disputed_minor
            from payments.payments as payment where status = 'completed' and provider = $1
            """,
            self.stage.name,
        )
        return {
            row["session_id"]: (Money(row["amount_minor"], row["currency"]), row["refunded_minor"], row["disputed_minor"]) for row in rows
        }

    async def books_agree(self) -> None:
        """Invariant H: the provider's own book and ours say the same."""
        theirs = {charge.session_id: (charge.money, charge.refunded_minor, charge.disputed_minor) for charge in await self.stage.charges()}
        assert await self.our_book() == theirs


def session_of(made: DepositCreated) -> Session:
    return Session(made.session_id, made.payment_url, made.client_secret)


@asynccontextmanager
async def provider_world(
    database_url: str, stage: Stage, receiver: Receiver, *, session_ttl_seconds: int = 3600
) -> AsyncIterator[ProviderWorld]:
    follow: dict[type[Fact], Follow] = {}
    more = [stage.provider] if stage.name != "mock" else []
    async with payments_world(
        database_url, enabled=(stage.name,), more=more, follow=follow, session_ttl_seconds=session_ttl_seconds
    ) as payments:
        stage.attach(payments)
        admin = await asyncpg.connect(database_url)
        try:
            await migrate(admin, "wallet", SERVICES / "wallet" / "migrations")
            await admin.execute("grant usage on schema wallet to purser_wallet")
        finally:
            await admin.close()
        url = database_urls(database_url, SECRET).wallet
        pool = await postgres.create_pool(url, size=6, application_name="test wallet")
        try:
            ledger = SteeredLedger(WalletWorld(pool, database_url, url, url))
            refunds: Mapping[str, Refunds] = {} if stage.refunds is None else {stage.name: stage.refunds}
            withdrawals, relay = FakeWithdrawals(ledger), QuietRelay()
            relayed: Any = relay
            refund_saga = RefundSaga(payments.pool, ledger, refunds, withdrawals, relayed)
            suspense_saga = SuspenseSaga(payments.pool, ledger, refunds)
            disputes = DisputeSaga(payments.pool, ledger, withdrawals)
            follow[RefundTold] = RefundsToldOf(suspense_saga, RefundFacts().follow).follow
            follow[DisputeTold] = DisputesToldOf(suspense_saga, disputes.follow).follow
            yield ProviderWorld(
                stage=stage,
                receiver=receiver,
                payments=payments,
                ledger=ledger,
                refund_saga=refund_saga,
                refund_requests=RefundRequests(payments.pool, ANSWERS, refund_saga),
                suspense_saga=suspense_saga,
                disputes=disputes,
            )
        finally:
            await postgres.close_pool(pool)
