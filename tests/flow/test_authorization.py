"""Who may do what: every operation, asked by everybody, over the running services; and nobody learns what is not theirs to know."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitmqServer
from services.gateway.app import create_app
from services.gateway.config import GatewaySettings
from services.gateway.edge import STRIPE_ALIAS, WEBHOOKS_PATH
from services.gateway.main import assemble
from services.gateway.routes import served
from shared.contracts.base import new_id
from shared.contracts.payment_events import ProviderEventReceived
from shared.contracts.topology import route_of
from shared.delivery.broker import BrokerLink
from shared.delivery.publisher import EnvelopePublisher, Publisher
from tests.flow.authorization_table import ROWS, Row
from tests.flow.authorization_world import Ids, Who, World, a_world
from tests.flow.verifying import verify
from tests.servers import shared_stack
from tests.unit.test_gateway_settings import DEVELOPMENT


@pytest.fixture(scope="module")
async def world(postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer) -> AsyncIterator[World]:
    async with shared_stack(postgres_server, rabbitmq_server) as stack, a_world(stack) as made:
        yield made


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
async def test_each_caller_gets_exactly_their_status(world: World, row: Row) -> None:
    answers = {who: await ask(world, row, who, await ids_for(world, row, who)) for who in Who}

    told = {who: answer.status_code for who, answer in answers.items()}
    assert told == dict(row.answers), "\n".join(
        f"{who}: {told[who]} instead of {row.answers[who]}: {answers[who].text[:300]}" for who in Who if told[who] != row.answers[who]
    )
    for who, answer in answers.items():
        if row.form is not None and answer.status_code == 422 and answer.headers["content-type"].startswith("text/html"):
            assert 'role="alert"' in answer.text, f"{who}: the form again, with what is wrong"
        elif answer.status_code >= 400:
            assert answer.json()["status"] == answer.status_code, who


@pytest.mark.parametrize("row", [row for row in ROWS if row.of], ids=[row.name for row in ROWS if row.of])
async def test_what_may_not_be_known_of_answers_as_what_does_not_exist(world: World, row: Row) -> None:
    hidden_from = [who for who in Who if row.answers[who] == 404]
    for who in hidden_from:
        ids = await ids_for(world, row, who)
        unknown_ids = {name: value if name == "locale" else str(new_id()) for name, value in ids.items()}
        hidden, unknown = await ask(world, row, who, ids), await ask(world, row, who, unknown_ids)
        assert indistinguishable(hidden) == indistinguishable(unknown), who


def indistinguishable(answer: httpx.Response) -> tuple[Any, ...]:
    """All of an answer but what no two answers share."""
    body = {name: value for name, value in answer.json().items() if name != "request_id"}
    headers = {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}
    return answer.status_code, headers, body


async def test_no_operation_is_without_a_row(world: World) -> None:
    """Those of the running gateway's document, and the routes that are not in it: pages, aliases, files."""
    document = (await world.asked(Who.NOBODY, "GET", "/openapi.json")).json()
    documented = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    routed = {(method, path) for path, methods in served_paths().items() for method in methods}
    rows = {row.operation for row in ROWS}

    assert (documented | routed) - rows == set(), "operations without a row"
    assert rows - (documented | routed) == set(), "rows without an operation"
    assert documented - routed == {("POST", WEBHOOKS_PATH + "{provider}"), ("POST", STRIPE_ALIAS)}, "served before the framework"


async def test_afterwards_the_book_adds_up(world: World) -> None:
    """Nothing that was refused has moved money, and nothing is left half done."""
    status, output = await verify(world.stack, "--settle-seconds", "10")
    assert status == 0, output


def served_paths() -> Mapping[str, frozenset[str]]:
    settings = GatewaySettings(**DEVELOPMENT)
    link = BrokerLink(settings.amqp_url, name="never started")
    events = EnvelopePublisher[ProviderEventReceived](Publisher(link, app_id="test"), route_of(ProviderEventReceived))
    return served(create_app(assemble(settings, link, events)).framework)


async def ids_for(world: World, row: Row, who: Who) -> Ids:
    if row.of is None:
        return {}
    return await (row.of(world) if row.fresh and row.answers[who] < 400 else world.kept(row.of))


async def ask(world: World, row: Row, who: Who, ids: Ids) -> httpx.Response:
    body = {"json": filled(row.body, ids)} if row.body is not None else {"data": filled(dict(row.form), ids)} if row.form else {}
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if row.form is not None else {}
    return await world.asked(who, row.method, row.path.format(**ids), params=filled(dict(row.query), ids), headers=headers, **body)


def filled(value: Any, ids: Ids) -> Any:
    """`value` with its holes filled."""
    if isinstance(value, dict):
        return {name: filled(part, ids) for name, part in value.items()}
    if isinstance(value, list):
        return [filled(part, ids) for part in value]
    return value.format(**ids) if isinstance(value, str) else value
