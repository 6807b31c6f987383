"""Answers questions about balances and the journal."""

from __future__ import annotations

from collections.abc import Sequence

from services.wallet import reads, store, timeline
from services.wallet.cursors import MalformedCursor
from services.wallet.references import CommittedReferences, LookUp
from shared.contracts.operator import HeldView
from shared.contracts.payment_commands import FieldProblem, Refused
from shared.contracts.queries import (
    BalancesView,
    GetBalances,
    GetTransfer,
    HealthView,
    ListTransactions,
    ListTransfers,
    OpenStream,
    StreamOpened,
    TransactionPage,
    TransfersView,
    TransferView,
)
from shared.health import Health
from shared.postgres import Pool, connection
from shared.waiting import Waiters


class Questions:
    """Answers from the book as it is committed."""

    def __init__(self, pool: Pool, waiters: Waiters[str], committed: CommittedReferences, health: Health) -> None:
        self._pool = pool
        self._waiters = waiters
        self._committed = committed
        self._health = health

    async def get_transfer(self, question: GetTransfer) -> TransferView:
        posted = await self._waiters.until(question.reference, lambda: self._committed.has(question.reference), bool, question.wait_seconds)
        return TransferView(reference=question.reference, posted=posted)

    async def get_balances(self, question: GetBalances) -> BalancesView:
        async with connection(self._pool) as db:
            return BalancesView(balances=await reads.balances(db, question.user_ids, question.currency, question.at))

    async def list_transactions(self, question: ListTransactions) -> TransactionPage | Refused:
        try:
            async with connection(self._pool) as db:
                return await reads.transactions(db, question)
        except MalformedCursor as error:
            problem = FieldProblem(loc=("query", "cursor"), msg=str(error))
            return Refused(
                code="invalid_cursor", detail="The cursor is not one of this list.", errors=(problem,), request_id=question.correlation_id
            )

    async def list_transfers(self, question: ListTransfers) -> TransfersView:
        async with connection(self._pool) as db:
            return TransfersView(transfers=await timeline.transfers(db, question.references))

    async def get_held(self) -> HeldView:
        async with connection(self._pool) as db:
            return await reads.held(db)

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
