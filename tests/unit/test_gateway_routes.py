"""A path knows all of its methods, and one that is written out is never taken for an id; what the document says of strings."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from services.gateway import errors
from services.gateway.edge import Edge
from services.gateway.rate_limit import RateLimit
from services.gateway.routes import served
from services.gateway.schemas import complete_bodies, without_null
from tests.unit.test_gateway_edge import no_webhooks


@pytest.fixture
def app() -> FastAPI:
    router = APIRouter(prefix="/things")

    @router.post("/new")
    async def make() -> str:
        return "made"

    @router.get("/{thing_id}")
    async def show(thing_id: str) -> str:
        return thing_id

    @router.delete("/{thing_id}")
    async def drop(thing_id: str) -> str:
        return thing_id

    made = FastAPI()
    made.include_router(router)
    errors.install(made)
    return made


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("POST", "/things/new", 200, None),
        ("GET", "/things/new", 405, "POST"),
        ("OPTIONS", "/things/new", 405, "POST"),
        ("GET", "/things/7", 200, None),
        ("PUT", "/things/7", 405, "GET, DELETE"),
        ("TRACE", "/things/7", 405, "GET, DELETE"),
        ("GET", "/nothing", 404, None),
        ("GET", "/api/v1/payments/webhook", 405, "POST"),
        ("OPTIONS", "/api/v1/payments/webhook", 405, "POST"),
    ],
)
async def test_405_names_exactly_the_methods_of_the_path(app: FastAPI, method: str, path: str, status: int, allow: str | None) -> None:
    edge = Edge(app, no_webhooks, RateLimit("address", 1_000, 1_000), origins=frozenset(), secure=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url="http://gateway") as http:
        answer = await http.request(method, path)
    assert (answer.status_code, answer.headers.get("Allow")) == (status, allow)


def test_every_route_is_listed_with_its_prefix(app: FastAPI) -> None:
    listed = served(app)
    assert listed["/things/new"] == frozenset({"POST"})
    assert listed["/things/{thing_id}"] == frozenset({"GET", "DELETE"})


def test_strings_of_bodies_are_bounded_wherever_they_stand() -> None:
    schemas: dict[str, Any] = {
        "Asked": {
            "properties": {
                "name": {"type": "string"},
                "inner": {"anyOf": [{"$ref": "#/components/schemas/Inner"}, {"type": "null"}]},
            }
        },
        "Inner": {
            "properties": {"code": {"type": "string", "pattern": "^a$"}, "kind": {"type": "string", "const": "x"}},
            "additionalProperties": {"type": "string", "maxLength": 5},
        },
        "Answered": {"properties": {"name": {"type": "string"}}},
    }
    complete_bodies(["Asked"], schemas)
    assert schemas["Asked"]["properties"]["name"] == {"type": "string", "pattern": "^[^\\u0000]*$", "maxLength": 1_000}
    assert schemas["Inner"]["additionalProperties"] == {"type": "string", "maxLength": 5, "pattern": "^[^\\u0000]*$"}
    assert schemas["Inner"]["properties"] == {"code": {"type": "string", "pattern": "^a$"}, "kind": {"type": "string", "const": "x"}}
    assert schemas["Answered"]["properties"]["name"] == {"type": "string"}, "an answer is not held to what requests are"


def test_a_parameter_can_be_left_out_but_is_never_null() -> None:
    optional = {"name": "at", "schema": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None, "description": "When."}}
    assert without_null(optional) == {"name": "at", "schema": {"type": "string", "description": "When."}}
    required = {"name": "id", "schema": {"type": "string"}}
    assert without_null(required) == required
