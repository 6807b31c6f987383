"""Money out: withdrawals as they are asked for and looked at."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import withdrawing
from services.gateway.answers.withdrawals import AcceptedWithdrawal, FailedWithdrawal, WithdrawalAnswer, WithdrawalsAnswer
from services.gateway.bodies import read_json
from services.gateway.commands import issue, not_there_yet
from services.gateway.documentation import operation
from services.gateway.edge import request_id_of
from services.gateway.fields import (
    CurrencyCode,
    DecimalText,
    ExternalIdField,
    ExternalIdFilter,
    MetadataField,
    RequestBody,
    Time,
)
from services.gateway.idempotency import caller_of
from services.gateway.parts import AdminOnly, GatewayParts, Parts, SignedIn
from services.gateway.problems import RefusedByDecision, malformed
from services.gateway.rendering import withdrawals as rendering
from services.gateway.withdrawing import BankAccountField, CardField, path_of, require_possible
from shared.contracts.withdrawals import ListWithdrawals
from shared.money import MoneyError, parse_major

router = APIRouter(prefix="/api/v1", tags=["withdrawals"])

_WITHDRAW: Final = "POST /api/v1/balance/withdraw"
WithdrawalId = Annotated[str, Path(description="The withdrawal's id.", examples=["0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"])]
Receipt = Annotated[str | None, Query(max_length=200, description="From the Location of a 202.", examples=[None])]


class WithdrawRequest(RequestBody):
    amount: DecimalText
    currency: CurrencyCode
    destination: Annotated[
        BankAccountField | CardField,
        Field(
            discriminator="type",
            description="`bank_account` where payouts are the stand-in's or made by hand, `card` where AllSecure makes them; "
            "the other is refused with `destination_not_available`.",
        ),
    ]
    external_id: ExternalIdField = None
    metadata: MetadataField = Field(default_factory=dict)


class WithdrawalsQuery(BaseModel):
    model_config = ConfigDict(frozen=True)
    status: Annotated[
        Literal["pending", "approved", "sending", "paid", "rejected", "canceled", "failed", "returned"] | None,
        Field(description="Only these.", examples=["pending"]),
    ] = None
    currency: Annotated[CurrencyCode | None, Field(description="Only this currency.")] = None
    external_id: ExternalIdFilter = None
    since: Annotated[Time | None, Field(description="Not before this time.")] = None
    until: Annotated[Time | None, Field(description="Before this time.")] = None
    limit: Annotated[int, Field(ge=1, le=100, description="Items a page.", examples=[20])] = 20
    cursor: Annotated[
        str | None, Field(min_length=1, max_length=2_000, pattern=r"^[\x21-\x7e]+$", description="The last page's next_cursor.")
    ] = None


@router.post(
    "/balance/withdraw",
    **operation(
        "Withdraw money from my balance",
        body=WithdrawRequest,
        answers={
            201: (WithdrawalAnswer, "The money is held; paid out once it is approved."),
            202: (AcceptedWithdrawal, "Safe, but slow: poll the Location."),
        },
        problems=(
            "insufficient_funds",
            "external_id_reused",
            "payouts_not_available",
            "destination_not_available",
            "currency_not_available",
            "amount_not_available",
            "deadline_passed",
        ),
        asks_behind=True,
        idempotent=True,
    ),
)
async def withdraw(request: Request, caller: SignedIn, parts: GatewayParts) -> Response:
    body = await read_json(request, WithdrawRequest, parts.settings.body_limit_bytes)
    try:
        money = parse_major(body.value.amount, body.value.currency)
    except MoneyError as error:
        raise malformed("body", "amount", msg=str(error)) from error
    issued = issue(request, parts, caller=caller_of(caller.user_id), operation=_WITHDRAW, fingerprint=body.fingerprint)
    asked = body.value
    answer = await withdrawing.withdraw(issued, caller, money, asked.destination, external_id=asked.external_id, metadata=asked.metadata)
    if answer is None:
        withdrawal_id = str(issued.resource_id)
        return issued.accepted(path_of(withdrawal_id), withdrawal_id, withdrawal_id=withdrawal_id)
    made, replayed = answer
    return issued.made(rendering.withdrawal(made), path_of(str(made.withdrawal_id)), replayed=replayed)


@router.get(
    "/balance/withdrawals",
    **operation(
        "My withdrawals, newest first",
        answers={200: (WithdrawalsAnswer, "A page; without requests that were refused.")},
        problems=("invalid_request", "invalid_cursor", "no_answer"),
        asks_behind=True,
    ),
)
async def my_withdrawals(request: Request, caller: SignedIn, parts: GatewayParts, query: Annotated[WithdrawalsQuery, Query()]) -> Response:
    return await _listed(request, parts, query, user_id=caller.user_id, for_admin=caller.identity.is_admin)


@router.get(
    "/withdrawals",
    **operation(
        "Everybody's withdrawals, newest first",
        answers={200: (WithdrawalsAnswer, "A page; without requests that were refused.")},
        problems=("forbidden", "invalid_request", "invalid_cursor", "no_answer"),
        asks_behind=True,
        description="For admins.",
    ),
)
async def all_withdrawals(request: Request, _: AdminOnly, parts: GatewayParts, query: Annotated[WithdrawalsQuery, Query()]) -> Response:
    return await _listed(request, parts, query, user_id=None, for_admin=True)


@router.get(
    "/withdrawals/{withdrawal_id}",
    **operation(
        "One withdrawal",
        answers={
            200: (
                (WithdrawalAnswer, AcceptedWithdrawal, FailedWithdrawal),
                "The withdrawal; with a receipt also `accepted`, or `failed` with its problem.",
            )
        },
        problems=("withdrawal_not_found", "invalid_request", "no_answer"),
        asks_behind=True,
        description="For its owner and admins.",
    ),
)
async def withdrawal(
    request: Request, caller: SignedIn, parts: GatewayParts, withdrawal_id: WithdrawalId, receipt: Receipt = None
) -> Response:
    require_possible(withdrawal_id)
    request_id = request_id_of(request.scope)
    try:
        view = await withdrawing.find_withdrawal(
            parts.services, withdrawal_id, caller.user_id, request_id, is_admin=caller.identity.is_admin
        )
    except RefusedByDecision as refusal:
        if refusal.refused.code != "withdrawal_not_found":
            raise
        polled = not_there_yet(parts, receipt, withdrawal_id, caller=caller_of(caller.user_id), name="withdrawal_id", request_id=request_id)
        if polled is None:
            raise
        return polled
    return Response(rendering.withdrawal(view), media_type="application/json")


async def _listed(request: Request, parts: Parts, query: WithdrawalsQuery, *, user_id: str | None, for_admin: bool) -> Response:
    question = ListWithdrawals(
        user_id=user_id,
        for_admin=for_admin,
        status=query.status,
        currency=query.currency,
        external_id=query.external_id,
        since=query.since,
        until=query.until,
        limit=query.limit,
        cursor=query.cursor,
        correlation_id=request_id_of(request.scope),
    )
    return Response(rendering.withdrawals(await withdrawing.list_withdrawals(parts.services, question)), media_type="application/json")
