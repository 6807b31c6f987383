"""Every text of a query says what it may hold: what PostgreSQL cannot take ends at the gateway, as 422."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from services.gateway.app import create_app
from services.gateway.config import GatewaySettings
from services.gateway.main import assemble
from shared.contracts.payment_events import ProviderEventReceived
from shared.contracts.topology import route_of
from shared.delivery.broker import BrokerLink
from shared.delivery.publisher import EnvelopePublisher, Publisher
from tests.unit.test_gateway_settings import DEVELOPMENT

JUDGED_HERE: Final = {"receipt", "order_id"}
"""Read by the gateway itself: a form of their own, else as if they were not there, or not found."""


async def test_no_text_of_a_query_may_hold_what_no_service_behind_can_take() -> None:
    texts = {place: schema for place, name, schema in query_schemas(await document()) if name not in JUDGED_HERE}

    assert any("external_id" in place for place in texts), "there are some"
    assert [place for place, schema in texts.items() if not {"pattern", "enum", "const", "format"} & set(schema)] == []


def query_schemas(told: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            for parameter in operation.get("parameters", ()):
                schema = parameter["schema"]
                if parameter["in"] == "query" and schema.get("type") == "string":
                    yield f"{method.upper()} {path}: {parameter['name']}", parameter["name"], schema


async def document() -> dict[str, Any]:
    settings = GatewaySettings(**DEVELOPMENT)
    link = BrokerLink(settings.amqp_url, name="never started")
    events = EnvelopePublisher[ProviderEventReceived](Publisher(link, app_id="test"), route_of(ProviderEventReceived))
    return create_app(assemble(settings, link, events)).framework.openapi()
