"""What wallet tells the others."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.base import Currency, Message, UserId


class BalanceChanged(Message):
    """One committed version of a user's balance: absolute, so that repeats, gaps and disorder are harmless; `version` has no gap."""

    type: Literal["balance.changed.v1"] = "balance.changed.v1"
    user_id: UserId
    currency: Currency
    available_minor: int
    held_minor: int
    version: int = Field(gt=0)
    change_minor: int = Field(description="signed change of available")
    kind: str
    payment_id: UUID | None = None
