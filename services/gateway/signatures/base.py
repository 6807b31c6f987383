"""What a provider's check is given and gives back, and the one way in which it fails."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

RawHeaders = Sequence[tuple[bytes, bytes]]
"""As they came, names in lower case, repeats included."""

# A line's end in a value would let two parts of a signed text trade places.
_VALUE: Final = re.compile(rb"[\x20-\x7e]{1,1000}")


class SignatureError(Exception):
    """The webhook is forged, stale or garbled; the text is one word for the counter."""


@dataclass(frozen=True, slots=True)
class Received:
    """A webhook as it came in. `query`: what stood behind the `?`, as it was sent."""

    headers: RawHeaders
    body: bytes
    query: bytes = b""


@dataclass(frozen=True, slots=True)
class VerifiedEvent:
    """The headers that matter to whoever reads the event, and the exact bytes."""

    headers: dict[str, str]
    body: bytes


def only_header(headers: RawHeaders, name: bytes) -> str:
    """The value of a header that must be there once: of two, the checked one might not be the one that is used."""
    value = optional_header(headers, name)
    if value is None:
        raise SignatureError("missing_header")
    return value


def optional_header(headers: RawHeaders, name: bytes) -> str | None:
    """The value of a header that may be there once; None without it."""
    values = [value for key, value in headers if key == name]
    if not values:
        return None
    if len(values) > 1:
        raise SignatureError("repeated_header")
    if not _VALUE.fullmatch(values[0]):
        raise SignatureError("garbled_header")
    return values[0].decode()


def require_plain_json(headers: RawHeaders) -> str:
    """The content type's value; SignatureError for another type, or a compressed body."""
    require_uncompressed(headers)
    value = only_header(headers, b"content-type")
    if value.partition(";")[0].strip().lower() != "application/json":
        raise SignatureError("content_type")
    return value


def require_uncompressed(headers: RawHeaders) -> None:
    if any(key == b"content-encoding" for key, _ in headers):
        raise SignatureError("content_encoding")
