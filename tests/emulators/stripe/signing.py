"""The Stripe-Signature header of a delivery (https://docs.stripe.com/webhooks#verify-manually), written from its description alone."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

_OTHER_SCHEME: Final = "not-a-secret-of-the-endpoint"


def signature_header(body: bytes, secrets: Iterable[str], at: int) -> str:
    """One v1 for each of the endpoint's secrets that are valid now; `at`: unix seconds. The v0 is for receivers to ignore."""
    signed = b"%d.%s" % (at, body)
    marks = [f"v1={_mark(secret, signed)}" for secret in secrets]
    return ",".join([f"t={at}", *marks, f"v0={_mark(_OTHER_SCHEME, signed)}"])


def _mark(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
