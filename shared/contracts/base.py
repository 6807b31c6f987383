"""What all messages have in common: identity, correlation, time, and the rule that the type is the routing key."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Final
from uuid import UUID

import uuid_utils.compat as uuid_utils
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from shared.money import MAX_AMOUNT_MINOR

UserId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Currency = Annotated[str, StringConstraints(pattern=r"^[a-z]{3}$")]
AmountMinor = Annotated[int, Field(gt=0, le=MAX_AMOUNT_MINOR, strict=True)]
Reference = Annotated[str, StringConstraints(min_length=3, max_length=300)]
CorrelationId = Annotated[str, StringConstraints(min_length=1, max_length=128)]


_BELOW_THE_VERSION: Final = (1 << 76) - 1


def new_id() -> UUID:
    """A new UUIDv7 (RFC 9562): the millisecond first, so that indexes stay dense, then 74 random bits. Generators that count within the
    millisecond leave 32 bits between an id and the next one, and an order's id is its secret."""
    random = uuid_utils.uuid4().int & _BELOW_THE_VERSION
    return UUID(int=time.time_ns() // 1_000_000 << 80 | 7 << 76 | random)


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
