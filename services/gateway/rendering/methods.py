"""What can be paid how, as bytes: not kept, but its tag is its bytes' hash, so the same is printed the same. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from services.gateway.rendering import Members, money
from shared.contracts.checkout import AmountLimits, MethodView
from shared.money import EXPONENTS


def configuration(
    methods: Sequence[MethodView],
    *,
    fee_bps: int,
    stripe_publishable_key: str | None,
    locales: Sequence[str],
    default_locale: str,
    default_currency: str,
) -> bytes:
    """Each method with its purposes and sums; currencies that this gateway does not know are left out."""
    return orjson.dumps(
        {
            "methods": [
                {"method": method.method, "pays_for": list(method.pays_for), "limits": _limits(method.limits)} for method in methods
            ],
            "exponents": EXPONENTS,
            "fee_bps": fee_bps,
            "stripe_publishable_key": stripe_publishable_key,
            "locales": list(locales),
            "default_locale": default_locale,
            "default_currency": default_currency,
        }
    )


def _limits(limits: Sequence[AmountLimits]) -> list[Members]:
    """Currencies with the same sums and as many decimals together."""
    groups: dict[tuple[int, int, int, int], list[str]] = {}
    for limit in limits:
        if (exponent := EXPONENTS.get(limit.currency)) is not None:
            groups.setdefault((exponent, limit.minimum_minor, limit.maximum_minor, limit.step_minor), []).append(limit.currency)
    return [_group(sorted(currencies), *sums) for (_, *sums), currencies in sorted(groups.items())]


def _group(currencies: list[str], minimum_minor: int, maximum_minor: int, step_minor: int) -> Members:
    printed = {
        "currencies": currencies,
        **money("minimum", minimum_minor, currencies[0]),
        **money("maximum", maximum_minor, currencies[0]),
    }
    return printed if step_minor == 1 else {**printed, "step_minor": step_minor}
