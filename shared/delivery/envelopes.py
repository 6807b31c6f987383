"""Envelopes: 1..ENVELOPE_EVENTS events of one route in one AMQP message, packed once and taken apart one by one when one is bad."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

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
    """An event that is not what its route promises, as it came."""

    text: bytes
    reason: str


class _Envelope(BaseModel, Generic[Event]):
    type: str
    events: list[Event] = Field(min_length=1, max_length=ENVELOPE_EVENTS)


class Unpacker(Generic[Event]):
    """Reads envelopes of one route; a bad event is split off, its neighbours are kept."""

    def __init__(self, message: type[Event]) -> None:
        self._key = message.TYPE
        self._one: TypeAdapter[Event] = TypeAdapter(message)
        self._envelope: TypeAdapter[_Envelope[Event]] = TypeAdapter(_Envelope[message])  # type: ignore[valid-type]

    def unpack(self, body: bytes) -> tuple[list[Event], list[Unreadable]]:
        """The events, and those that cannot be read. Permanent when the envelope itself cannot be."""
        try:
            envelope = self._envelope.validate_json(body)
        except ValidationError:
            return self._one_by_one(self._items(body))
        if envelope.type != self._key:
            raise Permanent(f"not an envelope of {self._key}")
        return envelope.events, []

    def _items(self, body: bytes) -> list[Any]:
        try:
            envelope: Any = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Permanent("not JSON") from error
        if not isinstance(envelope, dict) or envelope.get("type") != self._key:
            raise Permanent(f"not an envelope of {self._key}")
        items = envelope.get("events")
        if not isinstance(items, list) or not 1 <= len(items) <= ENVELOPE_EVENTS:
            raise Permanent(f"an envelope without its 1 to {ENVELOPE_EVENTS} events")
        return items

    def _one_by_one(self, items: list[Any]) -> tuple[list[Event], list[Unreadable]]:
        events: list[Event] = []
        unreadable: list[Unreadable] = []
        for item in items:
            text = orjson.dumps(item)
            try:
                events.append(self._one.validate_json(text))
            except ValidationError as error:
                where = ", ".join(sorted({".".join(map(str, problem["loc"])) or "event" for problem in error.errors(include_input=False)}))
                unreadable.append(Unreadable(text, f"does not fit {self._key}: {where}"))
        return events, unreadable
