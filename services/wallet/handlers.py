"""What wallet does: credits completed payments a batch at a time, and answers questions about balances and the journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import asyncpg
import structlog
from prometheus_client import Counter

from services.wallet import reads, store
from services.wallet.cursors import MalformedCursor
from services.wallet.domain import Outcome, ReferenceConflict, Transfer, WalletError, credit
from services.wallet.references import CommittedReferences, LookUp
from shared.contracts.payment_commands import FieldProblem, Refused
from shared.contracts.payment_events import PaymentCompleted
from shared.contracts.queries import (
    BalancesView,
    GetBalances,
    GetTransfer,
    HealthView,
    ListTransactions,
    OpenStream,
    StreamOpened,
    TransactionPage,
    TransferView,
)
from shared.delivery.errors import Permanent
from shared.delivery.failures import Failure, describe
from shared.health import Health
from shared.money import MoneyError
from shared.postgres import Pool, connection
from shared.waiting import Waiters

log = structlog.get_logger(__name__)

TRANSFERS: Final = Counter("purser_wallet_transfers_total", "Transfers asked for", ["outcome"])


class Credits:
    """Credits completed payments, one transaction a batch. `on_committed` is told the references that are in the journal now."""

    def __init__(self, pool: Pool, on_committed: Callable[[Sequence[str]], None]) -> None:
        self._pool = pool
        self._on_committed = on_committed

    async def handle(self, events: Sequence[PaymentCompleted]) -> Sequence[Failure]:
        """Posts the credits of `events`; those that can never be posted come back as failures. Raises: nothing of the batch happened."""
        transfers, positions, failures = _instructions(events)
        outcomes = await self._post(transfers)
        committed = []
        for position, transfer, outcome in zip(positions, transfers, outcomes, strict=True):
            TRANSFERS.labels(outcome.value).inc()
            if outcome is Outcome.CONFLICT:
                # Money of somebody is at stake: never a duplicate to be passed over in silence.
                log.error("reference conflict", reference=transfer.reference, correlation_id=transfer.correlation_id)
                failures.append(Failure(position, Permanent(f"{ReferenceConflict.__name__}: {ReferenceConflict.__doc__}")))
                continue
            committed.append(transfer.reference)
            log.info(
                "credit",
                outcome=outcome.value,
                reference=transfer.reference,
                user_id=transfer.target.owner,
                correlation_id=transfer.correlation_id,
            )
        self._on_committed(committed)
        return failures

    async def _post(self, transfers: Sequence[Transfer]) -> list[Outcome]:
        try:
            async with connection(self._pool) as db:
                # One statement is one transaction: committed when it returns.
                return await store.post_transfers(db, transfers)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, WalletError) as error:
            # One of them can never be written (its neighbours are tried without it): SQLSTATE classes 22 and 23.
            raise Permanent(describe(error)) from error


def _instructions(events: Sequence[PaymentCompleted]) -> tuple[list[Transfer], list[int], list[Failure]]:
    transfers: list[Transfer] = []
    positions: list[int] = []
    failures: list[Failure] = []
    for position, event in enumerate(events):
        try:
            transfers.append(credit(event))
            positions.append(position)
        except (MoneyError, WalletError) as error:
            failures.append(Failure(position, Permanent(f"{type(error).__name__}: {error}")))
    return transfers, positions, failures


class Questions:
    """Answers from the book as it is committed."""

    def __init__(self, pool: Pool, waiters: Waiters[str], health: Health) -> None:
        self._pool = pool
        self._waiters = waiters
        self._committed = CommittedReferences(look_up_in(pool))
        self._health = health

    async def get_transfer(self, question: GetTransfer) -> TransferView:
        posted = await self._waiters.until(question.reference, lambda: self._committed.has(question.reference), bool, question.wait_seconds)
        return TransferView(reference=question.reference, posted=posted)

    async def get_balances(self, question: GetBalances) -> BalancesView:
        async with connection(self._pool) as db:
            return BalancesView(balances=await reads.balances(db, question.user_ids, question.currency))

    async def list_transactions(self, question: ListTransactions) -> TransactionPage | Refused:
        try:
            async with connection(self._pool) as db:
                return await reads.transactions(db, question)
        except MalformedCursor as error:
            problem = FieldProblem(loc=("query", "cursor"), msg=str(error))
            return Refused(
                code="invalid_cursor", detail="The cursor is not one of this list.", errors=(problem,), request_id=question.correlation_id
            )

    async def open_stream(self, question: OpenStream) -> StreamOpened:
        async with connection(self._pool) as db:
            ticket_id, expires_at = question.ticket_id, question.ticket_expires_at
            if ticket_id is not None and (expires_at is None or not await store.use_ticket(db, ticket_id, expires_at)):
                return StreamOpened(granted=False, balances=())
            return StreamOpened(granted=True, balances=await reads.balances(db, (question.user_id,), None))

    async def get_health(self) -> HealthView:
        report = await self._health.report()
        return HealthView(service=report.service, ready=report.ready, checks=report.checks)


def look_up_in(pool: Pool) -> LookUp:
    """Asks the journal which references it has."""

    async def look_up(references: Sequence[str]) -> set[str]:
        async with connection(pool) as db:
            return await store.posted_references(db, references)

    return look_up
