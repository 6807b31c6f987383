"""What payments tells of payments and withdrawals, as tests of those who listen make it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from shared.contracts.payment_events import PaymentCompleted, PaymentUpdated, WithdrawalUpdated

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def subject_id(number: int) -> UUID:
    return UUID(int=number)


def at(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def updated(
    status: str, *, payment: UUID | None = None, seconds: float = 0, users: tuple[str, ...] = ("1", "2"), **more: Any
) -> PaymentUpdated:
    """50.00 usd for a session of mentor 2, paid by 1 through the mock, as of so many seconds after noon."""
    fields: dict[str, Any] = {
        "correlation_id": f"c-{status}",
        "payment_id": payment or subject_id(1),
        "user_ids": users,
        "kind": "payment",
        "status": status,
        "method": "mock",
        "amount_minor": 5000,
        "currency": "usd",
        "updated_at": at(seconds),
    }
    return PaymentUpdated(**(fields | more))


def completed(
    *, payment: UUID | None = None, seconds: float = 0, payer: str | None = "1", user: str | None = "2", **more: Any
) -> PaymentCompleted:
    """The same payment, paid at so many seconds after noon by the provider's clock."""
    fields: dict[str, Any] = {
        "correlation_id": "c-completed",
        "payment_id": payment or subject_id(1),
        "user_id": user,
        "payer_id": payer,
        "provider": "mock",
        "kind": "payment",
        "amount_minor": 5000,
        "fee_minor": 500,
        "currency": "usd",
        "credit_reference": "mock:ch_1",
        "completed_at": at(seconds),
    }
    return PaymentCompleted(**(fields | more))


def withdrawn(status: str, *, withdrawal: UUID | None = None, seconds: float = 0, user: str = "1", **more: Any) -> WithdrawalUpdated:
    """2000.50 rsd of user 1, as of so many seconds after noon."""
    fields: dict[str, Any] = {
        "correlation_id": f"c-{status}",
        "withdrawal_id": withdrawal or subject_id(2),
        "user_id": user,
        "status": status,
        "amount_minor": 200_050,
        "currency": "rsd",
        "updated_at": at(seconds),
    }
    return WithdrawalUpdated(**(fields | more))
