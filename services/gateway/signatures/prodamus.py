"""Prodamus's signature: HMAC-SHA256, keyed by the page's secret, of the JSON of all fields as PHP reads them.

Source: the class `Hmac` that the vendor publishes, and its guide for one's own integration (help.prodamus.ru).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from typing import Final

from services.gateway.signatures.base import Received, SignatureError, VerifiedEvent, only_header, require_uncompressed
from shared.php_forms import FormError, decode, signature

_HEX: Final = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)


def verify(received: Received, keys: Sequence[str]) -> VerifiedEvent:
    """The event, when one of `keys` signed exactly these fields; SignatureError otherwise. There is no time in it: repeats are told apart
    by what they say."""
    require_uncompressed(received.headers)
    content_type = only_header(received.headers, b"content-type")
    given = only_header(received.headers, b"sign")
    if not _HEX.fullmatch(given):
        raise SignatureError("garbled_header")
    try:
        form = decode(content_type, received.body)
    except FormError as error:
        raise SignatureError(str(error)) from error
    if not any(hmac.compare_digest(given.lower(), signature(form, key)) for key in keys):
        raise SignatureError("forged")
    # Our links to the payment page are signed in the same way with the same key, and every payer has one: it is no event.
    if "do" in form and "payment_status" not in form:
        raise SignatureError("link")
    return VerifiedEvent({"content-type": content_type, "sign": given}, received.body)


def demo_keys(keys: Sequence[str]) -> tuple[str, ...]:
    """`keys`, and what a page signs with that the vendor has not switched to live mode yet: its money is played."""
    return (*keys, *(f"{key}demo" for key in keys))
