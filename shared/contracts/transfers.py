"""Transfers between two users' balances."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.contracts.base import AmountMinor, Currency, Message, Reply, UserId
from shared.contracts.payment_commands import Command, ExternalId, Metadata, Refused


class MakeTransfer(Command):
    """Move money from one user's balance to another's, at once. Refused: insufficient_funds; external_id_reused; same_user."""

    type: Literal["make-transfer.v1"] = "make-transfer.v1"
    transfer_id: UUID
    requested_by: UserId
    from_user_id: UserId
    to_user_id: UserId
    amount_minor: AmountMinor
    currency: Currency
    reason: str = Field(default="", max_length=500)
    external_id: ExternalId | None = None
    metadata: Metadata = Field(default_factory=dict)


class UserTransferView(Reply):
    """`completed` once both balances show it."""

    type: Literal["user-transfer-view.v1"] = "user-transfer-view.v1"
    transfer_id: UUID
    status: Literal["pending", "completed", "failed"]
    from_user_id: UserId
    to_user_id: UserId
    amount_minor: int
    currency: Currency
    reason: str = ""
    external_id: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    problem: Refused | None = Field(default=None, description="why it failed")
    created_at: AwareDatetime
    updated_at: AwareDatetime


class GetUserTransfer(Message):
    """A transfer as either of the two or an admin may see it; a refused one only as an admin may."""

    type: Literal["get-user-transfer.v1"] = "get-user-transfer.v1"
    transfer_id: str = Field(max_length=100)
    viewer_user_id: UserId
    viewer_is_admin: bool = False
