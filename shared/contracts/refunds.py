"""Refunds: the command that asks for one, the questions about them, and the answers."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts.base import AmountMinor, Currency, Message, Reply, UserId
from shared.contracts.payment_commands import Command, ExternalId, Metadata, Refused

RefundStatus = Literal["pending", "succeeded", "failed"]
RefundOrigin = Literal["request", "provider", "manual"]

MAX_REFUNDS = 100


class RefundPayment(Command):
    """Send money of a payment back to its payer. `amount_minor` none: all that is left. `force` and `manual_reference` are an admin's:
    take what there is, the platform bears the rest; and record what was sent back at the provider's own site."""

    type: Literal["refund-payment.v1"] = "refund-payment.v1"
    refund_id: UUID
    payment_id: str = Field(max_length=100)
    requested_by: UserId
    requested_by_admin: bool = False
    amount_minor: AmountMinor | None = None
    reason: str = Field(default="", max_length=500)
    force: bool = False
    manual_reference: str | None = Field(default=None, min_length=1, max_length=255)
    external_id: ExternalId | None = None
    metadata: Metadata = Field(default_factory=dict)


class RefundMade(Reply):
    """The refund as it was when the provider had answered: pending only if the provider said so. `status` and `refunded_amount_minor` are
    the payment's: they count what is back."""

    type: Literal["refund-made.v1"] = "refund-made.v1"
    payment_id: UUID
    refund_id: UUID
    refund_status: RefundStatus
    status: str
    refunded_amount_minor: int = Field(ge=0)
    amount_minor: int
    currency: Currency
    reason: str = ""
    failure_reason: str | None = None
    external_id: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    created_at: AwareDatetime


class RefundItem(BaseModel):
    """A refund as payer, mentor and admin see it."""

    model_config = ConfigDict(frozen=True)
    refund_id: UUID
    refund_status: RefundStatus
    amount_minor: int
    currency: Currency
    origin: RefundOrigin
    reason: str
    failure_reason: str | None
    external_id: str | None
    metadata: dict[str, str]
    created_at: AwareDatetime
    updated_at: AwareDatetime
    settled_at: AwareDatetime | None


class GetRefund(Message):
    """A refund as `viewer` may see it: the payer, the mentor who was paid, an admin; a refused request also for whoever made it."""

    type: Literal["get-refund.v1"] = "get-refund.v1"
    payment_id: str = Field(max_length=100)
    refund_id: str = Field(max_length=100)
    viewer_user_id: UserId
    viewer_is_admin: bool = False


class RefundView(Reply):
    """`status` and `refunded_amount_minor` are the payment's."""

    type: Literal["refund-view.v1"] = "refund-view.v1"
    payment_id: UUID
    status: str
    refunded_amount_minor: int = Field(ge=0)
    refund: RefundItem
    problem: Refused | None = Field(default=None, description="why it failed, when that was a decision of ours")


class RefundRefused(Reply):
    """A request for a refund that was refused before anything was done for it."""

    type: Literal["refund-refused.v1"] = "refund-refused.v1"
    refund_id: UUID
    problem: Refused


class ListRefunds(Message):
    """Refunds of a payment, newest first, without refused requests. `cursor` is payments' own, opaque."""

    type: Literal["list-refunds.v1"] = "list-refunds.v1"
    payment_id: str = Field(max_length=100)
    viewer_user_id: UserId
    viewer_is_admin: bool = False
    external_id: ExternalId | None = None
    limit: int = Field(default=20, ge=1, le=MAX_REFUNDS)
    cursor: str | None = Field(default=None, max_length=4000)


class RefundPage(Reply):
    type: Literal["refund-page.v1"] = "refund-page.v1"
    payment_id: UUID
    items: tuple[RefundItem, ...]
    next_cursor: str | None
