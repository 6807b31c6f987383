"""Money back to a payment's payer: asked for by the mentor who was paid or an admin, looked at by the payer too."""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import rendering as common
from services.gateway.answers.refunds import AcceptedRefund, FailedRefund, RefundAnswer, RefundMadeAnswer, RefundsAnswer
from services.gateway.bodies import read_json
from services.gateway.commands import issue, not_there_yet
from services.gateway.documentation import operation
from services.gateway.edge import request_id_of
from services.gateway.fields import AmountMinor, ExternalIdField, ExternalIdFilter, MetadataField, RequestBody
from services.gateway.idempotency import caller_of
from services.gateway.parts import GatewayParts, SignedIn
from services.gateway.problems import Problem, RefusedByDecision
from services.gateway.refunding import REASON_LENGTH_MAX, REFERENCE, Wanted
from services.gateway.refunding import refund as asked_for
from services.gateway.rendering import refunds as rendering
from services.gateway.requests import REFUND, REFUNDS
from shared.contracts.refunds import GetRefund, ListRefunds, RefundPage, RefundRefused, RefundView

router = APIRouter(prefix="/api/v1/payments", tags=["refunds"])

_OPERATION: Final = "POST /api/v1/payments/refund/{payment_id}"
_OURS: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_EXAMPLE: Final = "0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"

PaymentId = Annotated[str, Path(description="The payment's id.", examples=[_EXAMPLE])]
RefundId = Annotated[str, Path(description="The refund's id.", examples=[_EXAMPLE])]
Receipt = Annotated[str | None, Query(max_length=200, description="From the Location of a 202.", examples=[None])]


class RefundRequest(RequestBody):
    amount: Annotated[AmountMinor | None, Field(description="Minor units; left out: all that is left.")] = None
    reason: Annotated[
        str, Field(max_length=REASON_LENGTH_MAX, description="Kept and shown with it.", examples=["The lesson did not take place"])
    ] = ""
    force: Annotated[
        bool,
        Field(
            strict=True,
            description="An admin's: takes what the balance has after unsent withdrawals gave way, the platform bears the rest.",
            examples=[False],
        ),
    ] = False
    manual_reference: Annotated[
        str | None,
        Field(
            pattern=REFERENCE,
            description="An admin's: records what was sent back at the provider's own site, under its reference there; nothing is sent.",
            examples=["PR-2026-17"],
        ),
    ] = None
    external_id: ExternalIdField = None
    metadata: MetadataField = Field(default_factory=dict)


class RefundsQuery(BaseModel):
    model_config = ConfigDict(frozen=True)
    external_id: ExternalIdFilter = None
    limit: Annotated[int, Field(ge=1, le=100, description="Items a page.", examples=[20])] = 20
    cursor: Annotated[
        str | None, Field(min_length=1, max_length=2_000, pattern=r"^[\x21-\x7e]+$", description="The last page's next_cursor.")
    ] = None


@router.post(
    "/refund/{payment_id}",
    **operation(
        "Send money of a payment back",
        body=RefundRequest,
        body_optional=True,
        answers={
            201: (RefundMadeAnswer, "The provider has answered: succeeded, failed, or pending if it says so."),
            202: (AcceptedRefund, "Safe, but slow: poll the Location."),
        },
        problems=(
            "payment_not_refundable", "payment_disputed", "forbidden", "payment_not_found", "insufficient_funds", "already_refunded",
            "refund_exceeds_payment", "refund_reference_reused", "external_id_reused", "refund_not_supported", "deadline_passed",
        ),
        asks_behind=True,
        idempotent=True,
        description="The mentor who was paid, or an admin. Partial refunds add up and may overlap: what is back and on its way back is "
        "never more than what was paid. The balance that was credited is debited first.",
    ),
)  # fmt: skip
async def refund(request: Request, caller: SignedIn, parts: GatewayParts, payment_id: PaymentId) -> Response:
    body = await read_json(request, RefundRequest, parts.settings.body_limit_bytes, optional=True)
    if not _OURS.fullmatch(payment_id):
        raise Problem("payment_not_found", "There is no such payment.")
    issued = issue(request, parts, caller=caller_of(caller.user_id), operation=_OPERATION, fingerprint=body.fingerprint)
    told = body.value
    wanted = Wanted(told.amount, told.reason, told.force, told.manual_reference, told.external_id, told.metadata)
    answer = await asked_for(issued, caller, payment_id, wanted)
    if answer is None:
        refund_id = str(issued.resource_id)
        return issued.accepted(_path(payment_id, refund_id), refund_id, payment_id=payment_id, refund_id=refund_id)
    made, replayed = answer
    return issued.made(rendering.refund_made(made), _path(str(made.payment_id), str(made.refund_id)), replayed=replayed)


@router.get(
    "/{payment_id}/refunds",
    **operation(
        "Refunds of a payment, newest first",
        answers={200: (RefundsAnswer, "A page; without requests that were refused.")},
        problems=("payment_not_found", "invalid_request", "invalid_cursor", "no_answer"),
        asks_behind=True,
        description="For its payer, the mentor who was paid, and admins.",
    ),
)
async def refunds(
    request: Request, caller: SignedIn, parts: GatewayParts, payment_id: PaymentId, query: Annotated[RefundsQuery, Query()]
) -> Response:
    if not _OURS.fullmatch(payment_id):
        raise Problem("payment_not_found", "There is no such payment.")
    question = ListRefunds(
        payment_id=payment_id,
        viewer_user_id=caller.user_id,
        viewer_is_admin=caller.identity.is_admin,
        external_id=query.external_id,
        limit=query.limit,
        cursor=query.cursor,
        correlation_id=request_id_of(request.scope),
    )
    page = await parts.services.question(question, REFUNDS)
    assert isinstance(page, RefundPage)
    return Response(rendering.refunds(page), media_type="application/json")


@router.get(
    "/{payment_id}/refunds/{refund_id}",
    **operation(
        "One refund",
        answers={
            200: (
                (RefundAnswer, AcceptedRefund, FailedRefund),
                "The refund; with a receipt also `accepted`, or `failed` with its problem.",
            )
        },
        problems=("refund_not_found", "invalid_request", "no_answer"),
        asks_behind=True,
        description="For the payment's payer, the mentor who was paid, and admins.",
    ),
)
async def one_refund(
    request: Request, caller: SignedIn, parts: GatewayParts, payment_id: PaymentId, refund_id: RefundId, receipt: Receipt = None
) -> Response:
    if not (_OURS.fullmatch(payment_id) and _OURS.fullmatch(refund_id)):
        raise Problem("refund_not_found", "There is no such refund.")
    request_id = request_id_of(request.scope)
    question = GetRefund(
        payment_id=payment_id,
        refund_id=refund_id,
        viewer_user_id=caller.user_id,
        viewer_is_admin=caller.identity.is_admin,
        correlation_id=request_id,
    )
    try:
        view = await parts.services.question(question, REFUND)
    except RefusedByDecision as refusal:
        if refusal.refused.code != "refund_not_found":
            raise
        polled = not_there_yet(parts, receipt, refund_id, caller=caller_of(caller.user_id), name="refund_id", request_id=request_id)
        if polled is None:
            raise
        return polled
    if isinstance(view, RefundRefused):
        body = common.failed(str(view.refund_id), view.problem, name="refund_id")
    else:
        assert isinstance(view, RefundView)
        body = rendering.refund(view)
    return Response(body, media_type="application/json")


def _path(payment_id: str, refund_id: str) -> str:
    return f"/api/v1/payments/{payment_id}/refunds/{refund_id}"
