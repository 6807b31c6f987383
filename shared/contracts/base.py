"""What all messages have in common: identity, correlation, time, and the rule that the type is the routing key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, ClassVar
from uuid import UUID

import uuid_utils.compat as uuid_utils
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from shared.money import MAX_AMOUNT_MINOR

UserId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Currency = Annotated[str, StringConstraints(pattern=r"^[a-z]{3}$")]
AmountMinor = Annotated[int, Field(gt=0, le=MAX_AMOUNT_MINOR, strict=True)]
Reference = Annotated[str, StringConstraints(min_length=3, max_length=300)]
CorrelationId = Annotated[str, StringConstraints(min_length=1, max_length=128)]


def new_id() -> UUID:
    """A new UUIDv7 (RFC 9562): random, and sorted by time so that indexes stay dense."""
    return uuid_utils.uuid7()


def utc_now() -> datetime:
    return datetime.now(UTC)


class Message(BaseModel):
    """A message on the broker. `type` (a Literal in each class) equals the routing key; unknown fields are ignored, so that adding an
    optional one keeps the version; anything that breaks a reader is a new class with a new `.vN`."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    TYPE: ClassVar[str]

    message_id: UUID = Field(default_factory=new_id)
    correlation_id: CorrelationId
    occurred_at: AwareDatetime = Field(default_factory=utc_now)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "type" in cls.model_fields:
            cls.TYPE = cls.model_fields["type"].default


class Reply(BaseModel):
    """An answer to a command or a query; travels by direct reply-to, told apart by `type`."""

    model_config = ConfigDict(frozen=True, extra="ignore")
