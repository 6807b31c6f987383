"""Envelopes: 1..ENVELOPE_EVENTS events of one route in one AMQP message, packed once and taken apart one by one when one is bad."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Any, Generic, Literal, TypeVar

import orjson
from pydantic import BaseModel, Discriminator, Field, TypeAdapter, ValidationError, create_model

from shared.contracts.base import Message
from shared.contracts.topology import ENVELOPE_BYTES, ENVELOPE_EVENTS
from shared.delivery.errors import Permanent

Event = TypeVar("Event", bound=Message)


def pack(key: str, events: Sequence[bytes]) -> bytes:
    """The envelope of already serialised events: {"type": key, "events": [...]}."""
    if not 1 <= len(events) <= ENVELOPE_EVENTS:
        raise ValueError(f"an envelope holds 1 to {ENVELOPE_EVENTS} events, not {len(events)}")
    return b'{"type":"' + key.encode() + b'","events":[' + b",".join(events) + b"]}"


def count_that_fits(sizes_bytes: Iterable[int]) -> int:
    """How many of the next events share an envelope: ENVELOPE_EVENTS at most, ENVELOPE_BYTES unless one event alone has more."""
    count = total = 0
    for size in sizes_bytes:
        total += size
        if count == ENVELOPE_EVENTS or (count and total > ENVELOPE_BYTES):
            break
        count += 1
    return count


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An event that is not what its route (`key`) promises, as it came."""

    key: str
    text: bytes
    reason: str


class Unpacker(Generic[Event]):
    """Reads envelopes of a queue's route, or of its several; a bad event is split off, its neighbours are kept."""

    def __init__(self, *messages: type[Event]) -> None:
        self._keys = " or ".join(message.TYPE for message in messages)
        self._one: dict[str, TypeAdapter[Event]] = {message.TYPE: TypeAdapter(message) for message in messages}
        envelope: Any = reduce(operator.or_, map(_envelope, messages))
        if len(messages) > 1:
            envelope = Annotated[envelope, Discriminator("type")]
        self._envelope: TypeAdapter[Any] = TypeAdapter(envelope)

    def unpack(self, body: bytes) -> tuple[list[Event], list[Unreadable]]:
        """The events, and those that cannot be read. Permanent when the envelope itself cannot be."""
        try:
            events: list[Event] = self._envelope.validate_json(body).events
        except ValidationError:
            return self._one_by_one(*self._items(body))
        return events, []

    def _items(self, body: bytes) -> tuple[str, list[Any]]:
        try:
            envelope: Any = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Permanent("not JSON") from error
        key = envelope.get("type") if isinstance(envelope, dict) else None
        if not isinstance(key, str) or key not in self._one:
            raise Permanent(f"not an envelope of {self._keys}")
        items = envelope.get("events")
        if not isinstance(items, list) or not 1 <= len(items) <= ENVELOPE_EVENTS:
            raise Permanent(f"an envelope without its 1 to {ENVELOPE_EVENTS} events")
        return key, items

    def _one_by_one(self, key: str, items: list[Any]) -> tuple[list[Event], list[Unreadable]]:
        events: list[Event] = []
        unreadable: list[Unreadable] = []
        for item in items:
            text = orjson.dumps(item)
            try:
                events.append(self._one[key].validate_json(text))
            except ValidationError as error:
                where = ", ".join(sorted({".".join(map(str, problem["loc"])) or "event" for problem in error.errors(include_input=False)}))
                unreadable.append(Unreadable(key, text, f"does not fit {key}: {where}"))
        return events, unreadable


def _envelope(message: type[Message]) -> type[BaseModel]:
    kind: Any = Literal[message.TYPE]
    events: Any = list[message]  # type: ignore[valid-type]
    return create_model("Envelope", type=(kind, ...), events=(events, Field(min_length=1, max_length=ENVELOPE_EVENTS)))
