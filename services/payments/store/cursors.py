"""Cursors of lists that are ordered by time and id, newest first: where the last page ended. Opaque to everyone else."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class MalformedCursor(Exception):
    """The cursor is not one that this list gave out."""


@dataclass(frozen=True, slots=True)
class Position:
    """The last one that was listed."""

    at: datetime
    last_id: UUID


def encode(name: str, position: Position) -> str:
    """`name`: the list's, one letter, so that no list takes another's cursor."""
    micros = (position.at - _EPOCH) // _MICROSECOND
    return base64.urlsafe_b64encode(name.encode() + micros.to_bytes(8, "big", signed=True) + position.last_id.bytes).decode().rstrip("=")


def decode(name: str, text: str) -> Position:
    """What encode() was given; MalformedCursor otherwise."""
    try:
        packed = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        if len(packed) != 25 or packed[:1] != name.encode():
            raise MalformedCursor("not a cursor of this list")
        at = _EPOCH + int.from_bytes(packed[1:9], "big", signed=True) * _MICROSECOND
    except (ValueError, OverflowError, binascii.Error) as error:
        raise MalformedCursor("not a cursor") from error
    return Position(at, UUID(bytes=packed[9:]))
