"""How Kiosk signs its notifications: code of its own, so that an error in the check at the gateway is seen."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from tests.emulators.deliveries import Attempt

FORGERS_SECRET: Final = "somebody-else's-secret"


def signed(body: bytes, secret: str, attempt: Attempt) -> Mapping[str, str]:
    """The headers of one attempt."""
    seconds = str(int(attempt.at))
    key = FORGERS_SECRET if attempt.forged else secret
    told = hmac.new(key.encode(), digestmod=hashlib.sha256)
    told.update(f"{seconds}.".encode())
    told.update(body)
    return {"content-type": "application/json", "kiosk-signature": f"t={seconds},s={told.hexdigest()}"}
