"""The cursor of a transaction list: for each currency, the version from which its account is read on. Opaque to everyone else."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final

import orjson

from services.wallet.domain import WalletError

_CURRENCY: Final = re.compile(r"[a-z]{3}", re.ASCII)
_MAX_CURRENCIES: Final = 250
_MAX_VERSION: Final = 2**63 - 1


class MalformedCursor(WalletError):
    """The cursor is not one that this list gave out."""


def encode_cursor(next_versions: Mapping[str, int]) -> str:
    """`next_versions`: currency -> the newest version that has not been listed yet."""
    return base64.urlsafe_b64encode(orjson.dumps(dict(next_versions))).decode().rstrip("=")


def decode_cursor(text: str) -> dict[str, int]:
    """What encode_cursor was given; MalformedCursor otherwise."""
    try:
        decoded = orjson.loads(base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error) as error:
        raise MalformedCursor("not a cursor") from error
    if not isinstance(decoded, dict) or not 1 <= len(decoded) <= _MAX_CURRENCIES:
        raise MalformedCursor("not a cursor")
    for currency, version in decoded.items():
        if not _CURRENCY.fullmatch(currency) or type(version) is not int or not 1 <= version <= _MAX_VERSION:
            raise MalformedCursor("not a cursor")
    return decoded
