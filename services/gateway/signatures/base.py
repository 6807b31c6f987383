"""What a provider's check gives back, and the one way in which it fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

RawHeaders = Sequence[tuple[bytes, bytes]]
"""As they came, names in lower case, repeats included."""

_VALUE_MAX: Final = 1_000


class SignatureError(Exception):
    """The webhook is forged, stale or garbled; the text is one word for the counter."""


@dataclass(frozen=True, slots=True)
class VerifiedEvent:
    """The headers that matter to whoever reads the event, and the exact bytes."""

    headers: dict[str, str]
    body: bytes


def only_header(headers: RawHeaders, name: bytes) -> str:
    """The value of a header that must be there once: of two, the checked one might not be the one that is used."""
    values = [value for key, value in headers if key == name]
    if len(values) != 1:
        raise SignatureError("missing_header" if not values else "repeated_header")
    if not 0 < len(values[0]) <= _VALUE_MAX or not values[0].isascii():
        raise SignatureError("garbled_header")
    return values[0].decode()


def require_plain_json(headers: RawHeaders) -> None:
    if only_header(headers, b"content-type").partition(";")[0].strip().lower() != "application/json":
        raise SignatureError("content_type")
    if any(key == b"content-encoding" for key, _ in headers):
        raise SignatureError("content_encoding")
