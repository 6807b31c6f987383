"""Payment intents: paying for a coaching session, and what can be done with a payment that is under way."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.contracts.base import AmountMinor, Currency, Reply, UserId
from shared.contracts.payment_commands import Command, ExternalId, Metadata, SignedEvent
from shared.contracts.sessions import CoachingSessionId


class CreateIntent(Command):
    """Pay for a session: at a provider, or at once from the payer's balance. Refused: session_not_found; mentor_not_found; own_session;
    amount_mismatch; method_not_available; provider_not_configured; external_id_reused; insufficient_funds."""

    type: Literal["create-intent.v1"] = "create-intent.v1"
    payment_id: UUID
    user_id: UserId = Field(description="the payer")
    session_id: CoachingSessionId
    mentor_id: UserId
    amount_minor: AmountMinor
    currency: Currency
    method: str | None = Field(default=None, max_length=32, description="none: Stripe where it is on, else the mock where that is")
    description: str = Field(default="", max_length=500)
    locale: str = Field(default="en", max_length=8)
    external_id: ExternalId | None = None
    metadata: Metadata = Field(default_factory=dict)


class IntentCreated(Reply):
    """`client_secret` is what the payer's page confirms it with, none where there is nothing to confirm."""

    type: Literal["intent-created.v1"] = "intent-created.v1"
    payment_id: UUID
    status: Literal["pending", "completed"]
    amount_minor: AmountMinor
    currency: Currency
    method: str
    session_id: CoachingSessionId
    mentor_id: UserId
    client_secret: str | None = Field(repr=False)
    payment_url: str | None
    expires_at: AwareDatetime | None


class ConfirmPayment(Command):
    """Ask the provider what became of the payment; the mock is made to pay it. Refused: payment_not_found; forbidden; session_final."""

    type: Literal["confirm-payment.v1"] = "confirm-payment.v1"
    payment_id: str = Field(max_length=100)
    user_id: UserId
    is_admin: bool = False


class PaymentConfirmed(Reply):
    """`status` as it is told, or, with an `event`, as it will be when that has taken the road of every provider's event."""

    type: Literal["payment-confirmed.v1"] = "payment-confirmed.v1"
    payment_id: UUID
    status: str = Field(max_length=32)
    amount_minor: AmountMinor
    currency: Currency
    method: str
    event: SignedEvent | None = None


class CancelPayment(Command):
    """Give a payment up that nobody has paid. Refused: payment_not_found; forbidden; already_paid; session_final;
    payment_not_cancelable."""

    type: Literal["cancel-payment.v1"] = "cancel-payment.v1"
    payment_id: str = Field(max_length=100)
    user_id: UserId
    is_admin: bool = False


class PaymentCanceled(Reply):
    type: Literal["payment-canceled.v1"] = "payment-canceled.v1"
    payment_id: UUID
    amount_minor: AmountMinor
    currency: Currency
    method: str
