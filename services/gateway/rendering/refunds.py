"""Refunds as bytes; the order of a made one is frozen, since a kept answer is printed from it again."""

from __future__ import annotations

from uuid import UUID

import orjson

from services.gateway.problems import refused_object
from services.gateway.rendering import Members, money, rfc3339, time
from shared.contracts.refunds import RefundItem, RefundMade, RefundPage, RefundView


def refund_made(answer: RefundMade) -> bytes:
    """refund-made.v1; another version gets a function of its own beside this one, which stays as it is."""
    return orjson.dumps(
        {
            "payment_id": str(answer.payment_id),
            "refund_id": str(answer.refund_id),
            "refund_status": answer.refund_status,
            "status": answer.status,
            **money("refunded_amount", answer.refunded_amount_minor, answer.currency),
            **money("amount", answer.amount_minor, answer.currency),
            "currency": answer.currency,
            "reason": answer.reason,
            "failure_reason": answer.failure_reason,
            "external_id": answer.external_id,
            "metadata": dict(answer.metadata),
            "created_at": rfc3339(answer.created_at),
        }
    )


def refund(view: RefundView) -> bytes:
    """The refund, and how far its payment is."""
    members = _members(view.payment_id, view.refund)
    members["status"] = view.status
    members |= money("refunded_amount", view.refunded_amount_minor, view.refund.currency)
    if view.problem is not None:
        members["problem"] = refused_object(view.problem)
    return orjson.dumps(members)


def refunds(page: RefundPage) -> bytes:
    return orjson.dumps({"items": [_members(page.payment_id, item) for item in page.items], "next_cursor": page.next_cursor})


def _members(payment_id: UUID, item: RefundItem) -> Members:
    return {
        "payment_id": str(payment_id),
        "refund_id": str(item.refund_id),
        "refund_status": item.refund_status,
        **money("amount", item.amount_minor, item.currency),
        "currency": item.currency,
        "origin": item.origin,
        "reason": item.reason,
        "failure_reason": item.failure_reason,
        "external_id": item.external_id,
        "metadata": dict(item.metadata),
        "created_at": rfc3339(item.created_at),
        "updated_at": rfc3339(item.updated_at),
        "settled_at": time(item.settled_at),
    }
