"""Withdrawals as they are asked for, decided and looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

import orjson
import structlog

from services.payments.domain import capabilities, refusals
from services.payments.domain import withdrawal_decisions as decisions
from services.payments.domain.capabilities import ANY_AMOUNT, AmountRange
from services.payments.domain.withdrawal_decisions import Actor, Against, Known, Moved, NotHeldYet, Verdict
from services.payments.domain.withdrawals import MANUAL, Status, Step, Withdrawal, refused
from services.payments.handlers import destinations
from services.payments.handlers.destinations import Destination
from services.payments.handlers.once import Once, check_deadline
from services.payments.handlers.withdrawal_saga import STEP_SECONDS, WithdrawalSaga
from services.payments.store import audit
from services.payments.store import withdrawals as store
from services.payments.store.cursors import MalformedCursor
from shared.contracts.base import utc_now
from shared.contracts.payment_commands import CommandReply, InProgress, Refused
from shared.contracts.withdrawals import (
    BankAccount,
    CreateWithdrawal,
    DecidedBy,
    DecideWithdrawal,
    GetWithdrawal,
    ListWithdrawals,
    ShownDestination,
    WithdrawalPage,
    WithdrawalView,
)
from shared.delivery.errors import NotYet
from shared.money import Money
from shared.postgres import Connection, connection, transaction
from shared.sealing import Seal

log = structlog.get_logger(__name__)

WithdrawalReply = CommandReply[WithdrawalView]

OVERDUE: Final = timedelta(days=1)
"""A payout whose outcome is unknown for so long may be resolved by hand."""

_UNDER_WAY: Final = (Step.SETTLING, Step.RELEASING, Step.RETURNING)
"""Decided; wallet has not done its part yet."""


class _NotHeldYet(Exception):
    """Wallet has not told whether the money is held; there is nothing to approve yet."""


@dataclass(frozen=True, slots=True)
class Withdrawals:
    """`payout_method`: how new ones are paid out; none: not at all. `wake`: tells the saga's runner that something is due now.
    `currencies`: what that method takes."""

    saga: WithdrawalSaga
    answers: Seal
    payout_method: str | None
    wake: Callable[[], None]
    currencies: Mapping[str, AmountRange] = field(default_factory=lambda: ANY_AMOUNT)

    async def create(self, command: CreateWithdrawal) -> WithdrawalReply:
        """Holds the money once per key; any repeat gets the first answer. In progress while wallet is silent."""
        once: Once[WithdrawalView] = Once(self.saga.pool, self.answers, WithdrawalReply)

        async def work(tx: Connection, first_id: UUID | None) -> UUID | WithdrawalReply:
            withdrawal_id = first_id or command.withdrawal_id
            known = await store.find(tx, withdrawal_id)
            if known is None:
                check_deadline(command)
                known = await self._write_down(tx, command, withdrawal_id)
            return withdrawal_id if known.refusal is None else once.reply(known.refusal)

        begun = await once.begin(command, work, resource_id=command.withdrawal_id)
        if isinstance(begun, CommandReply):
            return begun
        withdrawal = await self.saga.go_on(begun)
        if withdrawal.refusal is not None:
            return await once.refused(command, withdrawal.refusal)
        if withdrawal.step is Step.APPROVED:
            self.wake()
        known = withdrawal.step is not Step.RESERVING
        async with transaction(self.saga.pool) as tx:
            answer = _view(withdrawal) if known else InProgress(resource_id=withdrawal.withdrawal_id)
            return await once.keep(tx, command, once.reply(answer))

    async def decide(self, command: DecideWithdrawal) -> WithdrawalReply:
        """The withdrawal after the decision; the same one again gives the same. In progress while wallet has not done its part.
        NotYet for an approval before the money is held."""
        try:
            return await self._decide(command)
        except _NotHeldYet:
            await self.saga.go_on(UUID(command.withdrawal_id))
        try:
            return await self._decide(command)
        except _NotHeldYet as error:
            raise NotYet("wallet did not tell whether the money is held") from error

    async def _decide(self, command: DecideWithdrawal) -> WithdrawalReply:
        once: Once[WithdrawalView] = Once(self.saga.pool, self.answers, WithdrawalReply)
        actor = Actor(command.actor_user_id, command.actor_is_admin)

        async def work(tx: Connection, _: UUID | None) -> Withdrawal | WithdrawalReply:
            withdrawal = await _lock_visible(tx, command)
            if withdrawal is None:
                return once.reply(_not_found(command.correlation_id))
            match _verdict(withdrawal, actor, command):
                case Moved(moved):
                    check_deadline(command)
                    lease = 0 if moved.step is Step.APPROVED else STEP_SECONDS
                    await self.saga.write(tx, withdrawal, moved, next_in_seconds=lease)
                    if command.decision != "cancel":
                        await _write_audit(tx, withdrawal, actor, command)
                    return moved
                case Known():
                    return withdrawal
                case NotHeldYet():
                    check_deadline(command)
                    raise _NotHeldYet
                case Against(code, detail):
                    return once.reply(Refused(code=code, detail=detail, request_id=command.correlation_id))

        begun = await once.begin(command, work)
        if isinstance(begun, CommandReply):
            return begun
        self.saga.relay.wake()
        known = command.decision == "approve"
        if known:
            self.wake()
        else:
            begun = await self.saga.go_on(begun.withdrawal_id)
            known = begun.step not in _UNDER_WAY
        async with transaction(self.saga.pool) as tx:
            answer = _view(begun, for_admin=actor.is_admin) if known else InProgress(resource_id=begun.withdrawal_id)
            return await once.keep(tx, command, once.reply(answer))

    async def get(self, query: GetWithdrawal) -> WithdrawalView | Refused:
        withdrawal_id = _uuid(query.withdrawal_id)
        if withdrawal_id is None:
            return _not_found(query.correlation_id)
        async with connection(self.saga.pool) as db:
            found = await store.find_visible(db, withdrawal_id, query.viewer_user_id, is_admin=query.viewer_is_admin)
        if found is None:
            return _not_found(query.correlation_id)
        view = _for_admin(found) if query.viewer_is_admin else _view(found)
        if query.viewer_is_admin and found.payout_method == MANUAL and found.destination is not None:
            return view.model_copy(update={"destination": self._in_full(found.destination)})
        return view

    async def page(self, query: ListWithdrawals) -> WithdrawalPage | Refused:
        wanted = store.Filter(query.user_id, query.status, query.currency, query.external_id, query.since, query.until)
        try:
            async with connection(self.saga.pool) as db:
                found, next_cursor = await store.page(db, wanted, query.limit, query.cursor)
        except MalformedCursor:
            return Refused(code="invalid_cursor", detail="The cursor is not one of ours.", request_id=query.correlation_id)
        return WithdrawalPage(items=tuple(_for_admin(one) if query.for_admin else _view(one) for one in found), next_cursor=next_cursor)

    def _in_full(self, sealed: bytes) -> ShownDestination:
        """Whoever pays it out by hand has to know where to."""
        told = BankAccount.model_validate_json(self.saga.seal.open(sealed))
        return ShownDestination(type=told.type, account=told.account, name=told.name)

    async def _write_down(self, tx: Connection, command: CreateWithdrawal, withdrawal_id: UUID) -> Withdrawal:
        """The new withdrawal, or a refused one: a poller learns why."""
        now = utc_now()
        money = Money(command.amount_minor, command.currency)
        reached = await self._reach(tx, command, money)
        destination = destinations.as_asked(command.destination) if isinstance(reached, Refused) else reached
        withdrawal = Withdrawal(
            withdrawal_id=withdrawal_id,
            user_id=command.user_id,
            money=money,
            destination=self.saga.seal.close(orjson.dumps(destination.details)),
            destination_type=destination.type,
            account_masked=destination.account,
            name_masked=destination.name,
            payout_method=self.payout_method or "none",
            status=Status.PENDING,
            step=Step.RESERVING,
            caller=command.idempotency.caller,
            correlation_id=command.correlation_id,
            created_at=now,
            updated_at=now,
            external_id=command.external_id,
            metadata=command.metadata,
        )
        if isinstance(reached, Refused):
            withdrawal = refused(withdrawal, reached, now)
        try:
            await store.insert(tx, withdrawal, next_in_seconds=STEP_SECONDS)
        except store.ExternalIdReused:
            withdrawal = refused(withdrawal, refusals.external_id_reused(command.correlation_id), now)
            await store.insert(tx, withdrawal, next_in_seconds=STEP_SECONDS)
        log.info(
            "withdrawal asked for",
            withdrawal_id=str(withdrawal_id),
            amount_minor=command.amount_minor,
            currency=command.currency,
            refused=None if withdrawal.refusal is None else withdrawal.refusal.code,
            correlation_id=command.correlation_id,
        )
        return withdrawal

    async def _reach(self, tx: Connection, command: CreateWithdrawal, money: Money) -> Destination | Refused:
        if self.payout_method is None:
            return Refused(code="payouts_not_available", detail="There are no payouts here.", request_id=command.correlation_id)
        refusal = capabilities.not_taken(self.payout_method, self.currencies, money, command.correlation_id)
        return await destinations.reach(tx, command, self.payout_method) if refusal is None else refusal


async def _lock_visible(tx: Connection, command: DecideWithdrawal) -> Withdrawal | None:
    withdrawal_id = _uuid(command.withdrawal_id)
    if withdrawal_id is None:
        return None
    visible = await store.find_visible(tx, withdrawal_id, command.actor_user_id, is_admin=command.actor_is_admin)
    return None if visible is None else await store.lock(tx, withdrawal_id)


def _verdict(withdrawal: Withdrawal, actor: Actor, command: DecideWithdrawal) -> Verdict:
    now = utc_now()
    reference, reason = command.reference or "", command.reason or ""
    match command.decision:
        case "approve":
            return decisions.approve(withdrawal, actor, now)
        case "reject":
            return decisions.reject(withdrawal, actor, reason, now)
        case "cancel":
            return decisions.cancel(withdrawal, actor, now)
        case "mark_paid":
            return decisions.mark_paid(withdrawal, actor, reference, now)
        case "mark_failed":
            return decisions.mark_failed(withdrawal, actor, reason, now)
        case "mark_returned":
            return decisions.mark_returned(withdrawal, actor, reference, now)
        case "resolve_paid":
            return decisions.resolve_paid(withdrawal, actor, command.reference, unknown_before=now - OVERDUE, now=now)
        case "resolve_failed":
            return decisions.resolve_failed(withdrawal, actor, reason or "it could not be paid out", unknown_before=now - OVERDUE, now=now)


async def _write_audit(tx: Connection, withdrawal: Withdrawal, actor: Actor, command: DecideWithdrawal) -> None:
    await audit.write_down(
        tx,
        actor=actor.name,
        action=f"withdrawal.{command.decision}",
        resource=f"withdrawal:{withdrawal.withdrawal_id}",
        request_id=command.correlation_id,
        amount_minor=withdrawal.money.amount_minor,
        currency=withdrawal.money.currency,
        reference=command.reference,
        reason=command.reason,
    )


def _for_admin(withdrawal: Withdrawal) -> WithdrawalView:
    """With what may be decided at this moment; that is in no kept answer."""
    now = utc_now()
    return _view(withdrawal, for_admin=True).model_copy(
        update={"possible": decisions.possible(withdrawal, unknown_before=now - OVERDUE, now=now)}
    )


def _view(withdrawal: Withdrawal, *, for_admin: bool = False) -> WithdrawalView:
    decided = None
    if for_admin and withdrawal.decision is not None and withdrawal.decided_by is not None and withdrawal.decided_at is not None:
        decided = DecidedBy(
            decision=withdrawal.decision, by=withdrawal.decided_by, at=withdrawal.decided_at, reason=withdrawal.decision_reason
        )
    return WithdrawalView(
        withdrawal_id=withdrawal.withdrawal_id,
        user_id=withdrawal.user_id,
        status=withdrawal.status,
        amount_minor=withdrawal.money.amount_minor,
        currency=withdrawal.money.currency,
        method=withdrawal.payout_method,
        destination=ShownDestination(type=withdrawal.destination_type, account=withdrawal.account_masked, name=withdrawal.name_masked),
        reference=withdrawal.reference,
        reason=withdrawal.reason,
        external_id=withdrawal.external_id,
        metadata=dict(withdrawal.metadata),
        problem=withdrawal.refusal,
        for_admin=for_admin,
        decided=decided,
        created_at=withdrawal.created_at,
        updated_at=withdrawal.updated_at,
    )


def _not_found(request_id: str) -> Refused:
    return Refused(code="withdrawal_not_found", detail="There is no such withdrawal.", request_id=request_id)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
