"""Suspense: money that did not fit, item by item, and what an operator decides about it."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from shared.contracts.base import Currency, Message, Reply, UserId
from shared.contracts.payment_commands import Command
from shared.contracts.queries import MAX_PAGE

SuspenseStatus = Literal["open", "assigned", "refunded", "written_off"]
SuspenseDecision = Literal["assign_user", "assign_payment", "refund", "write_off"]
AskedId = Annotated[str, StringConstraints(max_length=100)]
"""An id as it was asked for; what is not ours is not found."""


class DecideSuspenseItem(Command):
    """Give an item to a user or to a payment, send it back, or write it off; one of them succeeds, once. Refused: suspense_item_not_found;
    suspense_item_decided; payment_not_found, payment_not_assignable, already_paid and amount_mismatch (assign_payment);
    refund_not_supported and refund_declined (refund)."""

    type: Literal["decide-suspense-item.v1"] = "decide-suspense-item.v1"
    item_id: AskedId
    decision_id: UUID = Field(description="names this decision; a refund's key at the provider")
    actor_user_id: UserId
    decision: SuspenseDecision
    user_id: UserId | None = Field(default=None, description="for assign_user")
    payment_id: AskedId | None = Field(default=None, description="for assign_payment")
    reference: str | None = Field(default=None, min_length=1, max_length=200)
    reason: str | None = Field(default=None, min_length=1, max_length=500)


class SuspenseItemView(Reply):
    """`reference` is the provider's own of the charge, `session_id` what it named as ours. `status` is told when the money has moved."""

    type: Literal["suspense-item-view.v1"] = "suspense-item-view.v1"
    item_id: UUID
    provider: str
    reference: str
    session_id: UUID
    payment_id: UUID | None
    amount_minor: int
    currency: Currency
    reason: str
    status: SuspenseStatus
    assigned_user_id: UserId | None = None
    assigned_payment_id: UUID | None = None
    decided_by: str | None = Field(default=None, description="user:9, or system for the rule")
    decided_at: AwareDatetime | None = None
    decision_reference: str | None = None
    decision_reason: str | None = None
    created_at: AwareDatetime


class GetSuspenseItem(Message):
    """One item, for an admin."""

    type: Literal["get-suspense-item.v1"] = "get-suspense-item.v1"
    item_id: AskedId


class ListSuspenseItems(Message):
    """Items, newest first, for an admin. `cursor` is payments' own, opaque."""

    type: Literal["list-suspense-items.v1"] = "list-suspense-items.v1"
    status: SuspenseStatus | None = None
    limit: int = Field(default=20, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(default=None, max_length=4000)


class SuspensePage(Reply):
    type: Literal["suspense-page.v1"] = "suspense-page.v1"
    items: tuple[SuspenseItemView, ...]
    next_cursor: str | None
