"""What has been: the list of payments, and the steps of one."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from shared.contracts.base import Currency, Message, Reference, Reply, UserId
from shared.contracts.payment_commands import ExternalId

ToldStatus = Literal["pending", "completed", "failed", "refunded", "partially_refunded", "canceled", "expired", "disputed"]

MAX_PAYMENTS = 100
MAX_SKIPPED = 100_000


class ListPayments(Message):
    """Payments that `user_id` made, and those of sessions where they are the mentor, newest first, without refused requests. None:
    everybody's, for an admin. `cursor` is payments' own, opaque; `skip` is the other way to page. `ended`: only what `user_id` began and
    nobody can pay any more, however it has ended, refused requests among them."""

    type: Literal["list-payments.v1"] = "list-payments.v1"
    user_id: UserId | None
    status: ToldStatus | None = None
    external_id: ExternalId | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    limit: int = Field(default=20, ge=1, le=MAX_PAYMENTS)
    cursor: str | None = Field(default=None, max_length=4000)
    skip: int = Field(default=0, ge=0, le=MAX_SKIPPED)
    ended: bool = False


class ListedPayment(BaseModel):
    """A payment as the list tells it; `status` as the provider has it, which may be ahead of the balance."""

    model_config = ConfigDict(frozen=True)
    payment_id: UUID
    session_id: UUID | None
    user_id: UserId | None
    mentor_id: UserId | None
    coaching_session_id: str | None
    kind: str
    method: str
    status: str
    amount_minor: int
    currency: Currency
    credit_reference: str | None
    description: str
    created_at: AwareDatetime
    updated_at: AwareDatetime


class PaymentList(Reply):
    type: Literal["payment-list.v1"] = "payment-list.v1"
    items: tuple[ListedPayment, ...]
    next_cursor: str | None


class GetTimeline(Message):
    """The steps of a payment as `viewer` may see them; raw payloads of provider events for admins only."""

    type: Literal["get-timeline.v1"] = "get-timeline.v1"
    payment_id: str = Field(max_length=100)
    viewer_user_id: UserId
    viewer_is_admin: bool = False


class TimelineStep(BaseModel):
    """One step: when, what, where, and the ids that link it to the others (`request_id` is the correlation id)."""

    model_config = ConfigDict(frozen=True)
    at: AwareDatetime
    step: str = Field(max_length=64)
    service: str = Field(max_length=32)
    ids: dict[str, str]
    detail: dict[str, JsonValue]


class TimelineView(Reply):
    """What payments knows, in order of time; `references` are those under which wallet knows the rest. `truncated`: older steps of a kind
    that has very many are left out."""

    type: Literal["timeline-view.v1"] = "timeline-view.v1"
    payment_id: UUID
    steps: tuple[TimelineStep, ...]
    references: tuple[Reference, ...]
    truncated: bool = False
