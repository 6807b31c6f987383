"""What static/deposit.js has to know of every currency, written short into data attributes: "value=aed afn all;value=bhd kwd"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from services.gateway.depositing import limits_of
from services.gateway.pages.deposit_form import Choices
from services.gateway.pages.presets import presets_within
from shared.contracts.checkout import MethodView
from shared.money import EXPONENTS

_USUAL_DECIMALS: Final = 2


def digits_data(currencies: Iterable[str]) -> str:
    """The decimals of those that have not two."""
    return _grouped({currency: str(EXPONENTS[currency]) for currency in currencies if EXPONENTS[currency] != _USUAL_DECIMALS})


def presets_data(on: Choices) -> str:
    return _grouped({currency: " ".join(map(str, presets_of(on, currency))) for currency in on.currencies})


def limits_data(method: MethodView) -> str:
    """Minor units: least:most:step."""
    return _grouped(
        {
            limits.currency: f"{limits.minimum_minor}:{limits.maximum_minor}:{limits.step_minor}"
            for limits in method.limits
            if limits.currency in EXPONENTS
        }
    )


def presets_of(on: Choices, currency: str) -> tuple[int, ...]:
    """Those that at least one method takes, in whole major units."""
    able = [limits for method in on.methods if (limits := limits_of(method, currency))]
    return tuple(sorted({amount for limits in able for amount in presets_within(limits)}))


def _grouped(values: Mapping[str, str]) -> str:
    groups: dict[str, list[str]] = {}
    for currency, value in values.items():
        groups.setdefault(value, []).append(currency)
    return ";".join(f"{value}={' '.join(sorted(currencies))}" for value, currencies in groups.items())
