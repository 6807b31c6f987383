"""Money from one user's balance to another's."""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.answers.suspense import AcceptedTransfer, FailedTransfer, TransferAnswer
from services.gateway.bodies import read_json
from services.gateway.commands import issue, not_there_yet
from services.gateway.documentation import operation
from services.gateway.edge import request_id_of
from services.gateway.fields import CurrencyCode, DecimalText, ExternalIdField, MetadataField, RequestBody, SubjectId
from services.gateway.idempotency import caller_of
from services.gateway.parts import AdminOnly, GatewayParts, SignedIn
from services.gateway.problems import Problem, RefusedByDecision, malformed
from services.gateway.rendering import suspense as rendering
from shared.contracts.payment_commands import CommandReply, Refused
from shared.contracts.transfers import GetUserTransfer, MakeTransfer, UserTransferView
from shared.money import MoneyError, parse_major

router = APIRouter(prefix="/api/v1/transfers", tags=["transfers"])

_REPLY: Final[TypeAdapter[CommandReply[UserTransferView]]] = TypeAdapter(CommandReply[UserTransferView])
_TRANSFER: Final[TypeAdapter[UserTransferView | Refused]] = TypeAdapter(Annotated[UserTransferView | Refused, Field(discriminator="type")])
_OPERATION: Final = "POST /api/v1/transfers"
_ID: Final = re.compile(r"[\x21-\x7e]{1,100}")


class TransferRequest(RequestBody):
    amount: DecimalText
    currency: CurrencyCode
    from_user_id: SubjectId
    to_user_id: SubjectId
    reason: Annotated[str, Field(max_length=500, description="Both see it.", examples=["a gift"])] = ""
    external_id: ExternalIdField = None
    metadata: MetadataField = Field(default_factory=dict)


@router.post(
    "",
    **operation(
        "Move money between two users' balances",
        body=TransferRequest,
        answers={
            201: (TransferAnswer, "Both balances show it."),
            202: (AcceptedTransfer, "Safe, but slow: poll the Location."),
        },
        problems=("forbidden", "insufficient_funds", "external_id_reused", "same_user", "deadline_passed"),
        asks_behind=True,
        idempotent=True,
        description="For admins.",
    ),
)
async def transfer(request: Request, caller: AdminOnly, parts: GatewayParts) -> Response:
    body = await read_json(request, TransferRequest, parts.settings.body_limit_bytes)
    try:
        money = parse_major(body.value.amount, body.value.currency)
    except MoneyError as error:
        raise malformed("body", "amount", msg=str(error)) from error
    issued = issue(request, parts, caller=caller_of(caller.user_id), operation=_OPERATION, fingerprint=body.fingerprint)
    command = MakeTransfer(
        **issued.envelope,
        transfer_id=issued.resource_id,
        requested_by=caller.user_id,
        from_user_id=body.value.from_user_id,
        to_user_id=body.value.to_user_id,
        amount_minor=money.amount_minor,
        currency=money.currency,
        reason=body.value.reason,
        external_id=body.value.external_id,
        metadata=body.value.metadata,
    )
    answer = await issued.ask(command, _REPLY)
    if answer is None:
        transfer_id = str(command.transfer_id)
        return issued.accepted(f"/api/v1/transfers/{transfer_id}", transfer_id, transfer_id=transfer_id)
    made, replayed = answer
    return issued.made(rendering.transfer(made), f"/api/v1/transfers/{made.transfer_id}", replayed=replayed)


@router.get(
    "/{transfer_id}",
    **operation(
        "One transfer",
        answers={
            200: (
                (TransferAnswer, AcceptedTransfer, FailedTransfer),
                "The transfer; with a receipt also `accepted`, or `failed` with its problem.",
            )
        },
        problems=("transfer_not_found", "invalid_request", "no_answer"),
        asks_behind=True,
        description="For either user and admins.",
    ),
)
async def one_transfer(
    request: Request,
    caller: SignedIn,
    parts: GatewayParts,
    transfer_id: Annotated[str, Path(description="The transfer's id.", examples=["0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"])],
    receipt: Annotated[str | None, Query(max_length=200, description="From the Location of a 202.", examples=[None])] = None,
) -> Response:
    if not _ID.fullmatch(transfer_id):
        raise Problem("transfer_not_found", "There is no such transfer.")
    request_id = request_id_of(request.scope)
    question = GetUserTransfer(
        transfer_id=transfer_id, viewer_user_id=caller.user_id, viewer_is_admin=caller.identity.is_admin, correlation_id=request_id
    )
    try:
        view = await parts.services.question(question, _TRANSFER)
    except RefusedByDecision as refusal:
        if refusal.refused.code != "transfer_not_found":
            raise
        polled = not_there_yet(parts, receipt, transfer_id, caller=caller_of(caller.user_id), name="transfer_id", request_id=request_id)
        if polled is None:
            raise
        return polled
    assert isinstance(view, UserTransferView)
    return Response(rendering.transfer(view), media_type="application/json")
