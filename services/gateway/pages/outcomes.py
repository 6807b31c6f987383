"""What a payment's status means to whoever pays it: the states that result pages are written in."""

from __future__ import annotations

from typing import Final

_STATES: Final = {
    "pending": "waiting",
    "failed": "failed",
    "canceled": "failed",
    "expired": "failed",
    "refunded": "refunded",
    "disputed": "disputed",
}


def state_of(status: str) -> str:
    """waiting, paid, failed, refunded or disputed; what is partly refunded has been paid."""
    return _STATES.get(status, "paid")
