"""Orders: made by anybody, paid first, delivered after; and the page of the stand-in provider, where they are paid when it plays one."""

from __future__ import annotations

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, JsonValue

from shared.contracts.base import AmountMinor, Currency, Message, Reply, UserId
from shared.contracts.payment_commands import Command, ExternalId, Metadata, Refused
from shared.contracts.queries import MAX_WAIT_SECONDS

FORMER_CALLERS_MAX = 4


class CreateOrder(Command):
    """Make an order and the first payment of it. `user_id` is none for a guest. `former_callers`: the caller's names under secrets that are
    being rolled out of use, under which the same request may have come before."""

    type: Literal["create-order.v1"] = "create-order.v1"
    order_id: UUID
    payment_id: UUID
    user_id: UserId | None
    former_callers: tuple[str, ...] = Field(default=(), max_length=FORMER_CALLERS_MAX)
    product: str = Field(max_length=64)
    email: str | None = Field(max_length=254)
    phone: str | None = Field(max_length=32)
    birth_date: date | None = None
    dated_when_ordered: bool = Field(default=False, description="a birth_date that is left out is the day of the order (UTC)")
    points: JsonValue = Field(default=None, description="as they were sent; the product says what they must be")
    method: str | None = Field(default=None, max_length=32, description="none: the first one configured")
    locale: str = Field(default="en", max_length=8)
    external_id: ExternalId | None = None
    metadata: Metadata = Field(default_factory=dict)


class CreateOrderPayment(Command):
    """Make another payment of an order that nobody has paid yet; its sessions so far are ended at their providers, where they can be."""

    type: Literal["create-order-payment.v1"] = "create-order-payment.v1"
    order_id: UUID
    payment_id: UUID
    method: str | None = Field(default=None, max_length=32, description="none: as before")


class OrderCreated(Reply):
    """An order, or one more payment of it, with the session where it is paid."""

    type: Literal["order-created.v1"] = "order-created.v1"
    order_id: UUID
    payment_id: UUID
    session_id: UUID
    payment_url: str
    status: Literal["pending"] = "pending"
    amount_minor: int
    currency: Currency
    method: str
    expires_at: AwareDatetime


class MarkOrderPaid(Command):
    """An admin's word that the order was paid; `reference` is the provider's own of the charge."""

    type: Literal["mark-order-paid.v1"] = "mark-order-paid.v1"
    order_id: UUID
    admin_user_id: UserId
    reference: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=1, max_length=500)


class OrderMarkedPaid(Reply):
    type: Literal["order-marked-paid.v1"] = "order-marked-paid.v1"
    order_id: UUID
    payment_id: UUID
    reference: str
    amount_minor: int
    currency: Currency


class GetProduct(Message):
    """What is on sale under this id, named in this language. Refused: product_not_found."""

    type: Literal["get-product.v1"] = "get-product.v1"
    product: str = Field(max_length=64)
    locale: str = Field(max_length=8)


class ProductView(Reply):
    """What an order form has to know of its product."""

    type: Literal["product-view.v1"] = "product-view.v1"
    product: str
    title: str
    amount_minor: AmountMinor
    currency: Currency
    made_by: str | None = Field(default=None, description="who makes it of the form; none: it is delivered elsewhere")


class GetOrder(Message):
    """An order, for whoever knows its id."""

    type: Literal["get-order.v1"] = "get-order.v1"
    order_id: UUID


class OrderView(Reply):
    """`payment_id` and what follows it are of the payment that paid it, else of its newest one."""

    type: Literal["order-view.v1"] = "order-view.v1"
    order_id: UUID
    product: str
    title: str
    status: str
    payment_id: UUID
    session_id: UUID | None
    payment_status: str
    payment_url: str | None
    method: str
    amount_minor: int
    currency: Currency
    refunded_amount_minor: int = 0
    locale: str
    email: str | None = Field(description="masked")
    phone: str | None = Field(description="masked")
    points: tuple[dict[str, JsonValue], ...] = Field(default=(), description="what the product is made from; none when it was deleted")
    external_id: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    problem: Refused | None = Field(default=None, description="why it was refused, when it was refused after a 202")
    expires_at: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class GetInterpretation(Message):
    """What an order bought. `wait_seconds` > 0: paid, but not made yet, is waited for so long."""

    type: Literal["get-interpretation.v1"] = "get-interpretation.v1"
    order_id: UUID
    wait_seconds: float = Field(default=0, ge=0, le=MAX_WAIT_SECONDS)


class Interpretation(Reply):
    type: Literal["interpretation.v1"] = "interpretation.v1"
    order_id: UUID
    message: str


class GetMockSession(Message):
    """A session of the stand-in provider, for its page: an order's for whoever knows it, another's for its owner. `wait_seconds` > 0:
    answered when its payment is no longer pending, or when the time is over."""

    type: Literal["get-mock-session.v1"] = "get-mock-session.v1"
    session_id: UUID
    viewer_user_id: UserId | None
    wait_seconds: float = Field(default=0, ge=0, le=MAX_WAIT_SECONDS)


class MockSessionView(Reply):
    type: Literal["mock-session-view.v1"] = "mock-session-view.v1"
    session_id: UUID
    payment_id: UUID
    kind: str
    order_id: UUID | None
    coaching_session_id: str | None = None
    status: str = Field(description="the payment's")
    decided: str | None = Field(description="the session's own outcome, once it has one: success, failure, canceled")
    amount_minor: int
    currency: Currency
    description: str
    locale: str
    expires_at: AwareDatetime


class EndMockSession(Command):
    """The payer gives up on the stand-in's page."""

    type: Literal["end-mock-session.v1"] = "end-mock-session.v1"
    session_id: UUID
    user_id: UserId | None


class MockSessionEnded(Reply):
    type: Literal["mock-session-ended.v1"] = "mock-session-ended.v1"
    session_id: UUID
    status: str = Field(description="the payment's")
