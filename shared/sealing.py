"""Personal data at rest: sealed with Fernet (cryptography's; AES-128-CBC with HMAC-SHA256) under a key of its own for each purpose.

The first of DATA_KEYS seals, all of them open. To roll: add a new one behind, put it in front when every replica has it, and drop
the old one when nothing sealed with it is left.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class Unreadable(Exception):
    """None of DATA_KEYS opens it: sealed with a key that was dropped, for another purpose, or damaged."""


class Seal:
    """Seals bytes for one purpose (a column, say): what is sealed for one cannot be opened as another."""

    def __init__(self, data_keys: tuple[str, ...], purpose: str) -> None:
        self._fernet = MultiFernet([Fernet(_key(key, purpose)) for key in data_keys])

    def close(self, plain: bytes) -> bytes:
        # Fernet's text form is a third longer than what it says.
        return urlsafe_b64decode(self._fernet.encrypt(plain))

    def open(self, sealed: bytes) -> bytes:
        """What was sealed; Unreadable when no key opens it."""
        try:
            return self._fernet.decrypt(urlsafe_b64encode(sealed))
        except InvalidToken as error:
            raise Unreadable("none of DATA_KEYS opens it") from error


def _key(data_key: str, purpose: str) -> bytes:
    return urlsafe_b64encode(hmac.digest(data_key.encode(), f"purser/{purpose}".encode(), sha256))
