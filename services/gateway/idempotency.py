"""What makes two POSTs the same one: the key as sent, the caller's scope, and an id that only we can compute from them. Pure."""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from typing import Final
from uuid import UUID

from starlette.requests import Request

from services.gateway.problems import malformed
from shared.contracts.base import new_id
from shared.contracts.payment_commands import Idempotency
from shared.keys import Keys

HEADER: Final = "Idempotency-Key"
LABEL: Final = "payment-id"

_KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")


def key_of(request: Request) -> str | None:
    """The request's Idempotency-Key; 422 when there are two, or one that is not 1 to 255 printable ASCII characters."""
    values = request.headers.getlist(HEADER)
    if not values:
        return None
    if len(values) > 1:
        raise malformed("header", HEADER, msg="is given twice")
    if not _KEY.fullmatch(values[0]):
        raise malformed("header", HEADER, msg="must be 1 to 255 printable ASCII characters")
    return values[0]


def idempotency(caller: str, operation: str, key: str | None, fingerprint: str) -> Idempotency:
    """`operation` is method and path template, so that one key may serve two operations."""
    key_hash = None if key is None else sha256(key.encode()).hexdigest()
    return Idempotency(caller=caller, operation=operation, key_hash=key_hash, fingerprint=fingerprint)


def caller_of(user_id: str) -> str:
    return f"user:{user_id}"


def resource_id(keys: Keys, identity: Idempotency) -> UUID:
    """The id of what this request makes: the same for the same caller, operation and key (UUIDv8, RFC 9562), else a new UUIDv7."""
    if identity.key_hash is None:
        return new_id()
    told = "\x00".join((identity.caller, identity.operation, identity.key_hash)).encode()
    number = int.from_bytes(hmac.digest(keys.signing(LABEL), told, sha256)[:16], "big")
    number = number & ~(0xF << 76) | 8 << 76  # version 8: made by our own rule
    number = number & ~(0x3 << 62) | 0x2 << 62  # the variant of RFC 9562
    return UUID(int=number)
