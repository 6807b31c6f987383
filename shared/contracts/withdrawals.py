"""Withdrawals: what is asked of payments, what it answers, and how one is seen."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from shared.contracts.base import AmountMinor, Currency, Message, Reply, UserId
from shared.contracts.payment_commands import Command, ExternalId, Metadata, Refused
from shared.contracts.queries import MAX_PAGE

Reason = Annotated[str, StringConstraints(min_length=1, max_length=500)]
PayoutReference = Annotated[str, StringConstraints(min_length=1, max_length=200)]
AskedId = Annotated[str, StringConstraints(max_length=100)]
"""An id as it was asked for; what is not ours is not found."""

Decision = Literal["approve", "reject", "cancel", "mark_paid", "mark_failed", "mark_returned", "resolve_paid", "resolve_failed"]


class BankAccount(BaseModel):
    """Where the money is to go; personal data: sealed as soon as it arrives, and in no text of an error."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    TYPE: ClassVar = "bank_account"
    type: Literal["bank_account"] = "bank_account"
    account: str = Field(min_length=4, max_length=64, repr=False)
    name: str = Field(min_length=1, max_length=100, repr=False)


class Card(BaseModel):
    """The card that a payment of the user's own was paid with; nobody here knows its number."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    TYPE: ClassVar = "card"
    type: Literal["card"] = "card"
    payment_id: AskedId


class CreateWithdrawal(Command):
    """Hold money of the user's balance and pay it out once it is approved."""

    model_config = ConfigDict(hide_input_in_errors=True)
    type: Literal["create-withdrawal.v1"] = "create-withdrawal.v1"
    withdrawal_id: UUID
    user_id: UserId
    amount_minor: AmountMinor
    currency: Currency
    destination: Annotated[BankAccount | Card, Field(discriminator="type")]
    external_id: ExternalId | None = None
    metadata: Metadata = Field(default_factory=dict)


class DecideWithdrawal(Command):
    """Approve, reject, cancel; tell what became of a payout made by hand (mark) or of one that stayed unknown (resolve)."""

    type: Literal["decide-withdrawal.v1"] = "decide-withdrawal.v1"
    withdrawal_id: AskedId
    actor_user_id: UserId
    actor_is_admin: bool = False
    decision: Decision
    reference: PayoutReference | None = Field(default=None, description="the bank's or the provider's own, for paid and returned")
    reason: Reason | None = Field(default=None, description="for reject, failed and resolve")


class ShownDestination(BaseModel):
    """Masked: enough of the destination for its owner to recognise it. In full only to an admin who looks at one that is paid by hand."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    type: str
    account: str = Field(repr=False)
    name: str = Field(repr=False)


class DecidedBy(BaseModel):
    """Who decided and when; for admins. `by`: a user's id like user:9, or `auto` for an approval under the limit."""

    model_config = ConfigDict(frozen=True)
    decision: str
    by: str
    at: AwareDatetime
    reason: str | None = None


class WithdrawalView(Reply):
    type: Literal["withdrawal-view.v1"] = "withdrawal-view.v1"
    withdrawal_id: UUID
    user_id: UserId
    status: str
    amount_minor: int
    currency: Currency
    method: str = Field(description="how it is paid out")
    destination: ShownDestination
    reference: str | None = Field(default=None, description="the payout's own, once it is known")
    reason: str | None = Field(default=None, description="why it was rejected or failed")
    external_id: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    problem: Refused | None = Field(default=None, description="why it was refused, when it was refused after a 202")
    for_admin: bool = Field(default=False, description="the viewer may know who decided")
    decided: DecidedBy | None = None
    possible: tuple[Decision, ...] = Field(default=(), description="what an admin who is not its owner may decide now; for admins")
    created_at: AwareDatetime
    updated_at: AwareDatetime


class GetWithdrawal(Message):
    """A withdrawal as its owner or an admin may see it."""

    type: Literal["get-withdrawal.v1"] = "get-withdrawal.v1"
    withdrawal_id: AskedId
    viewer_user_id: UserId
    viewer_is_admin: bool = False


class ListWithdrawals(Message):
    """Withdrawals, newest first, without refused requests. `user_id` none: everybody's, for an admin. `cursor` is payments' own, opaque."""

    type: Literal["list-withdrawals.v1"] = "list-withdrawals.v1"
    user_id: UserId | None
    for_admin: bool = False
    status: str | None = Field(default=None, max_length=32)
    currency: Currency | None = None
    external_id: ExternalId | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    limit: int = Field(default=20, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(default=None, max_length=4000)


class WithdrawalPage(Reply):
    type: Literal["withdrawal-page.v1"] = "withdrawal-page.v1"
    items: tuple[WithdrawalView, ...]
    next_cursor: str | None
