"""Kiosk's signature: HMAC-SHA256 of "timestamp.body", keyed by the shop's notification secret."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from services.gateway.signatures.base import Received, SignatureError, VerifiedEvent, only_header, require_plain_json

TOLERANCE_SECONDS: Final = 300
"""Each attempt is signed anew, so an honest one is never older than its way here."""

_FORM: Final = re.compile(r"t=([0-9]{1,12}),s=([0-9a-f]{64})", re.ASCII)


def verify(received: Received, secrets: Sequence[str], now: float) -> VerifiedEvent:
    """The event, when one of `secrets` signed exactly these bytes within 5 minutes of `now` (unix seconds); SignatureError otherwise."""
    content_type = require_plain_json(received.headers)
    header = only_header(received.headers, b"kiosk-signature")
    match = _FORM.fullmatch(header)
    if match is None:
        raise SignatureError("garbled_header")
    timestamp, given = match.groups()
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise SignatureError("stale")
    signed = timestamp.encode() + b"." + received.body
    if not any(hmac.compare_digest(given, hmac.digest(secret.encode(), signed, sha256).hex()) for secret in secrets):
        raise SignatureError("forged")
    return VerifiedEvent({"content-type": content_type, "kiosk-signature": header}, received.body)
