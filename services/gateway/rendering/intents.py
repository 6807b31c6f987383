"""Session payments and coaching sessions as bytes, in an order that is frozen; and the configuration, which is not kept. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from services.gateway.rendering import money, rfc3339, time
from shared.contracts.intents import IntentCreated, PaymentCanceled, PaymentConfirmed
from shared.contracts.sessions import SessionView
from shared.money import EXPONENTS, MAX_AMOUNT_MINOR


def intent_created(answer: IntentCreated) -> bytes:
    """intent-created.v1; another version gets a function of its own beside this one, which stays as it is."""
    return orjson.dumps(
        {
            "client_secret": answer.client_secret,
            "payment_id": str(answer.payment_id),
            **money("amount", answer.amount_minor, answer.currency),
            "currency": answer.currency,
            "status": answer.status,
            "payment_method": answer.method,
            "session_id": answer.session_id,
            "mentor_id": answer.mentor_id,
            "payment_url": answer.payment_url,
            "expires_at": time(answer.expires_at),
        }
    )


def payment_confirmed(answer: PaymentConfirmed, status: str) -> bytes:
    """payment-confirmed.v1, with the status that is true for whoever asks."""
    return _ended(answer, status)


def payment_canceled(answer: PaymentCanceled) -> bytes:
    """payment-canceled.v1."""
    return _ended(answer, "canceled")


def session(view: SessionView) -> bytes:
    """session-view.v1."""
    return orjson.dumps(
        {
            "session_id": view.session_id,
            "mentor_id": view.mentor_id,
            "title": view.title,
            **money("amount", view.price_minor, view.currency),
            "price": view.price_minor,
            "currency": view.currency,
            "created_at": rfc3339(view.created_at),
            "updated_at": rfc3339(view.updated_at),
        }
    )


def configuration(
    methods: Sequence[str],
    pays_for: Mapping[str, Sequence[str]],
    *,
    fee_bps: int,
    stripe_publishable_key: str | None,
    locales: Sequence[str],
    default_locale: str,
    default_currency: str,
) -> bytes:
    """What can be paid how here. `pays_for`: each method's purposes."""
    limits = _limits()
    return orjson.dumps(
        {
            "methods": [{"method": method, "pays_for": list(pays_for[method]), "limits": limits} for method in methods],
            "exponents": EXPONENTS,
            "fee_bps": fee_bps,
            "stripe_publishable_key": stripe_publishable_key,
            "locales": list(locales),
            "default_locale": default_locale,
            "default_currency": default_currency,
        }
    )


def _limits() -> list[dict[str, Any]]:
    """From one minor unit to the largest sum, the same for currencies with as many decimals."""
    by_exponent: dict[int, list[str]] = {}
    for currency, exponent in sorted(EXPONENTS.items()):
        by_exponent.setdefault(exponent, []).append(currency)
    return [
        {"currencies": currencies, **money("minimum", 1, currencies[0]), **money("maximum", MAX_AMOUNT_MINOR, currencies[0])}
        for _, currencies in sorted(by_exponent.items())
    ]


def _ended(answer: PaymentConfirmed | PaymentCanceled, status: str) -> bytes:
    return orjson.dumps(
        {
            "payment_id": str(answer.payment_id),
            "status": status,
            **money("amount", answer.amount_minor, answer.currency),
            "currency": answer.currency,
            "payment_method": answer.method,
        }
    )
