"""What an order bought, once it is paid and made."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.answers.orders import InterpretationAnswer, OrderNotPaidAnswer
from services.gateway.documentation import operation, with_error
from services.gateway.edge import request_id_of
from services.gateway.parts import GatewayParts
from services.gateway.problems import PROBLEM_TYPE, Problem, RefusedByDecision, refused_object, status_of
from services.gateway.rendering import orders as rendering
from services.gateway.requests import INTERPRETATION
from shared.contracts.orders import GetInterpretation, Interpretation

router = APIRouter(tags=["orders"])

_ANSWER_MARGIN_SECONDS: Final = 0.5
"""payments waits this much less than we do, so that its last word still arrives."""
_RETRY_SECONDS: Final = 2
_ERRORS: Final = {"order_not_paid": "Order not paid", "order_refunded": "Order refunded", "not_ready": "Order not ready"}
"""The extension member `error` of a 402."""

_TELLS: Final = with_error(
    operation(
        "What a paid order bought",
        answers={200: (InterpretationAnswer, "Made once; asking again gives the same text.")},
        problems=(
            *_ERRORS, "order_not_found", "interpretation_not_found", "invalid_request", "no_answer", "fulfilment_failed",
        ),
        asks_behind=True,
        signed_in=False,
        description="For whoever knows the order's id. Paid but not made yet is waited for.",
    ),
    402,
    OrderNotPaidAnswer,
    _ERRORS,
)  # fmt: skip

OrderId = Annotated[str, Query(max_length=100, description="The order's id.", examples=["4f0a1c9e-6b1d-8c3e-9a51-6f6d2f0c1b7e"])]


@router.get("/api/v1/payments/paid-interpretation", **_TELLS)
async def paid_interpretation(request: Request, parts: GatewayParts, order_id: OrderId) -> Response:
    try:
        known = UUID(order_id)
    except ValueError as error:
        raise Problem("order_not_found", "There is no such order.") from error
    wait_seconds = max(parts.services.timeout_seconds - _ANSWER_MARGIN_SECONDS, 0)
    asked = GetInterpretation(order_id=known, wait_seconds=wait_seconds, correlation_id=request_id_of(request.scope))
    try:
        answer = await parts.services.question(asked, INTERPRETATION)
    except RefusedByDecision as refusal:
        if (error_text := _ERRORS.get(refusal.refused.code)) is None:
            raise
        headers = {"Retry-After": str(_RETRY_SECONDS)} if refusal.refused.code == "not_ready" else {}
        told = {**refused_object(refusal.refused), "error": error_text}
        return Response(orjson.dumps(told), status_of(refusal.refused.code), headers, PROBLEM_TYPE)
    assert isinstance(answer, Interpretation)
    return Response(rendering.interpretation(answer), media_type="application/json")


@router.get("/api/payments/paid-interpretation", **_TELLS)
async def paid_interpretation_alias(request: Request, parts: GatewayParts, order_id: OrderId) -> Response:
    return await paid_interpretation(request, parts, order_id)
