"""One payment, as its payer (or an admin) may see it, and as the Location of a 202 promises."""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import rendering
from services.gateway.answers import AcceptedDeposit, FailedPayment, PaymentAnswer
from services.gateway.commands import not_there_yet
from services.gateway.documentation import operation
from services.gateway.edge import request_id_of
from services.gateway.idempotency import caller_of
from services.gateway.parts import GatewayParts, SignedIn
from services.gateway.problems import Problem, RefusedByDecision
from services.gateway.requests import PAYMENT
from services.gateway.settlement import true_status
from shared.contracts.queries import GetPayment, PaymentView

router = APIRouter(prefix="/api/v1/payments", tags=["payments"])

_ID: Final = re.compile(r"[\x21-\x7e]{1,100}")


@router.get(
    "/{payment_id}",
    **operation(
        "One payment",
        answers={
            200: (
                (PaymentAnswer, AcceptedDeposit, FailedPayment),
                "The payment; with a receipt also `accepted`, or `failed` with its problem.",
            )
        },
        problems=("payment_not_found", "invalid_request", "no_answer"),
        asks_behind=True,
    ),
)
async def payment(
    request: Request,
    caller: SignedIn,
    parts: GatewayParts,
    payment_id: Annotated[str, Path(description="The payment's id, or its session's.", examples=["0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"])],
    receipt: Annotated[str | None, Query(max_length=200, description="From the Location of a 202.", examples=[None])] = None,
) -> Response:
    if not _ID.fullmatch(payment_id):
        raise _not_found()
    request_id = request_id_of(request.scope)
    question = GetPayment(
        payment_id=payment_id, viewer_user_id=caller.user_id, viewer_is_admin=caller.identity.is_admin, correlation_id=request_id
    )
    try:
        view = await parts.services.question(question, PAYMENT)
    except RefusedByDecision as refusal:
        if refusal.refused.code != "payment_not_found":
            raise
        polled = not_there_yet(parts, receipt, payment_id, caller=caller_of(caller.user_id), name="payment_id", request_id=request_id)
        if polled is None:
            raise
        return polled
    assert isinstance(view, PaymentView)
    return _json(rendering.payment(view, await true_status(parts.services, view, request_id)))


def _not_found() -> Problem:
    return Problem("payment_not_found", "There is no such payment.")


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
