"""Commands to wallet and their answers: sets of transfers, and holds; each is one command however often it comes, by `reference`."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.base import AmountMinor, Currency, Message, Reference, Reply, UserId
from shared.contracts.payment_commands import Refused

AccountKind = Literal["user", "clearing", "fees", "revenue", "loss", "suspense"]
EntryKind = Literal["deposit", "payment", "refund", "withdrawal", "fee", "transfer", "dispute", "adjustment"]

MAX_LEGS = 8


class Account(BaseModel):
    """An account of the book; its currency is the command's. `owner`: a user's id, a provider, or 'platform'."""

    model_config = ConfigDict(frozen=True)
    kind: AccountKind
    owner: str = Field(min_length=1, max_length=64)


class Leg(BaseModel):
    """`amount_minor` moves from `source` to `target`. `kind`: what it is called in a statement; none: as the command says."""

    model_config = ConfigDict(frozen=True)
    source: Account
    target: Account
    amount_minor: AmountMinor
    kind: EntryKind | None = None


class MoveFunds(Message):
    """Post all `legs` in their order, or none. Only legs of kind `dispute` may take a user's balance below zero; each user's account has
    to cover its legs in their order. Refused: insufficient_funds (for good: the same command is not done
    later); credit_not_posted; reference_conflict (known with other facts)."""

    type: Literal["move-funds.v1"] = "move-funds.v1"
    reference: Reference
    kind: EntryKind
    currency: Currency
    legs: tuple[Leg, ...] = Field(min_length=1, max_length=MAX_LEGS)
    payment_id: UUID | None = None
    description: str = Field(default="", max_length=500)
    after: Reference | None = Field(default=None, description="the credit that this waits for; not posted yet: refused for now")


class FundsMoved(Reply):
    type: Literal["funds-moved.v1"] = "funds-moved.v1"
    reference: str


class ReserveFunds(Message):
    """Hold money of a user: available -n, held +n, until it is settled or released. `up_to`: as much of the amount as is available,
    perhaps nothing. Refused: insufficient_funds (for good, as above); credit_not_posted; hold_released (released before it came);
    reference_conflict."""

    type: Literal["reserve-funds.v1"] = "reserve-funds.v1"
    reference: Reference
    kind: Literal["withdrawal", "refund"]
    user_id: UserId
    amount_minor: AmountMinor
    currency: Currency
    up_to: bool = False
    payment_id: UUID | None = None
    description: str = Field(default="", max_length=500)
    after: Reference | None = Field(default=None, description="the credit that this waits for; not posted yet: refused for now")


class FundsReserved(Reply):
    type: Literal["funds-reserved.v1"] = "funds-reserved.v1"
    reference: str
    held_minor: int = Field(ge=0, description="less than asked for only with up_to")


class SettleHold(Message):
    """The held money leaves to `target` (held -n), and `legs` move with it, all or nothing; with a hold of nothing only the legs.
    Refused: hold_not_found; hold_released; insufficient_funds (a leg); reference_conflict (settled before with other facts)."""

    type: Literal["settle-hold.v1"] = "settle-hold.v1"
    reference: Reference = Field(description="the hold's")
    target: Account
    legs: tuple[Leg, ...] = Field(default=(), max_length=MAX_LEGS)


class HoldSettled(Reply):
    type: Literal["hold-settled.v1"] = "hold-settled.v1"
    reference: str
    settled_minor: int = Field(ge=0, description="what had been held")


class ReleaseHold(Message):
    """The held money is available again. A hold that never came is released beforehand: then it is refused when it comes.
    Refused: hold_settled."""

    type: Literal["release-hold.v1"] = "release-hold.v1"
    reference: Reference = Field(description="the hold's")


class HoldReleased(Reply):
    type: Literal["hold-released.v1"] = "hold-released.v1"
    reference: str
    released_minor: int = Field(ge=0)


MoveFundsAnswer = Annotated[FundsMoved | Refused, Field(discriminator="type")]
ReserveFundsAnswer = Annotated[FundsReserved | Refused, Field(discriminator="type")]
SettleHoldAnswer = Annotated[HoldSettled | Refused, Field(discriminator="type")]
ReleaseHoldAnswer = Annotated[HoldReleased | Refused, Field(discriminator="type")]
