"""How requests to AllSecure are signed: HMAC-SHA512, keyed by the connector's shared secret, of what is sent, to the byte.

Source: `createSignature` of AllSecure's PHP client (allsecure-pay/exchange-php-client 3.9.0) and "Additional security" in the documentation
of the platform below it, documentation.ixopay.com. Their client hashes the body with MD5 unless it is told otherwise; callbacks come signed
as the request was that began the transaction, so only SHA-512 is ever sent.
"""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha512
from typing import Final

CONTENT_TYPE: Final = "application/json; charset=utf-8"
"""Of every request, also of one without a body: it is part of what is signed."""


def date_text(moment: datetime) -> str:
    """RFC 7231's form, in GMT; for `Date` and `X-Date` alike."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def signature(secret: str, *, method: str, body: bytes, date: str, target: str, content_type: str = CONTENT_TYPE) -> str:
    """The text of X-Signature. `target`: path and query as they are sent, no host; `body`: empty for a GET, and hashed all the same."""
    message = "\n".join((method, sha512(body).hexdigest(), content_type, date, target))
    return base64.b64encode(hmac.digest(secret.encode(), message.encode(), sha512)).decode()
