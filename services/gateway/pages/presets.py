"""Sums that a top-up may begin with, of a size that people use in each currency. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.contracts.checkout import AmountLimits
from shared.money import EXPONENTS, MAX_AMOUNT_MINOR

# How many major units are about what ten euros are, as a round number; all others: USUAL.
_SIZES: Final = {
    5: "bhd jod kwd omr",
    50: "aed bob brl cny gtq hkd ils mad myr pen pln qar ron sar sbd tnd try ttd",
    100: "bwp czk dkk egp hnl lsl mdl mkd mur mvr mxn nad nio nok php scr sek svc szl thb twd uah uyu zar zmw zwg",
    500: "afn bdt cup dop etb gmd mru mzn npr srd ves",
    1_000: "all clp crc cve djf dzd gyd htg huf inr isk jmd jpy kes kgs kzt lkr lrd pkr rsd rub sos vuv xpf yer",
    5_000: "amd aoa ars bif cdf cop gnf iqd kmf krw lbp mga mmk mnt mwk ngn pyg rwf sdg ssp tzs ugx uzs xaf xof",
    50_000: "idr irr khr lak syp vnd",
}
USUAL: Final = 10

_SIZE: Final[Mapping[str, int]] = {currency: size for size, currencies in _SIZES.items() for currency in currencies.split()}
_STEPS: Final = (1, 2, 5, 10)


def presets(currency: str) -> tuple[int, ...]:
    """Four sums in whole major units, growing: of rsd 1000, 2000, 5000, 10000."""
    size = _SIZE.get(currency, USUAL)
    return tuple(size * step for step in _STEPS)


def presets_within(limits: AmountLimits) -> tuple[int, ...]:
    """Those of the presets (whole major units) that may be paid."""
    scale = 10 ** EXPONENTS[limits.currency]
    most = min(limits.maximum_minor, MAX_AMOUNT_MINOR)
    return tuple(
        amount
        for amount in presets(limits.currency)
        if limits.minimum_minor <= amount * scale <= most and not amount * scale % limits.step_minor
    )
