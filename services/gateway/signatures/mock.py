"""The mock's signature, in the form of Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 of "id.timestamp.body"."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from services.gateway.signatures.base import Received, SignatureError, VerifiedEvent, only_header, require_plain_json

LABEL: Final = "mock-webhook"
TOLERANCE_SECONDS: Final = 300

_ID: Final = re.compile(r"[\x21-\x7e]{1,200}")
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


def verify(received: Received, keys: Sequence[bytes], now: float) -> VerifiedEvent:
    """The event, when one of `keys` signed exactly these bytes within 5 minutes of `now` (unix seconds); SignatureError otherwise."""
    headers, body = received.headers, received.body
    require_plain_json(headers)
    event_id = only_header(headers, b"webhook-id")
    timestamp = only_header(headers, b"webhook-timestamp")
    signature = only_header(headers, b"webhook-signature")
    if not _ID.fullmatch(event_id) or not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureError("garbled_header")
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise SignatureError("stale")
    signed = b".".join((event_id.encode(), timestamp.encode(), body))
    # The header may list several signatures, apart by spaces, while the sender rolls its key.
    given = [part.removeprefix("v1,") for part in signature.split(" ") if part.startswith("v1,")]
    expected = [base64.b64encode(hmac.digest(key, signed, sha256)).decode() for key in keys]
    if not any(hmac.compare_digest(one, other) for one in given for other in expected):
        raise SignatureError("forged")
    kept = {"content-type": "application/json", "webhook-id": event_id, "webhook-timestamp": timestamp, "webhook-signature": signature}
    return VerifiedEvent(kept, body)
