"""The platform's fee and its share of what goes back: the product's one rounding, always down."""

from __future__ import annotations

from typing import Final

BPS: Final = 10_000
FEE_BPS_MAX: Final = 9_999
"""A fee of everything would leave nothing to credit."""


def platform_fee(amount_minor: int, fee_bps: int) -> int:
    """`floor(amount × bps / 10000)`, below the amount."""
    return amount_minor * fee_bps // BPS


def fee_share(fee_minor: int, amount_minor: int, back_minor: int, given_back_minor: int) -> int:
    """How much of the fee goes back when `back_minor` of the amount are back, this refund among them, and `given_back_minor` of the fee
    went back with the others: in proportion, cumulatively, never below 0, all of it with the last."""
    return max(0, fee_minor * back_minor // amount_minor - given_back_minor)
