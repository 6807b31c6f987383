"""What payments receives from providers and tells the others."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Base64Bytes, Field

from shared.contracts.base import AmountMinor, Currency, Message, Reference, UserId

PaymentKind = Literal["deposit", "payment", "order"]


class ProviderEventReceived(Message):
    """A provider's webhook, verified at the gateway's edge and kept whole: `headers` (lower-case names) and the exact `body` bytes."""

    type: Literal["provider-event.received.v1"] = "provider-event.received.v1"
    provider: str = Field(max_length=32)
    headers: dict[str, str]
    body: Base64Bytes


class PaymentCompleted(Message):
    """A payment was proved: the money is to be credited, once. `credit_reference` is the provider and its own charge reference, the same
    from webhook, reconciler and confirm: wallet's dedupe key. `fee_minor` of the amount stay with the platform."""

    type: Literal["payment.completed.v1"] = "payment.completed.v1"
    payment_id: UUID
    user_id: UserId | None = Field(description="whose balance is credited; none: the platform's revenue")
    payer_id: UserId | None = Field(default=None, description="who paid; none: a guest, or the credited user")
    provider: str = Field(max_length=32)
    kind: PaymentKind = "deposit"
    amount_minor: AmountMinor
    fee_minor: int = Field(default=0, ge=0, description="below the amount")
    currency: Currency
    credit_reference: Reference
    description: str = Field(default="", max_length=500)
    completed_at: AwareDatetime


class PaymentUpdated(Message):
    """A payment's state as it is told now, for those who may see it. Completions are told by payment.completed."""

    type: Literal["payment.updated.v1"] = "payment.updated.v1"
    payment_id: UUID
    user_ids: tuple[UserId, ...] = Field(max_length=2, description="payer and mentor, where there are")
    kind: PaymentKind
    status: str = Field(max_length=32)
    method: str = Field(max_length=32)
    amount_minor: AmountMinor
    refunded_amount_minor: int = Field(default=0, ge=0)
    currency: Currency
    updated_at: AwareDatetime


class WithdrawalUpdated(Message):
    """A withdrawal's state, for its owner."""

    type: Literal["withdrawal.updated.v1"] = "withdrawal.updated.v1"
    withdrawal_id: UUID
    user_id: UserId
    status: str = Field(max_length=32)
    amount_minor: AmountMinor
    currency: Currency
    reason: str | None = Field(default=None, max_length=500, description="why it was rejected or failed")
    updated_at: AwareDatetime
