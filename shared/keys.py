"""Keys derived from SECRET_KEY, one a purpose, so that no two uses share a key and any of them can be rolled."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Keys:
    """The installation's secrets, newest first: the first signs, all verify."""

    secrets: tuple[str, ...] = field(repr=False)

    def signing(self, label: str) -> bytes:
        """The 32-byte key that signs for `label`."""
        return _derive(self.secrets[0], label)

    def verifying(self, label: str) -> tuple[bytes, ...]:
        """The 32-byte keys whose signatures are accepted for `label`."""
        return tuple(_derive(secret, label) for secret in self.secrets)


def _derive(secret: str, label: str) -> bytes:
    return hmac.digest(secret.encode(), f"purser/{label}".encode(), sha256)
