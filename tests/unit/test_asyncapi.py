"""The AsyncAPI documents: whole in themselves, and each route in its producer's and in every consumer's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema

from services.notifier.asyncapi import document as notifier_document
from shared.asyncapi import asyncapi_document
from shared.contracts.topology import ENVELOPE_EVENTS, ROUTES, Route, Service

SERVICES: tuple[Service, ...] = get_args(Service)
DOCUMENTS = {service: asyncapi_document(service) for service in SERVICES} | {"notifier": notifier_document()}  # it adds its socket
EACH_SERVICE = pytest.mark.parametrize("service", SERVICES)
EACH_ROUTE = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.key)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolve(document: dict[str, Any], reference: str) -> Any:
    assert reference.startswith("#/"), reference
    value: Any = document
    for part in reference[2:].split("/"):
        value = value[part.replace("~1", "/").replace("~0", "~")]
    return value


def operations(service: Service, action: str, route: Route) -> list[dict[str, Any]]:
    """The operations of `service` that do `action` with what travels on `route`."""
    document = DOCUMENTS[service]
    return [
        operation
        for operation in document["operations"].values()
        if operation["action"] == action and resolve(document, operation["channel"]["$ref"])["address"] == route.key
    ]


@EACH_SERVICE
def test_a_document_is_asyncapi_3_to_an_independent_reader(service: Service) -> None:
    read = ApplicationSchema.model_validate(DOCUMENTS[service])

    assert read.asyncapi == "3.0.0"
    assert set(read.channels) == set(DOCUMENTS[service]["channels"])
    assert set(read.operations) == set(DOCUMENTS[service]["operations"])
    json.dumps(DOCUMENTS[service], allow_nan=False)


@EACH_SERVICE
def test_every_reference_leads_somewhere(service: Service) -> None:
    for reference in references(DOCUMENTS[service]):
        # {} is a schema too: of anything.
        assert isinstance(resolve(DOCUMENTS[service], reference), dict), reference


@EACH_SERVICE
def test_channels_and_messages_are_named_by_what_keys_may_hold(service: Service) -> None:
    """Keys of components match ^[a-zA-Z0-9\\.\\-_]+$ (the specification's Components Object)."""
    for group in DOCUMENTS[service]["components"].values():
        for name in group:
            assert name.replace(".", "").replace("-", "").replace("_", "").isalnum(), name


@EACH_ROUTE
def test_a_route_is_in_its_producers_and_in_each_consumers_document(route: Route) -> None:
    for producer in route.producers:
        assert len(operations(producer, "send", route)) == 1
    for queue in route.queues:
        (receives,) = operations(queue.consumer, "receive", route)
        assert queue.name in receives["description"]
        for argument, value in queue.arguments.items():
            assert f"{argument} {value}" in receives["description"]


@EACH_ROUTE
def test_a_route_is_in_nobody_elses_document(route: Route) -> None:
    for service in SERVICES:
        assert bool(operations(service, "send", route)) == (service in route.producers)
        assert bool(operations(service, "receive", route)) == (service in {queue.consumer for queue in route.queues})


@EACH_ROUTE
def test_a_question_shows_its_answers(route: Route) -> None:
    for service, action in (
        *((producer, "send") for producer in route.producers),
        *((queue.consumer, "receive") for queue in route.queues),
    ):
        document = DOCUMENTS[service]
        (operation,) = operations(service, action, route)
        replies = operation.get("reply", {}).get("messages", [])
        names = [resolve(document, resolve(document, reply["$ref"])["$ref"])["name"] for reply in replies]
        assert tuple(names) == route.answers


@EACH_ROUTE
def test_what_travels_is_described_to_the_last_field(route: Route) -> None:
    document = DOCUMENTS[route.producers[0]]
    (operation,) = operations(route.producers[0], "send", route)
    (message,) = resolve(document, operation["channel"]["$ref"])["messages"].values()
    payload = resolve(document, message["$ref"])["payload"]
    if route.bulk:
        assert payload["properties"]["type"] == {"const": route.key}
        assert payload["properties"]["events"]["maxItems"] == ENVELOPE_EVENTS
        payload = payload["properties"]["events"]["items"]
    schema = resolve(document, payload["$ref"])

    assert set(schema["properties"]) == set(route.message.model_fields)
    assert schema["properties"]["type"]["const"] == route.key
