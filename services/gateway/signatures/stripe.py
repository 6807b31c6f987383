"""Stripe's signature (https://docs.stripe.com/webhooks#verify-manually): HMAC-SHA256 of "timestamp.body", the endpoint's secret its key."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from services.gateway.signatures.base import Received, SignatureError, VerifiedEvent, only_header, require_plain_json

TOLERANCE_SECONDS: Final = 300
"""Either way: Stripe's own library looks at the past only, but each delivery is signed anew, and no clock of theirs is minutes ahead."""

_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


def verify(received: Received, secrets: Sequence[str], now: float) -> VerifiedEvent:
    """The event, when one of `secrets` (whole, with `whsec_`) signed exactly these bytes within 5 minutes of `now` (unix seconds).

    SignatureError otherwise. Whether the body makes sense is for its reader to say.
    """
    content_type = require_plain_json(received.headers)
    header = only_header(received.headers, b"stripe-signature")
    parts = [part.partition("=") for part in header.split(",")]
    timestamps = [value for scheme, _, value in parts if scheme == "t"]
    if len(timestamps) != 1 or not _TIMESTAMP.fullmatch(timestamps[0]):
        raise SignatureError("garbled_header")
    if abs(now - int(timestamps[0])) > TOLERANCE_SECONDS:
        raise SignatureError("stale")
    # One v1 a secret while a secret is rolled; v0 is for test mode, and not to be believed.
    given = [value for scheme, _, value in parts if scheme == "v1"]
    signed = timestamps[0].encode() + b"." + received.body
    expected = [hmac.digest(secret.encode(), signed, sha256).hex() for secret in secrets]
    if not any(hmac.compare_digest(one, other) for one in given for other in expected):
        raise SignatureError("forged")
    return VerifiedEvent({"content-type": content_type, "stripe-signature": header}, received.body)
