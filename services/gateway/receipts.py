"""Receipts of a 202: a signed proof that this caller handed a request over, so that asking too early is never "not found". Pure."""

from __future__ import annotations

import base64
import hmac
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from shared.keys import Keys

LABEL: Final = "receipt"

GRACE: Final = timedelta(seconds=15)
"""How long after a command's deadline it may still be on its way to a record: clocks differ, and a commit takes time."""

_FORM: Final = re.compile(r"([0-9]{1,15})\.([A-Za-z0-9_-]{43})", re.ASCII)


def sign(keys: Keys, *, resource_id: str, caller: str, deadline: datetime) -> str:
    """The receipt; `deadline` is the command's own."""
    seconds = str(int(deadline.timestamp()))
    return f"{seconds}.{_signature(keys.signing(LABEL), resource_id, caller, seconds)}"


def verified_deadline(keys: Keys, receipt: str, *, resource_id: str, caller: str) -> datetime | None:
    """The deadline that the receipt names, or None when it is not ours, or another's, or of another request."""
    match = _FORM.fullmatch(receipt)
    if match is None:
        return None
    seconds, signature = match.groups()
    expected = [_signature(key, resource_id, caller, seconds) for key in keys.verifying(LABEL)]
    if not any(hmac.compare_digest(signature, one) for one in expected):
        return None
    return datetime.fromtimestamp(int(seconds), UTC)


def _signature(key: bytes, resource_id: str, caller: str, seconds: str) -> str:
    told = "\x00".join((resource_id, caller, seconds)).encode()
    return base64.urlsafe_b64encode(hmac.digest(key, told, sha256)).decode().rstrip("=")
