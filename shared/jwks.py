"""A JWKS from a file or a URL, kept fresh in the background: looking a key up never waits for the network."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

import jwt

REFRESH_SECONDS: Final = 300.0
"""Age at which the set is read again."""

UNKNOWN_KEY_SECONDS: Final = 10.0
"""Shortest time between two readings that tokens with an unknown key id can cause, so that forged ids cannot flood the issuer."""

FETCH_TIMEOUT_SECONDS: Final = 5.0
_LIMIT_BYTES: Final = 1_000_000
_KEY_TYPES: Final = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}


class JwksUnavailable(Exception):
    """The key set cannot be read, or holds no key for the pinned algorithm."""


@dataclass(slots=True)
class KeySet:
    """The keys that fit `algorithm`, by key id (None for the only key of a set without ids)."""

    source: str
    algorithm: str
    keys: dict[str | None, jwt.PyJWK]
    read_at: float
    _reading: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def load(cls, source: str, algorithm: str) -> KeySet:
        """Reads the set now, within 5 s; JwksUnavailable when that fails."""
        return cls(source, algorithm, _read(source, algorithm), time.monotonic())

    def get_signing_key_from_jwt(self, token: str) -> jwt.PyJWK:
        """The key that the token's header names; a PyJWTError when the set (perhaps only as yet) does not hold it."""
        key_id = jwt.get_unverified_header(token).get("kid")
        age = time.monotonic() - self.read_at
        key = self.keys.get(key_id)
        if key is None and key_id is None and len(self.keys) == 1:
            key = next(iter(self.keys.values()))
        if age > REFRESH_SECONDS or (key is None and age > UNKNOWN_KEY_SECONDS):
            self._refresh()
        if key is None:
            raise jwt.InvalidKeyError("unknown key id")
        return key

    def _refresh(self) -> None:
        if self._reading.acquire(blocking=False):
            self.read_at = time.monotonic()
            threading.Thread(target=self._read_again, name="jwks", daemon=True).start()

    def _read_again(self) -> None:
        try:
            self.keys = _read(self.source, self.algorithm)
        except JwksUnavailable:
            # The keys at hand stay good; the next look-up that finds them old tries again.
            pass
        finally:
            self._reading.release()


def _read(source: str, algorithm: str) -> dict[str | None, jwt.PyJWK]:
    try:
        document = json.loads(_bytes(source))
        keys = {_text(entry.get("kid")): jwt.PyJWK(entry, algorithm) for entry in document["keys"] if _fits(entry, algorithm)}
    except (OSError, URLError, ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError) as error:
        raise JwksUnavailable(f"JWT_JWKS cannot be read: {type(error).__name__}") from error
    if not keys:
        raise JwksUnavailable(f"JWT_JWKS holds no key for {algorithm}")
    return keys


def _bytes(source: str) -> bytes:
    if source.startswith(("https://", "http://")):
        with urlopen(source, timeout=FETCH_TIMEOUT_SECONDS) as answer:  # noqa: S310 - the scheme was just checked
            data: bytes = answer.read(_LIMIT_BYTES + 1)
    else:
        data = Path(source.removeprefix("file://")).read_bytes()
    if len(data) > _LIMIT_BYTES:
        raise ValueError("too large")
    return data


def _fits(entry: dict[str, Any], algorithm: str) -> bool:
    return entry.get("kty") == _KEY_TYPES[algorithm] and entry.get("use", "sig") == "sig" and entry.get("alg", algorithm) == algorithm


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
