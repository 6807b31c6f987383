"""The OpenAPI document is complete: every route, every problem with an example, an example for every field, no reference to nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from services.gateway import commands
from services.gateway.app import create_app
from services.gateway.config import GatewaySettings
from services.gateway.main import assemble
from services.gateway.problems import CODES, status_of
from shared.contracts.payment_events import ProviderEventReceived
from shared.contracts.topology import route_of
from shared.delivery.broker import BrokerLink
from shared.delivery.publisher import EnvelopePublisher, Publisher
from tests.unit.test_gateway_settings import DEVELOPMENT

INTENTS = {
    "POST /api/v1/payments/create-intent",
    "POST /api/v1/payments/confirm/{payment_id}",
    "POST /api/v1/payments/{payment_id}/cancel",
}
WITHDRAWALS = {
    "POST /api/v1/balance/withdraw",
    *(
        f"POST /api/v1/withdrawals/{{withdrawal_id}}/{decision}"
        for decision in ("approve", "cancel", "reject", "mark-paid", "mark-failed", "mark-returned", "resolve")
    ),
}
REFUND = "POST /api/v1/payments/refund/{payment_id}"
OPERATORS = {
    *(f"POST /api/v1/suspense/{{item_id}}/{decision}" for decision in ("assign", "refund", "write-off")),
    "POST /api/v1/transfers",
    "POST /api/v1/mock/payments/{session_id}",
    "POST /api/v1/mock/disputes",
}
ORDERS = {
    "POST /api/v1/orders",
    "POST /create_order/",
    "POST /api/v1/payments/create-link",
    "POST /api/v1/orders/{order_id}/payments",
    "POST /api/v1/orders/{order_id}/mark-paid",
}
WEBHOOKS = {"POST /api/v1/webhooks/{provider}", "POST /api/v1/payments/webhook"}


@pytest.fixture(scope="module")
async def app() -> FastAPI:
    settings = GatewaySettings(**DEVELOPMENT)
    link = BrokerLink(settings.amqp_url, name="never started")
    events = EnvelopePublisher[ProviderEventReceived](Publisher(link, app_id="test"), route_of(ProviderEventReceived))
    return create_app(assemble(settings, link, events)).framework


@pytest.fixture(scope="module")
async def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_promised_route_is_there(document: dict[str, Any]) -> None:
    assert {name for name, _ in operations(document)} == {
        "POST /api/v1/auth/login",
        "POST /api/v1/auth/logout",
        "POST /api/v1/auth/session",
        "DELETE /api/v1/auth/session",
        "GET /api/v1/me",
        "GET /api/v1/balance",
        "GET /api/v1/balances",
        "GET /api/v1/balance/transactions",
        "GET /api/v1/balance/transactions.csv",
        "POST /api/v1/balance/deposit",
        "POST /api/v1/balance/mock/complete",
        "GET /api/v1/payments/{payment_id}",
        REFUND,
        "GET /api/v1/payments/{payment_id}/refunds",
        "GET /api/v1/payments/{payment_id}/refunds/{refund_id}",
        "GET /api/v1/payments/history",
        "GET /api/v1/payments/{payment_id}/timeline",
        "GET /api/v1/audit",
        "PUT /api/v1/sessions/{session_id}",
        "GET /api/v1/sessions/{session_id}",
        "GET /api/v1/config",
        *INTENTS,
        "GET /api/v1/balance/withdrawals",
        "GET /api/v1/withdrawals",
        "GET /api/v1/withdrawals/{withdrawal_id}",
        *WITHDRAWALS,
        *ORDERS,
        "GET /api/v1/orders/{order_id}",
        "GET /api/v1/payments/paid-interpretation",
        "GET /api/payments/paid-interpretation",
        *OPERATORS,
        "GET /api/v1/suspense",
        "GET /api/v1/suspense/{item_id}",
        "GET /api/v1/transfers/{transfer_id}",
        "POST /api/v1/stream/ticket",
        *WEBHOOKS,
        "GET /health/live",
        "GET /health/ready",
        "GET /health/system",
        "GET /metrics",
        "GET /asyncapi.json",
    }


def test_no_reference_leads_nowhere(document: dict[str, Any]) -> None:
    names = set(re.findall(r"'\$ref': '#/components/schemas/([^']+)'", repr(document)))
    assert names <= set(document["components"]["schemas"])
    assert set(document["components"]["schemas"]) <= names, "and none is left over"


def test_every_field_has_an_example(document: dict[str, Any]) -> None:
    bare = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, facts in schema.get("properties", {}).items()
        if not {"example", "examples", "$ref"} & set(facts)
        and "$ref" not in repr(facts)
        and not any("examples" in option for option in facts.get("anyOf", []))
    ]
    assert bare == []


def test_every_problem_is_described_with_an_example_of_its_own_status(document: dict[str, Any]) -> None:
    told = set()
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            if int(status) < 400:
                continue
            (content,) = answer["content"].items()
            assert content[0] == "application/problem+json", name
            for code, example in content[1]["examples"].items():
                told.add(code)
                assert (example["value"]["code"], str(example["value"]["status"])) == (code, status)
        assert "500" in operation["responses"], name
    # Of methods that are not in the document, and of pages; not_received is inside a 200.
    assert set(CODES) - told == {"method_not_allowed", "product_not_found", "not_received"}


@pytest.mark.parametrize("path", ["/api/v1/payments/paid-interpretation", "/api/payments/paid-interpretation"])
def test_an_order_that_is_not_paid_has_its_own_shape(document: dict[str, Any], path: str) -> None:
    (content,) = document["paths"][path]["get"]["responses"]["402"]["content"].values()
    shape = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]

    assert {"error", "code", "status"} <= set(shape["required"])
    assert {code: example["value"]["error"] for code, example in content["examples"].items()} == {
        "order_not_paid": "Order not paid",
        "order_refunded": "Order refunded",
        "not_ready": "Order not ready",
    }


def test_what_asks_a_service_behind_can_be_503_and_what_needs_somebody_401(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert ("401" in operation["responses"]) == (bool(operation["security"]) or "login" in name), name
        if "/api/v1" in name:
            assert "503" in operation["responses"], name


def test_all_but_probes_and_webhooks_can_be_429(document: dict[str, Any]) -> None:
    unlimited = {"GET /health/live", "GET /health/ready", "GET /metrics", *WEBHOOKS}
    assert {name for name, operation in operations(document) if "429" not in operation["responses"]} == unlimited
    for name, operation in operations(document):
        if name not in unlimited:
            assert "Retry-After" in operation["responses"]["429"]["headers"], name


def test_no_page_is_longer_than_a_hundred(document: dict[str, Any]) -> None:
    limits = {
        name: parameter["schema"]
        for name, operation in operations(document)
        for parameter in operation.get("parameters", ())
        if parameter["name"] == "limit"
    }
    assert "GET /api/v1/balance/transactions" in limits
    assert {name for name, schema in limits.items() if not (schema["minimum"] == 1 and schema["maximum"] <= 100)} == set()


def test_posts_that_make_or_move_money_take_the_key(document: dict[str, Any]) -> None:
    keyed = {name for name, operation in operations(document) if "Idempotency-Key" in repr(operation.get("parameters"))}
    assert keyed == {
        "POST /api/v1/balance/deposit",
        "POST /api/v1/balance/mock/complete",
        REFUND,
        *INTENTS,
        *WITHDRAWALS,
        *ORDERS,
        *OPERATORS,
    }
    for name, operation in operations(document):
        if name in keyed:
            assert {"202", "409", "422"} <= set(operation["responses"])
            assert "Location" in operation["responses"]["202"]["headers"]


def test_what_was_made_leads_on_to_what_can_be_done_with_it(document: dict[str, Any]) -> None:
    names = {operation["operationId"]: operation for _, operation in operations(document)}
    made = document["paths"]["/api/v1/balance/deposit"]["post"]["responses"]["201"]["links"]
    (shown,) = [link for name, link in made.items() if name.startswith("payment_api_v1_payments__payment_id__get")]
    assert shown["parameters"] == {"payment_id": "$response.body#/payment_id"}
    assert {"session_id": "$response.body#/session_id"} in [link.get("requestBody") for link in made.values()]
    listed = document["paths"]["/api/v1/suspense"]["get"]["responses"]["200"]["links"]
    assert {"item_id": "$response.body#/items/0/id"} in [link.get("parameters") for link in listed.values()]
    assert listed["next_page"]["parameters"] == {"cursor": "$response.body#/next_cursor"}
    for operation in names.values():
        for answer in operation["responses"].values():
            for link in answer.get("links", {}).values():
                taken = {parameter["name"] for parameter in names[link["operationId"]]["parameters"]}
                assert set(link.get("parameters", ())) <= taken


def test_operation_names_are_not_repeated(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(names) == len(set(names))


def test_codes_are_snake_case_and_their_statuses_are_the_contracts() -> None:
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in CODES)
    assert {status for status, _ in CODES.values()} == {400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 503}
    assert status_of("a_code_of_tomorrow") == 400


def test_a_command_lives_a_minute() -> None:
    assert commands.COMMAND_LIFE.total_seconds() == 60


def test_what_may_be_cached_tells_its_tag_and_how_to_ask_with_it(document: dict[str, Any]) -> None:
    config = document["paths"]["/api/v1/config"]["get"]
    assert {"ETag", "Cache-Control"} <= set(config["responses"]["200"]["headers"])
    assert [(parameter["name"], parameter["in"]) for parameter in config["parameters"]] == [("If-None-Match", "header")]
