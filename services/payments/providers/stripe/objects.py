"""Stripe's objects as far as they say anything to us, and what they carry of ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from services.payments.providers.stripe.amounts import from_stripe
from shared.money import Money

SESSION: Final = "purser_session_id"
PAYMENT: Final = "purser_payment_id"
KIND: Final = "purser_kind"
REFUND: Final = "purser_refund_id"

StripeId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,255}$")]
Amount = Annotated[int, Field(strict=True, ge=0, lt=10**15)]
CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[a-z]{3}$")]
Seconds = Annotated[int, Field(strict=True, ge=0, lt=2**33)]
Metadata = Mapping[str, str]


class Charge(BaseModel):
    id: StripeId
    created: Seconds


class Intent(BaseModel):
    """`latest_charge` is an id unless it was asked for as an object."""

    id: StripeId
    status: str
    amount: Amount
    amount_received: Amount
    currency: CurrencyCode
    created: Seconds
    canceled_at: Seconds | None = None
    client_secret: str | None = Field(default=None, repr=False)
    latest_charge: Charge | StripeId | None = None
    metadata: Metadata | None = None

    @property
    def asked(self) -> Money:
        """NotExact where our units cannot say it."""
        return from_stripe(self.amount, self.currency)

    @property
    def received(self) -> Money:
        """NotExact where our units cannot say it."""
        return from_stripe(self.amount_received, self.currency)

    @property
    def session_id(self) -> UUID | None:
        return our_id(self.metadata, SESSION)


class Refund(BaseModel):
    id: StripeId
    status: str | None = None
    amount: Amount
    currency: CurrencyCode
    created: Seconds
    payment_intent: StripeId | None = None
    charge: StripeId | None = None
    failure_reason: str | None = Field(default=None, max_length=500)
    reason: str | None = Field(default=None, max_length=500)
    metadata: Metadata | None = None

    @property
    def money(self) -> Money:
        """NotExact where our units cannot say it."""
        return from_stripe(self.amount, self.currency)

    @property
    def refund_id(self) -> UUID | None:
        return our_id(self.metadata, REFUND)

    @property
    def session_id(self) -> UUID | None:
        return our_id(self.metadata, SESSION)

    @property
    def charge_reference(self) -> str | None:
        return self.payment_intent or self.charge

    @property
    def outcome(self) -> Literal["pending", "succeeded", "failed"]:
        match self.status:
            case "succeeded":
                return "succeeded"
            case "failed" | "canceled":
                return "failed"
            case _:
                # "requires_action" too: the payer has been asked where to send it.
                return "pending"

    @property
    def why_failed(self) -> str:
        return self.failure_reason or self.status or ""


class Dispute(BaseModel):
    id: StripeId
    status: str
    amount: Amount
    currency: CurrencyCode
    payment_intent: StripeId | None = None
    charge: StripeId | None = None

    @property
    def money(self) -> Money:
        """NotExact where our units cannot say it."""
        return from_stripe(self.amount, self.currency)


class IntentPage(BaseModel):
    data: list[Intent] = Field(max_length=100)
    has_more: bool


class RefundPage(BaseModel):
    data: list[Refund] = Field(max_length=100)
    has_more: bool


def our_id(metadata: Metadata | None, key: str) -> UUID | None:
    """What we wrote there as we write it; anything else is somebody else's."""
    text = (metadata or {}).get(key, "")
    try:
        parsed = UUID(text)
    except ValueError:
        return None
    return parsed if str(parsed) == text else None


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def latest_moment(seconds: int) -> datetime:
    """Stripe tells whole seconds, cut off: it was not later than this. A session that we end when its time is over must not look as if it
    had been ended before."""
    return moment(seconds) + timedelta(microseconds=999_999)
