"""Each service's AsyncAPI 3.0 document, made from the topology: what it receives, what it sends, with schemas, queues and their limits.

FastStream documents only its own subscribers; the bulk road is not among them, and gateway and notifier do without FastStream. The topology
knows all of it, so the document is made of the same objects that the services declare and consume.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from shared import contracts
from shared.contracts.base import Message, Reply
from shared.contracts.topology import ENVELOPE_EVENTS, ROUTES, Exchange, Queue, Route, Service

VERSION: Final = "1.0.0"
_SCHEMAS: Final = "#/components/schemas/{model}"


def asyncapi_document(service: Service) -> dict[str, Any]:
    """The AsyncAPI 3.0.0 document of `service` (https://www.asyncapi.com/docs/reference/specification/v3.0.0)."""
    sends = [route for route in ROUTES if service in route.producers]
    receives = [(route, queue) for route in ROUTES for queue in route.queues if queue.consumer == service]
    routes = list(dict.fromkeys([*sends, *(route for route, _ in receives)]))
    replies = {name: _reply_class(name) for route in routes for name in route.answers}
    models = [route.message for route in routes] + list(replies.values())
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_SCHEMAS)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": f"Purser {service}", "version": VERSION, "description": f"What {service} receives and sends over RabbitMQ."},
        "defaultContentType": "application/json",
        "channels": {
            **{_channel_id(route): _channel(route) for route in routes},
            **({"replies": _reply_channel(replies)} if replies else {}),
        },
        "operations": {
            **{f"send {route.key}": _operation(route, "send") for route in sends},
            **{f"receive {route.key}": _operation(route, "receive", queue) for route, queue in receives},
        },
        "components": {
            "messages": {
                **{_id(route.key): _message(route) for route in routes},
                **{_id(name): {"name": name, "payload": _ref(model)} for name, model in replies.items()},
            },
            "schemas": definitions.get("$defs", {}),
        },
    }


def _channel(route: Route) -> dict[str, Any]:
    exchange: Exchange = route.exchange
    described = {"name": exchange.name, "type": exchange.kind, "durable": True}
    return {
        "address": route.key,
        "description": f"Exchange {exchange.name}, routing key {route.key}, to {', '.join(queue.name for queue in route.queues)}.",
        "messages": {_id(route.key): {"$ref": f"#/components/messages/{_id(route.key)}"}},
        "bindings": {"amqp": {"is": "routingKey", "exchange": described, "bindingVersion": "0.3.0"}},
    }


def _reply_channel(replies: dict[str, type[Reply]]) -> dict[str, Any]:
    return {
        "address": None,
        "description": "Direct reply-to: the address is the request's reply_to property, the request is named by correlation_id.",
        "messages": {_id(name): {"$ref": f"#/components/messages/{_id(name)}"} for name in replies},
    }


def _operation(route: Route, action: str, queue: Queue | None = None) -> dict[str, Any]:
    operation: dict[str, Any] = {"action": action, "channel": {"$ref": f"#/channels/{_channel_id(route)}"}}
    if queue is not None:
        limits = ", ".join(f"{name} {value}" for name, value in queue.arguments.items())
        operation["description"] = f"Queue {queue.name}: {queue.purpose} ({limits}; prefetch {queue.prefetch})."
    if route.answers:
        operation["reply"] = {
            "address": {"location": "$message.header#/reply_to"},
            "channel": {"$ref": "#/channels/replies"},
            "messages": [{"$ref": f"#/channels/replies/messages/{_id(name)}"} for name in route.answers],
        }
    return operation


def _message(route: Route) -> dict[str, Any]:
    payload: dict[str, Any] = _ref(route.message)
    if route.bulk:
        payload = {
            "type": "object",
            "description": "An envelope: events of one route that travel together, each worked on by itself.",
            "required": ["type", "events"],
            "properties": {
                "type": {"const": route.key},
                "events": {"type": "array", "minItems": 1, "maxItems": ENVELOPE_EVENTS, "items": payload},
            },
        }
    return {"name": route.key, "title": route.message.__name__, "summary": (route.message.__doc__ or "").strip(), "payload": payload}


def _reply_class(name: str) -> type[Reply]:
    for module in pkgutil.iter_modules(contracts.__path__):
        for value in vars(importlib.import_module(f"{contracts.__name__}.{module.name}")).values():
            if (
                isinstance(value, type)
                and issubclass(value, Reply)
                and "type" in value.model_fields
                and value.model_fields["type"].default == name
            ):
                return value
    raise KeyError(name)


def _ref(model: type[Message] | type[Reply]) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _id(key: str) -> str:
    return key.replace(".", "_")


def _channel_id(route: Route) -> str:
    return _id(route.key)
