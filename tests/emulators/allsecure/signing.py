"""The gateway's signature, over the requests it takes and the callbacks it sends; pure, and nobody's code but the emulator's.

Source: AllSecure's own PHP client 3.9.0 (`CurlClient::createSignature`) and IXOPAY's page "Additional security".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from enum import StrEnum


class BodyHash(StrEnum):
    """The hash of the body inside the message; the signature itself is HMAC-SHA512 in both."""

    SHA512 = "sha512"
    MD5 = "md5"  # what the shipped PHP clients send unless they are told otherwise


def sign(
    secret: str,
    *,
    method: str,
    body: bytes,
    content_type: str,
    date: str,
    target: str,
    body_hash: BodyHash = BodyHash.SHA512,
) -> str:
    """The text of X-Signature. `date`: X-Date where it is sent, else Date, as text; `target`: path and query, no host."""
    digest = hashlib.md5(body, usedforsecurity=False) if body_hash is BodyHash.MD5 else hashlib.sha512(body)
    message = "\n".join((method, digest.hexdigest(), content_type, date, target))
    # Latin-1 is what a header's bytes are to an HTTP server: every byte has a character of its own.
    return base64.b64encode(hmac.digest(secret.encode(), message.encode("latin-1"), "sha512")).decode()


def signed_by(
    secret: str, signature: str, *, method: str, body: bytes, content_type: str, date: str, target: str, allows_md5: bool
) -> BodyHash | None:
    """Which of the two hashes the signature was made with; None: neither, or one that is not allowed."""
    for body_hash in BodyHash:
        if body_hash is BodyHash.MD5 and not allows_md5:
            continue
        expected = sign(secret, method=method, body=body, content_type=content_type, date=date, target=target, body_hash=body_hash)
        if hmac.compare_digest(expected.encode("latin-1"), signature.encode("latin-1")):
            return body_hash
    return None


def date_text(now: datetime) -> str:
    """RFC 7231's form, ending in GMT."""
    return format_datetime(now.astimezone(UTC), usegmt=True)


def read_date(text: str) -> datetime | None:
    """The time of a Date header, ending in GMT or, as the PHP client's does, in UTC; None: it is no date."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
