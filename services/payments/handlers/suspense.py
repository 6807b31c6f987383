"""Suspense as operators see it: items listed, and each given to a user or a payment, sent back or written off, by one decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.payments.domain import suspense as domain
from services.payments.domain.payments import Payment
from services.payments.domain.suspense import Decided, Item
from services.payments.handlers.locked import Locked
from services.payments.handlers.once import Once, check_deadline
from services.payments.handlers.settlement import Settlement
from services.payments.handlers.suspense_saga import SuspenseSaga
from services.payments.store import audit
from services.payments.store import payments as payment_store
from services.payments.store import suspense as store
from services.payments.store.cursors import MalformedCursor
from shared.contracts.base import utc_now
from shared.contracts.payment_commands import CommandReply, InProgress, Refused
from shared.contracts.suspense import DecideSuspenseItem, GetSuspenseItem, ListSuspenseItems, SuspenseItemView, SuspensePage
from shared.postgres import Connection, Pool, connection, transaction
from shared.sealing import Seal

SuspenseReply = CommandReply[SuspenseItemView]

STEP_SECONDS: Final = 5.0
"""How long whoever has decided is believed to be at the steps that follow; then the saga goes on."""

_DETAILS: Final = {
    "suspense_item_not_found": "There is no such item.",
    "suspense_item_decided": "It has been decided what becomes of this item.",
    "payment_not_found": "There is no such payment.",
    "payment_not_assignable": "The item cannot pay this payment: it was refused, or is another provider's.",
    "already_paid": "The payment, or its order, has been paid.",
    "amount_mismatch": "The item's amount is not the payment's; nothing was moved.",
    "refund_declined": "The provider declined to send it back; the item is open.",
}


@dataclass(frozen=True, slots=True)
class Suspense:
    """`settlement` writes payments that items complete; `wake`: something is due for the sagas."""

    pool: Pool
    answers: Seal
    saga: SuspenseSaga
    settlement: Settlement
    wake: Callable[[], None]

    async def decide(self, command: DecideSuspenseItem) -> SuspenseReply:
        """The item as it was decided, once its money has moved; in progress while wallet or the provider does not tell. One decision
        succeeds, all others are refused; its repeat under the same key gets the same answer."""
        once: Once[SuspenseItemView] = Once(self.pool, self.answers, SuspenseReply)
        completed: list[Payment] = []

        async def work(tx: Connection, first_id: UUID | None) -> Item | SuspenseReply:
            decision_id = first_id or command.decision_id
            item_id = _uuid(command.item_id)
            item = None if item_id is None else await store.find(tx, item_id)
            if item is None:
                return once.reply(_refused("suspense_item_not_found", command))
            if _is(item, decision_id):
                return item
            check_deadline(command)
            code, payment = await self._decide(tx, item, command, decision_id)
            if code == "refund_not_supported":
                return once.reply(_refused(code, command, f"{item.provider} has no operation refund."))
            if code is not None:
                return once.reply(_refused(code, command))
            if payment is not None:
                completed.append(payment)
            decided = await store.find(tx, item.item_id)
            assert decided is not None
            return decided

        begun = await once.begin(command, work, resource_id=command.decision_id)
        if isinstance(begun, CommandReply):
            return begun
        assert begun.decided is not None
        self.settlement.wake(completed)
        declined = await self.saga.go_on(begun.item_id)
        if declined is not None:
            return await once.refused(command, _refused("refund_declined", command, f"The provider declined to send it back: {declined}."))
        async with transaction(self.pool) as tx:
            item = await store.find(tx, begun.item_id)
            assert item is not None
            if not _is(item, begun.decided.decision_id):
                # The saga was told so, at the same time.
                return await once.keep(tx, command, once.reply(_refused("refund_declined", command)))
            if item.status == "open":
                self.wake()
                return once.reply(InProgress(resource_id=item.item_id))
            return await once.keep(tx, command, once.reply(view(item)))

    async def _decide(
        self, tx: Connection, item: Item, command: DecideSuspenseItem, decision_id: UUID
    ) -> tuple[str | None, Payment | None]:
        """Writes the decision; why not, and the payment that it completes."""
        if item.decided is not None:
            return "suspense_item_decided", None
        payment: Payment | None = None
        if command.decision == "assign_payment":
            found = await _lock_assignable(tx, item, command.payment_id)
            if isinstance(found, str):
                return found, None
            payment = found
        if command.decision == "refund" and item.provider not in self.saga.refunds:
            return "refund_not_supported", None
        decided = Decided(
            decision=command.decision,
            decision_id=decision_id,
            by=f"user:{command.actor_user_id}",
            at=utc_now(),
            user_id=command.user_id if command.decision == "assign_user" else None,
            payment_id=None if payment is None else payment.payment_id,
            reference=command.reference,
            reason=command.reason,
        )
        if not await store.decide(tx, item.item_id, decided, next_in_seconds=STEP_SECONDS):
            return "suspense_item_decided", None
        if payment is not None:
            payment = domain.paid_by(item, payment, decided.at)
            await self.settlement.write(tx, [(payment, command.correlation_id)])
        await _write_audit(tx, item, decided, command.correlation_id)
        return None, payment

    async def one(self, query: GetSuspenseItem) -> SuspenseItemView | Refused:
        item_id = _uuid(query.item_id)
        async with connection(self.pool) as db:
            item = None if item_id is None else await store.find(db, item_id)
        if item is None:
            code = "suspense_item_not_found"
            return Refused(code=code, detail=_DETAILS[code], request_id=query.correlation_id)
        return view(item)

    async def page(self, query: ListSuspenseItems) -> SuspensePage | Refused:
        try:
            async with connection(self.pool) as db:
                items, next_cursor = await store.page(db, query.status, query.limit, query.cursor)
        except MalformedCursor:
            return Refused(code="invalid_cursor", detail="The cursor is not one of ours.", request_id=query.correlation_id)
        return SuspensePage(items=tuple(view(item) for item in items), next_cursor=next_cursor)


async def _lock_assignable(tx: Connection, item: Item, payment_id: str | None) -> Payment | str:
    """The payment, locked with its order, or why the item cannot pay it."""
    asked = None if payment_id is None else _uuid(payment_id)
    found = None if asked is None else await payment_store.find_payment(tx, asked)
    if found is None:
        return "payment_not_found"
    if found.session_id is None:
        return "payment_not_assignable"
    locked = await Locked.of(tx, [found.session_id])
    payment = locked.payments[found.session_id]
    order = None if payment.order_id is None else locked.orders.get(payment.order_id)
    if order is not None and order.paid_payment_id is not None:
        return "already_paid"
    return domain.why_not_assignable(item, payment) or payment


async def _write_audit(tx: Connection, item: Item, decided: Decided, request_id: str) -> None:
    await audit.write_down(
        tx,
        actor=decided.by,
        action="suspense.assign" if decided.decision in ("assign_user", "assign_payment") else f"suspense.{decided.decision}",
        resource=item.reference,
        request_id=request_id,
        provider=item.provider,
        charge_reference=item.charge_reference,
        amount_minor=item.money.amount_minor,
        currency=item.money.currency,
        user_id=decided.user_id,
        payment_id=decided.payment_id,
        reference=decided.reference,
        reason=decided.reason,
    )


def view(item: Item) -> SuspenseItemView:
    decided = item.decided
    return SuspenseItemView(
        item_id=item.item_id,
        provider=item.provider,
        reference=item.charge_reference,
        session_id=item.session_id,
        payment_id=item.payment_id,
        amount_minor=item.money.amount_minor,
        currency=item.money.currency,
        reason=item.reason,
        status=item.status,
        assigned_user_id=None if decided is None else decided.user_id,
        assigned_payment_id=None if decided is None else decided.payment_id,
        decided_by=None if decided is None else decided.by,
        decided_at=None if decided is None else decided.at,
        decision_reference=None if decided is None else decided.reference,
        decision_reason=None if decided is None else decided.reason,
        created_at=item.created_at,
    )


def _is(item: Item, decision_id: UUID) -> bool:
    return item.decided is not None and item.decided.decision_id == decision_id


def _refused(code: str, command: DecideSuspenseItem, detail: str | None = None) -> Refused:
    return Refused(code=code, detail=detail or _DETAILS[code], request_id=command.correlation_id)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
