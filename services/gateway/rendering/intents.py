"""Session payments and coaching sessions as bytes, in an order that is frozen. Pure."""

from __future__ import annotations

import orjson

from services.gateway.rendering import money, rfc3339, time
from shared.contracts.intents import IntentCreated, PaymentCanceled, PaymentConfirmed
from shared.contracts.sessions import SessionView


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
