"""Guests: people who order without an account. They are told apart by a keyed hash of whom they want to be reached. Pure."""

from __future__ import annotations

import base64
import hmac
import re
from hashlib import sha256
from typing import Final

from shared.contracts.orders import FORMER_CALLERS_MAX
from shared.keys import Keys

LABEL: Final = "guest"

_NOT_A_DIGIT: Final = re.compile(r"[^0-9]")


def guest_callers(keys: Keys, email: str | None, phone: str | None) -> tuple[str, ...]:
    """The guest's name as callers have names, then the ones under secrets that are being rolled out of use. However an address or a number
    is written, it is the same guest's."""
    told = f"{(email or '').casefold()}\x00{_NOT_A_DIGIT.sub('', phone or '')}".encode()
    digests = (hmac.digest(key, told, sha256) for key in keys.verifying(LABEL)[: 1 + FORMER_CALLERS_MAX])
    return tuple(f"guest:{base64.urlsafe_b64encode(digest).decode().rstrip('=')}" for digest in digests)


def caller_of_order(order_id: str) -> str:
    """Whoever knows an order's id is one caller: the id is the secret."""
    return f"order:{order_id}"
