"""Transfers between two users' balances: what is asked of the book, and what may be refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.contracts.payment_commands import FieldProblem, Refused
from shared.contracts.wallet_commands import Account, Leg, MoveFunds
from shared.money import Money

TransferStatus = Literal["pending", "completed", "failed"]


@dataclass(frozen=True, slots=True)
class UserTransfer:
    """Money from one user's balance to another's; `requested_by` ordered it."""

    transfer_id: UUID
    from_user_id: str
    to_user_id: str
    money: Money
    reason: str
    status: TransferStatus
    requested_by: str
    caller: str
    correlation_id: str
    created_at: datetime
    updated_at: datetime
    refusal: Refused | None = None
    external_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def movement(transfer: UserTransfer) -> MoveFunds:
    leg = Leg(
        source=Account(kind="user", owner=transfer.from_user_id),
        target=Account(kind="user", owner=transfer.to_user_id),
        amount_minor=transfer.money.amount_minor,
    )
    return MoveFunds(
        reference=f"transfer:{transfer.transfer_id}",
        kind="transfer",
        currency=transfer.money.currency,
        legs=(leg,),
        description=transfer.reason,
        correlation_id=transfer.correlation_id,
    )


def same_user(request_id: str) -> Refused:
    return Refused(
        code="same_user",
        detail="A transfer is between two different users.",
        errors=(FieldProblem(loc=("body", "to_user_id"), msg="must be another user than from_user_id"),),
        request_id=request_id,
    )


def not_found(request_id: str) -> Refused:
    return Refused(code="transfer_not_found", detail="There is no such transfer.", request_id=request_id)
