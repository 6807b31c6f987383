"""Commands to payments and their answers."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, Base64Bytes, BaseModel, ConfigDict, Field, StringConstraints

from shared.contracts.base import AmountMinor, Currency, Message, Reply, UserId

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Idempotency(BaseModel):
    """Whose request this is and what makes it the same one: `unique (caller, operation, key_hash)` decides in payments."""

    model_config = ConfigDict(frozen=True)
    caller: str = Field(min_length=1, max_length=100, description="who asks, e.g. user:1")
    operation: str = Field(min_length=1, max_length=120, description="method and path template")
    key_hash: Hash | None = Field(description="SHA-256 of the Idempotency-Key, hex; none when the request carried no key")
    fingerprint: Hash = Field(description="SHA-256 of path with parameters, query and body")


Metadata = Annotated[
    dict[Annotated[str, StringConstraints(min_length=1, max_length=40)], Annotated[str, StringConstraints(max_length=500)]],
    Field(max_length=20, description="the caller's own, kept and shown as it is"),
]
ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class Command(Message):
    """What every command to payments carries. Past its deadline it is refused: nobody may be waiting any more."""

    idempotency: Idempotency
    deadline: AwareDatetime


class CreateDeposit(Command):
    """Make a payment and its session for a top-up of the user's own balance."""

    type: Literal["create-deposit.v1"] = "create-deposit.v1"
    payment_id: UUID
    user_id: UserId
    amount_minor: AmountMinor
    currency: Currency
    method: str | None = Field(default=None, max_length=32, description="none: the first one configured")
    locale: str = Field(default="en", max_length=8)
    external_id: ExternalId | None = None
    metadata: Metadata = Field(default_factory=dict)


class DepositCreated(Reply):
    type: Literal["deposit-created.v1"] = "deposit-created.v1"
    payment_id: UUID
    session_id: UUID
    payment_url: str
    client_secret: str | None = Field(
        default=None, repr=False, description="where the payer's browser finishes the payment at the provider"
    )
    status: Literal["pending"] = "pending"
    amount_minor: int
    currency: Currency
    method: str
    expires_at: AwareDatetime


class CompleteMockSession(Command):
    """Decide a session of the mock provider, as its payer would on the provider's page."""

    type: Literal["complete-mock-session.v1"] = "complete-mock-session.v1"
    session_id: str = Field(max_length=100)
    user_id: UserId | None = Field(default=None, description="none: a guest, whose only sessions are those of orders")
    amount: str | None = Field(default=None, max_length=64, description="major units, exact decimal text; none: not checked")
    outcome: Literal["success", "failure"] = "success"


class SignedEvent(BaseModel):
    """A webhook event as its provider would post it: the headers that matter, and the exact bytes."""

    model_config = ConfigDict(frozen=True)
    headers: dict[str, str]
    body: Base64Bytes


class MockSessionDecided(Reply):
    """The mock has decided once and for all; its signed event goes through the gateway's webhook ingress like every provider's."""

    type: Literal["mock-session-decided.v1"] = "mock-session-decided.v1"
    payment_id: UUID
    session_id: UUID
    outcome: Literal["success", "failure"]
    event: SignedEvent


class FieldProblem(BaseModel):
    model_config = ConfigDict(frozen=True)
    loc: tuple[str | int, ...]
    msg: str


class Refused(Reply):
    """A decision against the request; gateway maps `code` to a status. `request_id` is the first request's, so that a replay is equal."""

    type: Literal["refused.v1"] = "refused.v1"
    code: str = Field(max_length=64, description="stable, snake_case")
    detail: str
    errors: tuple[FieldProblem, ...] = ()
    request_id: str


class InProgress(Reply):
    """Written down and worked on; the outcome is not known yet (a provider is silent, say). Never kept as an answer."""

    type: Literal["in-progress.v1"] = "in-progress.v1"
    resource_id: UUID


Answer = TypeVar("Answer", bound=Reply)


class CommandReply(Reply, Generic[Answer]):
    """A command's answer. `replayed`: it was decided by an earlier request under the same key."""

    replayed: bool = False
    answer: Answer | Refused | InProgress
