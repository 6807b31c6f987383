"""The AsyncAPI 3.0 document: the WebSocket with its frames, and what comes over the broker."""

from __future__ import annotations

from typing import Any, Final

from shared.contracts.queries import GetNotifierHealth, HealthView
from shared.contracts.topology import NOTIFIER_BALANCE_CHANGED, NOTIFIER_QUERIES
from shared.contracts.wallet_events import BalanceChanged

_CURRENCY: Final = {"type": "string", "pattern": "^[a-z]{3}$", "examples": ["rsd"]}
_VERSION: Final = {"type": "integer", "minimum": 1, "description": "strictly increasing in a currency", "examples": [17]}
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
_CLOSE_CODES: Final = (
    "Closed with 4401 (no, bad or used ticket; session expired), 4429 (too many sockets of this user), 1012 (service restart: reconnect "
    "with jittered backoff), 1013 (try again later), 1008 (a client that talks), 1009 (a message too big). The handshake is refused with "
    "403 (origin) or 503 with Retry-After (broker down; the ticket is still good)."
)


def document(version: str) -> dict[str, Any]:
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Purser notifier", "version": version, "description": "Pushes balances to open pages."},
        "channels": {
            "ws": {
                "address": "/ws",
                "description": "Open with ?ticket=… (POST /api/v1/stream/ticket) or an Authorization: Bearer header. " + _CLOSE_CODES,
                "messages": {"balanceSnapshot": _message(_snapshot()), "balanceUpdated": _message(_updated())},
            },
            "balanceChanged": {
                "address": f"{NOTIFIER_BALANCE_CHANGED.name}.{{replica}}",
                "description": NOTIFIER_BALANCE_CHANGED.purpose,
                "parameters": {"replica": {"description": "one process"}},
                "messages": {"balanceChanged": _message(_envelope())},
            },
            "questions": {
                "address": NOTIFIER_QUERIES.name,
                "description": NOTIFIER_QUERIES.purpose,
                "messages": {
                    "getNotifierHealth": _message(GetNotifierHealth.model_json_schema()),
                    "healthView": _message(HealthView.model_json_schema(mode="serialization")),
                },
            },
        },
        "operations": {
            "sendFrames": {"action": "send", "channel": {"$ref": "#/channels/ws"}},
            "receiveBalanceChanged": {"action": "receive", "channel": {"$ref": "#/channels/balanceChanged"}},
            "answerQuestions": {
                "action": "receive",
                "channel": {"$ref": "#/channels/questions"},
                "messages": [{"$ref": "#/channels/questions/messages/getNotifierHealth"}],
                "reply": {"messages": [{"$ref": "#/channels/questions/messages/healthView"}], "channel": {"$ref": "#/channels/questions"}},
            },
        },
    }


def _message(schema: dict[str, Any]) -> dict[str, Any]:
    # Not plain JSON Schema to AsyncAPI's eyes unless it says so: Pydantic writes 2020-12, with its own $defs inside.
    return {
        "contentType": "application/json",
        "payload": {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": schema},
    }


def _snapshot() -> dict[str, Any]:
    return _object({"type": {"const": "balance.snapshot"}, "balances": {"type": "array", "items": _object(_AMOUNTS)}})


def _updated() -> dict[str, Any]:
    updated = _object(
        {
            "type": {"const": "balance.updated"},
            **_AMOUNTS,
            "change": {"type": "number", "examples": [2000.5]},
            **_CHANGE,
            "occurred_at": {"type": "string", "format": "date-time"},
            "changes": {"type": "array", "minItems": 1, "maxItems": 20, "items": _object(_CHANGE), "description": "newest last"},
        }
    )
    updated["properties"]["changes_truncated"] = {"const": True, "description": "there were more changes since the last frame"}
    return updated


def _envelope() -> dict[str, Any]:
    event = BalanceChanged.model_json_schema()
    return _object({"type": {"const": BalanceChanged.TYPE}, "events": {"type": "array", "minItems": 1, "maxItems": 100, "items": event}})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}
