"""What payments receives from providers and tells the others."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Base64Bytes, Field

from shared.contracts.base import AmountMinor, Currency, Message, Reference, UserId


class ProviderEventReceived(Message):
    """A provider's webhook, verified at the gateway's edge and kept whole: `headers` (lower-case names) and the exact `body` bytes."""

    type: Literal["provider-event.received.v1"] = "provider-event.received.v1"
    provider: str = Field(max_length=32)
    headers: dict[str, str]
    body: Base64Bytes


class PaymentCompleted(Message):
    """A provider proved a payment: the owner is to be credited, once. `credit_reference` is the provider and its own charge reference, the
    same from webhook, reconciler and confirm: wallet's dedupe key."""

    type: Literal["payment.completed.v1"] = "payment.completed.v1"
    payment_id: UUID
    user_id: UserId
    provider: str = Field(max_length=32)
    kind: Literal["deposit"] = "deposit"
    amount_minor: AmountMinor
    currency: Currency
    credit_reference: Reference
    description: str = Field(default="", max_length=500)
    completed_at: AwareDatetime
