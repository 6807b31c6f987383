"""Payments with the orders that they pay, locked together, so that what a provider says of one session is decided knowing the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from services.payments.domain import orders, payments
from services.payments.domain.facts import Paid, SessionFact
from services.payments.domain.orders import Matched, Order
from services.payments.domain.payments import Decision, Mismatch, Moved, Payment, Status
from services.payments.store import charges
from services.payments.store import orders as order_store
from services.payments.store import payments as payment_store
from shared.postgres import Connection


@dataclass(frozen=True, slots=True)
class Locked:
    """What is locked, as the decisions so far have left it. `payments` are by session, and hold the other sessions of their orders too.
    `booked`: the payments that charges have been booked as, by the credit's reference."""

    payments: dict[UUID, Payment]
    orders: dict[UUID, Order]
    booked: dict[str, UUID]

    @classmethod
    async def of(cls, tx: Connection, session_ids: Sequence[UUID], proofs: Sequence[Paid] = ()) -> Locked:
        """Locked until the transaction's end: payments first, then their orders, each in the order of their ids. `proofs`: what is going
        to be settled; a charge that is booked at the same time is found by the constraint, and after that here."""
        found = await payment_store.lock_with_siblings(tx, session_ids)
        order_ids = {payment.order_id for payment in found.values() if payment.order_id is not None}
        orders = await order_store.lock_orders(tx, sorted(order_ids))
        named = [f"{found[proof.session_id].provider}:{proof.charge_reference}" for proof in proofs if proof.session_id in found]
        return cls(found, orders, await charges.booked_as(tx, named))

    def settle(self, fact: SessionFact) -> Decision | Matched:
        """The decision on `fact`, taken note of, so that the next one of the batch sees it."""
        payment = self.payments.get(fact.session_id)
        order = None if payment is None or payment.order_id is None else self.orders.get(payment.order_id)
        if payment is None or order is None:
            decision: Decision | Matched = payments.settle(payment, fact)
        else:
            paid = next((one for one in self.payments.values() if one.payment_id == order.paid_payment_id), None)
            decision = orders.settle(order, paid, payment, fact)
        if isinstance(decision, Moved) and self._is_anothers(decision.payment):
            decision = Mismatch("reference_in_use")
        if isinstance(decision, (Moved, Matched)):
            self._note(decision, order)
        return decision

    def _is_anothers(self, payment: Payment) -> bool:
        """Is the charge that completes it booked as another payment? An operator may have named it there by mistake."""
        if payment.status is not Status.COMPLETED or payment.credit_reference is None:
            return False
        return self.booked.setdefault(payment.credit_reference, payment.payment_id) != payment.payment_id

    def _note(self, decision: Moved | Matched, order: Order | None) -> None:
        payment = decision.payment
        assert payment.session_id is not None
        self.payments[payment.session_id] = payment
        if order is None:
            return
        if isinstance(decision, Matched):
            self.orders[order.order_id] = replace(order, matched=True)
        elif payment.status is Status.COMPLETED:
            self.orders[order.order_id] = orders.paid_by(order, payment)


async def write_matched(tx: Connection, matched: Sequence[Payment]) -> None:
    """Payments of marked orders under the charge's own reference; nothing is booked."""
    for payment in matched:
        assert payment.charge_reference is not None
        await payment_store.save_charge_reference(tx, payment.payment_id, payment.charge_reference)
    if matched:
        await order_store.note_matched(tx, [payment.order_id for payment in matched if payment.order_id is not None])
