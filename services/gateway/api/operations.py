"""For machines and operators: alive, ready, the whole system, metrics, and what travels over the broker."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any, Final

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.answers import LiveAnswer, ReadyAnswer, SystemAnswer
from services.gateway.documentation import operation
from services.gateway.edge import request_id_of
from services.gateway.parts import GatewayParts, Parts
from services.gateway.problems import Problem, problem_response
from services.gateway.requests import HEALTH
from shared.asyncapi import asyncapi_document
from shared.contracts.base import Message
from shared.contracts.queries import GetNotifierHealth, GetPaymentsHealth, GetWalletHealth
from shared.telemetry import METRICS_CONTENT_TYPE, metrics_text

router = APIRouter(tags=["for machines"])

_ASK_SECONDS: Final = 2.0


@router.get("/health/live", **operation("Is this process alive", answers={200: (LiveAnswer, "Alive.")}, signed_in=False, limited=False))
async def live() -> Response:
    return _json({"service": "gateway", "status": "alive"})


@router.get(
    "/health/ready",
    **operation(
        "Is the gateway ready", answers={200: (ReadyAnswer, "Ready.")}, problems=("service_not_ready",), signed_in=False, limited=False
    ),
)
async def ready(request: Request, parts: GatewayParts) -> Response:
    state = await _own_state(parts)
    if state["status"] == "ready":
        return _json(state)
    problem = Problem("service_not_ready", "the broker does not answer")
    # "status" of a problem is the number (RFC 9457), so the word is left out here.
    return problem_response(problem, request_id_of(request.scope), service=state["service"], checks=state["checks"])


@router.get(
    "/health/system",
    **operation(
        "Do all four services answer",
        answers={200: (SystemAnswer, "All are ready.")},
        problems=("service_not_ready",),
        signed_in=False,
        description="For people and start scripts, not for probes: one service's outage must not take another out of traffic.",
    ),
)
async def system(request: Request, parts: GatewayParts) -> Response:
    request_id = request_id_of(request.scope)
    states = await asyncio.gather(
        _own_state(parts),
        _state("payments", GetPaymentsHealth(correlation_id=request_id), parts),
        _state("wallet", GetWalletHealth(correlation_id=request_id), parts),
        _state("notifier", GetNotifierHealth(correlation_id=request_id), parts),
    )
    services = {state["service"]: state for state in states}
    down = [name for name, state in services.items() if state["status"] != "ready"]
    if not down:
        return _json({"status": "ready", "services": services})
    return problem_response(Problem("service_not_ready", f"not ready: {', '.join(down)}"), request_id, services=services)


@router.get(
    "/metrics",
    **operation(
        "Prometheus metrics", answers={200: (None, "Text exposition format.")}, signed_in=False, limited=False, media_type="text/plain"
    ),
)
async def metrics() -> Response:
    return Response(metrics_text(), headers={"Content-Type": METRICS_CONTENT_TYPE})


@router.get(
    "/asyncapi.json",
    **operation("What the gateway sends and receives over the broker", answers={200: (None, "AsyncAPI 3.0.")}, signed_in=False),
)
async def asyncapi() -> Response:
    return Response(_asyncapi(), media_type="application/json")


@cache
def _asyncapi() -> bytes:
    """Some 0.2 s of work, and the same for everybody."""
    return orjson.dumps(asyncapi_document("gateway"))


async def _own_state(parts: Parts) -> dict[str, Any]:
    report = await parts.health.report()
    return {"service": report.service, "status": "ready" if report.ready else "not_ready", "checks": report.checks}


async def _state(service: str, question: Message, parts: Parts) -> dict[str, Any]:
    try:
        view = await parts.services.ask(question, HEALTH, timeout_seconds=_ASK_SECONDS)
    except Problem as problem:
        return {"service": service, "status": "no_answer", "checks": {"broker": problem.code}}
    if view is None:
        return {"service": service, "status": "no_answer", "checks": {}}
    return {"service": service, "status": "ready" if view.ready else "not_ready", "checks": view.checks}


def _json(members: dict[str, Any]) -> Response:
    return Response(orjson.dumps(members), media_type="application/json")
