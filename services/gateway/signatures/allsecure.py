"""AllSecure's callback signature: HMAC-SHA512, keyed by the connector's shared secret, of method, body hash, content type, date and target.

Source: `createSignature` and `validateCallback` of the vendor's PHP client (allsecure-pay/exchange-php-client 3.9.0), and "Additional
security" in the documentation of the platform below it, documentation.ixopay.com.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import md5, sha512
from typing import Final

from services.gateway.signatures.base import (
    Received,
    SignatureError,
    VerifiedEvent,
    only_header,
    optional_header,
    require_plain_json,
)

_SENT_TYPE: Final = "application/json; charset=utf-8"
"""What the vendor's clients sign, whatever a proxy made of the header on the way."""


@dataclass(frozen=True, slots=True)
class Connector:
    """`path`: of the callback URL that was told to AllSecure, as it calls it. `accept_md5`: the older hash of the body counts too."""

    shared_secret: str = field(repr=False)
    path: str
    accept_md5: bool = False


def verify(received: Received, connector: Connector) -> VerifiedEvent:
    """The event, when AllSecure signed exactly these bytes for our address; SignatureError otherwise.

    An old date is no reason to refuse: a callback is repeated for a week, and whether with a new date the vendor does not say. Replays
    are harmless, since events are told apart by what they say.
    """
    content_type = require_plain_json(received.headers)
    given = only_header(received.headers, b"x-signature")
    dates = {name: optional_header(received.headers, name.encode()) for name in ("x-date", "date")}
    date = dates["x-date"] or dates["date"]
    if date is None:
        raise SignatureError("missing_header")
    expected = [_signature(connector.shared_secret, message) for message in _messages(received, connector, content_type, date)]
    # As texts: base64 has several spellings of the same bytes, and only one is right.
    if not any(hmac.compare_digest(given, one) for one in expected):
        raise SignatureError("forged")
    kept = {"content-type": content_type, "x-signature": given, **{name: value for name, value in dates.items() if value is not None}}
    return VerifiedEvent(kept, received.body)


def _messages(received: Received, connector: Connector, content_type: str, date: str) -> Iterator[bytes]:
    target = connector.path.encode() + (b"?" + received.query if received.query else b"")
    hashes = [sha512(received.body).hexdigest()]
    if connector.accept_md5:
        hashes.append(md5(received.body, usedforsecurity=False).hexdigest())
    for body_hash in hashes:
        for kind in dict.fromkeys((content_type, _SENT_TYPE)):
            yield b"\n".join((b"POST", body_hash.encode(), kind.encode(), date.encode(), target))


def _signature(secret: str, message: bytes) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), message, sha512)).decode()
