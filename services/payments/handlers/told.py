"""What the others are told of a payment that moved: wallet credits a completed one, open pages show the rest."""

from __future__ import annotations

from services.payments.domain.payments import PAID_FROM_BALANCE, Payment, Status
from shared.contracts.base import utc_now
from shared.contracts.payment_events import PaymentCompleted, PaymentUpdated


def completed(payment: Payment, correlation_id: str) -> PaymentCompleted:
    """The credit of a payment whose paying was proved."""
    assert payment.credit_reference is not None
    assert payment.completed_at is not None
    return PaymentCompleted(
        correlation_id=correlation_id,
        payment_id=payment.payment_id,
        user_id=payment.credited_id,
        payer_id=payment.user_id,
        provider=payment.provider,
        kind=payment.kind,
        amount_minor=payment.money.amount_minor,
        fee_minor=payment.fee_minor,
        currency=payment.money.currency,
        credit_reference=payment.credit_reference,
        description=payment.description,
        completed_at=payment.completed_at,
    )


def updated(payment: Payment, correlation_id: str) -> PaymentUpdated:
    """The payment's state as it is told now."""
    return PaymentUpdated(
        correlation_id=correlation_id,
        payment_id=payment.payment_id,
        user_ids=tuple(dict.fromkeys(user for user in (payment.user_id, payment.mentor_id) if user is not None)),
        kind=payment.kind,
        status=payment.told_at(utc_now()),
        method=payment.provider,
        amount_minor=payment.money.amount_minor,
        refunded_amount_minor=payment.refunded_minor,
        currency=payment.money.currency,
        # Written under the payment's lock: a later state has a later time, whatever the provider's clock says.
        updated_at=utc_now(),
    )


def moved(payment: Payment, correlation_id: str) -> tuple[str, PaymentCompleted | PaymentUpdated]:
    """The outbox's key and event of a payment that settling has moved."""
    # What was paid from the balance or out of suspense is moved by command: it is told to pages only.
    credits = payment.status is Status.COMPLETED and payment.provider != PAID_FROM_BALANCE and payment.booked_as is None
    return outbox_key(payment), completed(payment, correlation_id) if credits else updated(payment, correlation_id)


def outbox_key(payment: Payment) -> str:
    """Events of one key leave in their order: an owner's, or a guest's payment's."""
    return payment.credited_id or str(payment.payment_id)
