"""What has been, as bytes: the list of payments, a timeline, the audit log. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from services.gateway.rendering import Members, money, rfc3339
from shared.contracts.audit import AuditPage
from shared.contracts.history import ListedPayment, TimelineStep

_MINOR: Final = "_minor"


def payments(items: Iterable[ListedPayment]) -> bytes:
    return orjson.dumps([_payment(item) for item in items])


def timeline(payment_id: str, steps: Iterable[TimelineStep], *, truncated: bool) -> bytes:
    return orjson.dumps({"payment_id": payment_id, "items": [_step(step) for step in steps], "truncated": truncated})


def audit(page: AuditPage) -> bytes:
    items = [
        {
            "id": str(item.id),
            "at": rfc3339(item.at),
            "actor": item.actor,
            "action": item.action,
            "resource": item.resource,
            "details": item.details,
            "request_id": item.request_id,
        }
        for item in page.items
    ]
    return orjson.dumps({"items": items, "next_cursor": page.next_cursor})


def _payment(item: ListedPayment) -> Members:
    return {
        "id": str(item.payment_id),
        "student_id": item.user_id,
        "mentor_id": item.mentor_id,
        "session_id": item.coaching_session_id or (None if item.session_id is None else str(item.session_id)),
        **money("amount", item.amount_minor, item.currency),
        "currency": item.currency,
        "status": item.status,
        "payment_method": item.method,
        "transaction_id": item.credit_reference,
        "description": item.description,
        "created_at": rfc3339(item.created_at),
        "updated_at": rfc3339(item.updated_at),
    }


def _step(step: TimelineStep) -> Members:
    return {"at": rfc3339(step.at), "step": step.step, "service": step.service, "ids": step.ids, "detail": _with_major_units(step.detail)}


def _with_major_units(detail: Mapping[str, Any]) -> Members:
    """Each sum in minor units is told in major units too, as everywhere."""
    currency = detail.get("currency")
    told: Members = {}
    for name, value in detail.items():
        if name.endswith(_MINOR) and isinstance(value, int) and isinstance(currency, str):
            told |= money(name.removesuffix(_MINOR), value, currency)
        else:
            told[name] = value
    return told
