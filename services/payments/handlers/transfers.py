"""Transfers between two users: written down, moved by wallet as one set, answered; a silent wallet is asked again until it tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import structlog

from services.payments.domain import refusals
from services.payments.domain import transfers as domain
from services.payments.domain.transfers import UserTransfer
from services.payments.handlers.once import Once, check_deadline
from services.payments.handlers.suspense_saga import Moves
from services.payments.ledger import Silent
from services.payments.store import audit, due
from services.payments.store import transfers as store
from shared.contracts.base import utc_now
from shared.contracts.payment_commands import CommandReply, InProgress, Refused
from shared.contracts.transfers import GetUserTransfer, MakeTransfer, UserTransferView
from shared.money import Money
from shared.postgres import Connection, Pool, connection, transaction
from shared.sealing import Seal

log = structlog.get_logger(__name__)

TransferReply = CommandReply[UserTransferView]

STEP_SECONDS: Final = 5.0
"""How long whoever has written it down is believed to be asking wallet; then the saga asks."""


class Contradicted(Exception):
    """Wallet refuses a transfer for what cannot be its reason: somebody has to look, and it is tried again until then."""


@dataclass(frozen=True, slots=True)
class Transfers:
    pool: Pool
    answers: Seal
    ledger: Moves

    @property
    def name(self) -> str:
        return "transfers"

    async def make(self, command: MakeTransfer) -> TransferReply:
        """Makes the transfer once per key; any repeat gets the first answer. In progress while wallet is silent."""
        once: Once[UserTransferView] = Once(self.pool, self.answers, TransferReply)

        async def work(tx: Connection, first_id: UUID | None) -> UserTransfer | TransferReply:
            transfer_id = first_id or command.transfer_id
            known = await store.find(tx, transfer_id)
            if known is None:
                check_deadline(command)
                if command.from_user_id == command.to_user_id:
                    return once.reply(domain.same_user(command.correlation_id))
                known = await _write_down(tx, command, transfer_id)
            return known if known.refusal is None else once.reply(known.refusal)

        begun = await once.begin(command, work, resource_id=command.transfer_id)
        if isinstance(begun, CommandReply):
            return begun
        transfer = await self._move(begun)
        if transfer.status == "pending":
            return once.reply(InProgress(resource_id=transfer.transfer_id))
        if transfer.refusal is not None:
            return await once.refused(command, transfer.refusal)
        async with transaction(self.pool) as tx:
            return await once.keep(tx, command, once.reply(view(transfer)))

    async def take_due(self, limit: int) -> Sequence[UUID]:
        async with transaction(self.pool) as tx:
            return await due.take_due(tx, "transfers", limit)

    async def advance(self, saga_id: UUID) -> None:
        async with connection(self.pool) as db:
            transfer = await store.find(db, saga_id)
        if transfer is not None:
            await self._move(transfer)

    async def one(self, query: GetUserTransfer) -> UserTransferView | Refused:
        try:
            transfer_id = UUID(query.transfer_id)
        except ValueError:
            return domain.not_found(query.correlation_id)
        async with connection(self.pool) as db:
            transfer = await store.find_visible(db, transfer_id, query.viewer_user_id, is_admin=query.viewer_is_admin)
        return domain.not_found(query.correlation_id) if transfer is None else view(transfer)

    async def _move(self, transfer: UserTransfer) -> UserTransfer:
        """The transfer as it has ended; pending while wallet does not tell."""
        if transfer.status != "pending":
            return transfer
        try:
            answer = await self.ledger.move(domain.movement(transfer))
        except Silent:
            return transfer
        refusal: Refused | None = None
        if isinstance(answer, Refused):
            if answer.code != "insufficient_funds":
                raise Contradicted(f"transfer:{transfer.transfer_id}: {answer.code}")
            # For good: wallet does not move it later, whichever of our askings reaches it when.
            refusal = refusals.insufficient_funds(transfer.correlation_id)
        async with transaction(self.pool) as tx:
            await store.end(tx, transfer.transfer_id, refusal)
            ended = await store.find(tx, transfer.transfer_id)
        assert ended is not None
        log.info("transfer", transfer_id=str(ended.transfer_id), status=ended.status, correlation_id=ended.correlation_id)
        return ended


async def _write_down(tx: Connection, command: MakeTransfer, transfer_id: UUID) -> UserTransfer:
    """The new transfer, or the refused one, as it is in the table."""
    now = utc_now()
    transfer = UserTransfer(
        transfer_id=transfer_id,
        from_user_id=command.from_user_id,
        to_user_id=command.to_user_id,
        money=Money(command.amount_minor, command.currency),
        reason=command.reason,
        status="pending",
        requested_by=command.requested_by,
        caller=command.idempotency.caller,
        correlation_id=command.correlation_id,
        created_at=now,
        updated_at=now,
        external_id=command.external_id,
        metadata=command.metadata,
    )
    try:
        await store.insert(tx, transfer, next_in_seconds=STEP_SECONDS)
    except store.ExternalIdReused:
        transfer = replace(transfer, status="failed", refusal=refusals.external_id_reused(command.correlation_id))
        await store.insert(tx, transfer, next_in_seconds=STEP_SECONDS)
        return transfer
    await audit.write_down(
        tx,
        actor=f"user:{command.requested_by}",
        action="transfer.make",
        resource=f"transfer:{transfer_id}",
        request_id=command.correlation_id,
        from_user_id=transfer.from_user_id,
        to_user_id=transfer.to_user_id,
        amount_minor=transfer.money.amount_minor,
        currency=transfer.money.currency,
        reason=transfer.reason,
    )
    return transfer


def view(transfer: UserTransfer) -> UserTransferView:
    return UserTransferView(
        transfer_id=transfer.transfer_id,
        status=transfer.status,
        from_user_id=transfer.from_user_id,
        to_user_id=transfer.to_user_id,
        amount_minor=transfer.money.amount_minor,
        currency=transfer.money.currency,
        reason=transfer.reason,
        external_id=transfer.external_id,
        metadata=dict(transfer.metadata),
        problem=transfer.refusal,
        created_at=transfer.created_at,
        updated_at=transfer.updated_at,
    )
