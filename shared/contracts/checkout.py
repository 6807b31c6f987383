"""How something can be paid: the methods that are on, and the page of ours on which a payer gives a provider's own form their card."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts.base import AmountMinor, Currency, Message, Reply, UserId

Purpose = Literal["deposit", "session", "order"]


class GetCheckout(Message):
    """A session that is paid on our own page: an order's for whoever knows it, another's for its payer. Refused: session_not_found."""

    type: Literal["get-checkout.v1"] = "get-checkout.v1"
    session_id: UUID
    viewer_user_id: UserId | None


class CheckoutView(Reply):
    """`client_secret` is with it only while the payment is pending and the provider has its session: with it, the payer's browser can
    finish the payment. The paths are those of our own pages, in the payment's language."""

    type: Literal["checkout-view.v1"] = "checkout-view.v1"
    session_id: UUID
    payment_id: UUID
    kind: str
    order_id: UUID | None
    coaching_session_id: str | None = None
    status: str = Field(description="the payment's, as it is told")
    amount_minor: AmountMinor
    currency: Currency
    title: str
    locale: str
    client_secret: str | None = Field(repr=False)
    success_path: str
    failure_path: str
    expires_at: AwareDatetime | None


class ListMethods(Message):
    """What can be paid how."""

    type: Literal["list-methods.v1"] = "list-methods.v1"


class AmountLimits(BaseModel):
    """Whole multiples of `step_minor` from `minimum_minor` to `maximum_minor`, all in minor units."""

    model_config = ConfigDict(frozen=True)
    currency: Currency
    minimum_minor: AmountMinor
    maximum_minor: AmountMinor
    step_minor: AmountMinor


class MethodView(BaseModel):
    """`capabilities`: what can be done with its payments later; of refund, status, cancel, payout, dispute."""

    model_config = ConfigDict(frozen=True)
    method: str
    pays_for: tuple[Purpose, ...]
    limits: tuple[AmountLimits, ...]
    capabilities: tuple[str, ...]


class PayoutsView(BaseModel):
    """How withdrawals are paid out, what kind of destination they need, and the sums that can be paid out."""

    model_config = ConfigDict(frozen=True)
    method: str
    destination: Literal["bank_account", "card"]
    limits: tuple[AmountLimits, ...]


class MethodsView(Reply):
    """Those that are on for new payments, in the order in which they are chosen where none is named; paying from the balance last.
    `payouts`: none where nothing is paid out, or where whoever answers does not tell it yet."""

    type: Literal["methods-view.v1"] = "methods-view.v1"
    methods: tuple[MethodView, ...]
    payouts: PayoutsView | None = None
