"""Suspense items, transfers and the mock's events as bytes; the order is frozen, since a kept answer is printed from it again."""

from __future__ import annotations

import orjson

from services.gateway.problems import refused_object
from services.gateway.rendering import Members, money, rfc3339, time
from shared.contracts.mock_controls import MockEventScheduled
from shared.contracts.suspense import SuspenseItemView, SuspensePage
from shared.contracts.transfers import UserTransferView


def suspense_item(view: SuspenseItemView) -> bytes:
    """suspense-item-view.v1; another version gets a function of its own beside this one, which stays as it is."""
    return orjson.dumps(_item(view))


def suspense_items(page: SuspensePage) -> bytes:
    return orjson.dumps({"items": [_item(item) for item in page.items], "next_cursor": page.next_cursor})


def transfer(view: UserTransferView) -> bytes:
    """user-transfer-view.v1"""
    members: Members = {
        "transfer_id": str(view.transfer_id),
        "status": view.status,
        **money("amount", view.amount_minor, view.currency),
        "currency": view.currency,
        "from_user_id": view.from_user_id,
        "to_user_id": view.to_user_id,
        "reason": view.reason,
        "external_id": view.external_id,
        "metadata": dict(view.metadata),
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }
    if view.problem is not None:
        members["problem"] = refused_object(view.problem)
    return orjson.dumps(members)


def mock_event(scheduled: MockEventScheduled) -> bytes:
    """mock-event-scheduled.v1"""
    return orjson.dumps(
        {
            "payment_id": str(scheduled.payment_id),
            "session_id": str(scheduled.session_id),
            "event_id": scheduled.event_id,
            "times": scheduled.times,
            "due_at": rfc3339(scheduled.due_at),
        }
    )


def _item(view: SuspenseItemView) -> Members:
    return {
        "id": str(view.item_id),
        "provider": view.provider,
        "reference": view.reference,
        "payment_id": None if view.payment_id is None else str(view.payment_id),
        **money("amount", view.amount_minor, view.currency),
        "currency": view.currency,
        "reason": view.reason,
        "status": view.status,
        "created_at": rfc3339(view.created_at),
        "session_id": str(view.session_id),
        "assigned_user_id": view.assigned_user_id,
        "assigned_payment_id": None if view.assigned_payment_id is None else str(view.assigned_payment_id),
        "decided_by": view.decided_by,
        "decided_at": time(view.decided_at),
        "decision_reference": view.decision_reference,
        "decision_reason": view.decision_reason,
    }
