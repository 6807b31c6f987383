"""Orders as bytes; the order of members is frozen, since a kept answer is printed from it again."""

from __future__ import annotations

import orjson

from services.gateway.problems import refused_object
from services.gateway.rendering import Members, money, rfc3339, time
from shared.contracts.orders import Interpretation, OrderCreated, OrderMarkedPaid, OrderView


def order_created(answer: OrderCreated) -> bytes:
    """order-created.v1; another version gets a function of its own beside this one, which stays as it is."""
    return orjson.dumps(
        {
            "order_id": str(answer.order_id),
            "payment_id": str(answer.payment_id),
            "session_id": str(answer.session_id),
            "payment_url": answer.payment_url,
            "status": answer.status,
            **money("amount", answer.amount_minor, answer.currency),
            "currency": answer.currency,
            "method": answer.method,
            "expires_at": rfc3339(answer.expires_at),
        }
    )


def order_marked_paid(answer: OrderMarkedPaid) -> bytes:
    """order-marked-paid.v1, as above."""
    return orjson.dumps(
        {
            "order_id": str(answer.order_id),
            "payment_id": str(answer.payment_id),
            "status": "paid",
            "reference": answer.reference,
            **money("amount", answer.amount_minor, answer.currency),
            "currency": answer.currency,
        }
    )


def order(view: OrderView) -> bytes:
    members: Members = {
        "order_id": str(view.order_id),
        "status": view.status,
        "product": view.product,
        "title": view.title,
        "payment_id": str(view.payment_id),
        "session_id": None if view.session_id is None else str(view.session_id),
        "payment_status": view.payment_status,
        "payment_url": view.payment_url,
        "method": view.method,
        **money("amount", view.amount_minor, view.currency),
        "currency": view.currency,
        **money("refunded_amount", view.refunded_amount_minor, view.currency),
        "locale": view.locale,
        "email": view.email,
        "phone": view.phone,
        "external_id": view.external_id,
        "metadata": dict(view.metadata),
        "expires_at": time(view.expires_at),
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }
    if view.problem is not None:
        members["problem"] = refused_object(view.problem)
    return orjson.dumps(members)


def interpretation(answer: Interpretation) -> bytes:
    return orjson.dumps({"message": answer.message})
