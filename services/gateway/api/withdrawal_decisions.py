"""What is decided about a withdrawal: approved, rejected, canceled; and what became of its payout, told by an operator."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import exact_json
from services.gateway.answers.withdrawals import AcceptedWithdrawal, WithdrawalAnswer
from services.gateway.api.withdrawals import WithdrawalId
from services.gateway.auth import Caller
from services.gateway.bodies import read_json
from services.gateway.commands import issue
from services.gateway.documentation import operation
from services.gateway.fields import RequestBody
from services.gateway.idempotency import caller_of
from services.gateway.parts import GatewayParts, Parts, SignedIn
from services.gateway.rendering import withdrawals as rendering
from services.gateway.withdrawing import decide, path_of, require_possible

router = APIRouter(prefix="/api/v1/withdrawals/{withdrawal_id}", tags=["withdrawals"])

_BY_HAND: Final = "For admins, but not for their own; only payouts that are made by hand."

ReasonField = Annotated[
    str, Field(min_length=1, max_length=500, description="Shown to the owner.", examples=["the account does not exist"])
]
ReferenceField = Annotated[
    str, Field(min_length=1, max_length=200, description="The bank's or the provider's own.", examples=["BANK-2026-17"])
]


class RejectRequest(RequestBody):
    reason: ReasonField


class MarkPaidRequest(RequestBody):
    reference: ReferenceField


class MarkFailedRequest(RequestBody):
    reason: ReasonField


class MarkReturnedRequest(RequestBody):
    reference: ReferenceField


class ResolveRequest(RequestBody):
    outcome: Annotated[Literal["paid", "failed"], Field(examples=["paid"])]
    reference: Annotated[
        str | None, Field(min_length=1, max_length=200, description="The bank's or the provider's own.", examples=["BANK-2026-17"])
    ] = None
    reason: Annotated[
        str | None,
        Field(min_length=1, max_length=500, description="Shown to the owner of a failed one.", examples=["seen on the statement"]),
    ] = None


def _decision(summary: str, *problems: str, description: str, body: type[RequestBody] | None = None) -> dict[str, Any]:
    return operation(
        summary,
        body=body,
        answers={
            200: (WithdrawalAnswer, "As it is now. The same decision again changes nothing and is answered alike."),
            202: (AcceptedWithdrawal, "Safe, but slow: poll the Location."),
        },
        problems=("forbidden", "withdrawal_not_found", "withdrawal_final", *problems, "deadline_passed"),
        asks_behind=True,
        idempotent=True,
        description=description,
    )


@router.post(
    "/approve",
    **_decision("Approve a withdrawal", "withdrawal_not_pending", description="For admins, but not for their own; then it is paid out."),
)
async def approve(request: Request, caller: SignedIn, parts: GatewayParts, withdrawal_id: WithdrawalId) -> Response:
    return await _decide(request, caller, parts, withdrawal_id, "approve", None)


@router.post(
    "/cancel",
    **_decision("Cancel my withdrawal", "withdrawal_not_pending", description="For its owner, while it is pending."),
)
async def cancel(request: Request, caller: SignedIn, parts: GatewayParts, withdrawal_id: WithdrawalId) -> Response:
    return await _decide(request, caller, parts, withdrawal_id, "cancel", None)


@router.post(
    "/reject",
    **_decision(
        "Reject a withdrawal", "withdrawal_not_pending", description="For admins, but not for their own; the money is released.",
        body=RejectRequest,
    ),
)  # fmt: skip
async def reject(request: Request, caller: SignedIn, parts: GatewayParts, withdrawal_id: WithdrawalId) -> Response:
    return await _decide(request, caller, parts, withdrawal_id, "reject", RejectRequest)


@router.post(
    "/mark-paid",
    **_decision("A payout by hand was made", "withdrawal_not_sent", "payout_not_manual", description=_BY_HAND, body=MarkPaidRequest),
)
async def mark_paid(request: Request, caller: SignedIn, parts: GatewayParts, withdrawal_id: WithdrawalId) -> Response:
    return await _decide(request, caller, parts, withdrawal_id, "mark_paid", MarkPaidRequest)


@router.post(
    "/mark-failed",
    **_decision("A payout by hand failed", "withdrawal_not_sent", "payout_not_manual", description=_BY_HAND, body=MarkFailedRequest),
)
async def mark_failed(request: Request, caller: SignedIn, parts: GatewayParts, withdrawal_id: WithdrawalId) -> Response:
    return await _decide(request, caller, parts, withdrawal_id, "mark_failed", MarkFailedRequest)


@router.post(
    "/mark-returned",
    **_decision(
        "A payout by hand came back", "withdrawal_not_paid", "payout_not_manual", description=f"{_BY_HAND} It is credited again.",
        body=MarkReturnedRequest,
    ),
)  # fmt: skip
async def mark_returned(request: Request, caller: SignedIn, parts: GatewayParts, withdrawal_id: WithdrawalId) -> Response:
    return await _decide(request, caller, parts, withdrawal_id, "mark_returned", MarkReturnedRequest)


@router.post(
    "/resolve",
    **_decision(
        "What became of a payout whose outcome has been unknown for a day", "withdrawal_not_sent", "payout_not_overdue",
        description="For admins, but not for their own; earlier than that it is 409.", body=ResolveRequest,
    ),
)  # fmt: skip
async def resolve(request: Request, caller: SignedIn, parts: GatewayParts, withdrawal_id: WithdrawalId) -> Response:
    return await _decide(request, caller, parts, withdrawal_id, "resolve", ResolveRequest)


async def _decide(
    request: Request, caller: Caller, parts: Parts, withdrawal_id: str, action: str, model: type[RequestBody] | None
) -> Response:
    require_possible(withdrawal_id)
    told: RequestBody | None = None
    if model is None:
        fingerprint = exact_json.fingerprint(request.url.path, request.scope["query_string"], None)
    else:
        body = await read_json(request, model, parts.settings.body_limit_bytes)
        told, fingerprint = body.value, body.fingerprint
    path = f"POST /api/v1/withdrawals/{{withdrawal_id}}/{action.replace('_', '-')}"
    issued = issue(request, parts, caller=caller_of(caller.user_id), operation=path, fingerprint=fingerprint)
    decision: Any = f"resolve_{told.outcome}" if isinstance(told, ResolveRequest) else action
    answer = await decide(
        issued,
        caller,
        withdrawal_id,
        decision,
        reference=getattr(told, "reference", None),
        reason=getattr(told, "reason", None),
    )
    if answer is None:
        return issued.accepted(path_of(withdrawal_id), withdrawal_id, withdrawal_id=withdrawal_id)
    decided, replayed = answer
    return issued.done(rendering.withdrawal(decided), replayed=replayed)
