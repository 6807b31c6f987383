"""The AsyncAPI 3.0 document: the WebSocket with its frames, and what comes over the broker."""

from __future__ import annotations

from typing import Any, Final

from services.notifier.notices import NOTICES_MAX, PAYMENT_STAGES, WITHDRAWAL_STAGES
from shared.asyncapi import asyncapi_document

_CURRENCY: Final = {"type": "string", "pattern": "^[a-z]{3}$", "examples": ["rsd"]}
_VERSION: Final = {"type": "integer", "minimum": 1, "description": "strictly increasing in a currency", "examples": [17]}
_TIME: Final = {"type": "string", "format": "date-time"}
_PAYMENT_ID: Final = {"type": ["string", "null"], "format": "uuid"}
_AMOUNTS: Final = {
    "currency": _CURRENCY,
    "available": {"type": "number", "description": "major units, exact", "examples": [2000.5]},
    "available_minor": {"type": "integer", "description": "minor units, the truth", "examples": [200050]},
    "held": {"type": "number", "examples": [0]},
    "held_minor": {"type": "integer", "examples": [0]},
    "version": _VERSION,
}
_CHANGE: Final = {
    "version": _VERSION,
    "change_minor": {"type": "integer", "description": "signed change of available", "examples": [200050]},
    "kind": {"type": "string", "examples": ["deposit"]},
    "payment_id": _PAYMENT_ID,
}
_STATE: Final = {
    "amount": {"type": "number", "description": "major units, exact", "examples": [50.0]},
    "amount_minor": {"type": "integer", "description": "minor units, the truth", "minimum": 1, "examples": [5000]},
    "currency": _CURRENCY,
}
_TRUNCATED: Final = {
    "const": True,
    "description": "earlier states of others were not told, for too many waited: read the lists of payments and withdrawals again",
}
_FRAMES: Final = (
    "The first frame is balance.snapshot; it comes again when this side lost the broker. After each of them the lists of payments and "
    "withdrawals are to be read again: states are told as they change, to a payment's payer and mentor and to a withdrawal's owner, and "
    f"what changed before is not told. No state comes after one that overtook it, as far as the last {NOTICES_MAX} that moved go. A client "
    "that does not keep up gets the newest state of as many, and updates_truncated when there were more. No order is kept among balances, "
    "payments and withdrawals. "
)
_CLOSE_CODES: Final = (
    "Closed with 4401 (no, bad or used ticket; session expired), 4429 (too many sockets of this user: those that are open stay, so "
    "a page that is told this asks GET /api/v1/balance instead), 1012 (service restart: reconnect with jittered backoff), 1013 (try again "
    "later), 1008 (a client that talks), 1009 (a message too big). Cut off without a code: a client that sends without end, or takes "
    "nothing. The handshake is refused with 403 (origin) or 503 with Retry-After (broker down; the ticket is still good)."
)


def document() -> dict[str, Any]:
    """What comes over the broker is the topology's to tell; the socket is told here."""
    told = asyncapi_document("notifier")
    told["info"]["description"] += " Pushes balances, payments and withdrawals to open pages over WebSocket."
    told["channels"]["ws"] = {
        "address": "/ws",
        "description": "Open with ?ticket=… (POST /api/v1/stream/ticket) or an Authorization: Bearer header. " + _FRAMES + _CLOSE_CODES,
        "messages": {
            "balanceSnapshot": _message(_snapshot()),
            "balanceUpdated": _message(_updated()),
            "paymentUpdated": _message(_payment()),
            "withdrawalUpdated": _message(_withdrawal()),
        },
    }
    told["operations"]["send frames"] = {"action": "send", "channel": {"$ref": "#/channels/ws"}}
    return told


def _message(schema: dict[str, Any]) -> dict[str, Any]:
    return {"contentType": "application/json", "payload": schema}


def _snapshot() -> dict[str, Any]:
    return _object({"type": {"const": "balance.snapshot"}, "balances": {"type": "array", "items": _object(_AMOUNTS)}})


def _updated() -> dict[str, Any]:
    updated = _object(
        {
            "type": {"const": "balance.updated"},
            **_AMOUNTS,
            "change": {"type": "number", "examples": [2000.5]},
            **_CHANGE,
            "occurred_at": _TIME,
            "changes": {"type": "array", "minItems": 1, "maxItems": 20, "items": _object(_CHANGE), "description": "newest last"},
        }
    )
    updated["properties"]["changes_truncated"] = {"const": True, "description": "there were more changes since the last frame"}
    return updated


def _payment() -> dict[str, Any]:
    payment = _object(
        {
            "type": {"const": "payment.updated"},
            "payment_id": {"type": "string", "format": "uuid"},
            "status": {"type": "string", "enum": list(PAYMENT_STAGES)},
            "kind": {"type": "string", "enum": ["deposit", "payment", "order"]},
            "method": {"type": "string", "description": "what really runs", "examples": ["stripe"]},
            **_STATE,
            "refunded_amount": {"type": "number", "description": "major units, exact", "examples": [0]},
            "refunded_amount_minor": {"type": "integer", "minimum": 0, "examples": [0]},
            "updated_at": _TIME | {"description": "of a completion: when the provider says that it was paid"},
        }
    )
    payment["properties"]["updates_truncated"] = _TRUNCATED
    return payment


def _withdrawal() -> dict[str, Any]:
    withdrawal = _object(
        {
            "type": {"const": "withdrawal.updated"},
            "withdrawal_id": {"type": "string", "format": "uuid"},
            "status": {"type": "string", "enum": list(WITHDRAWAL_STAGES)},
            **_STATE,
            "reason": {"type": ["string", "null"], "description": "why it was rejected, failed or came back"},
            "updated_at": _TIME,
        }
    )
    withdrawal["properties"]["updates_truncated"] = _TRUNCATED
    return withdrawal


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}
