"""Money that did not fit, for admins: listed, and each item given away, sent back or written off."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.answers.suspense import AcceptedSuspenseItem, FailedSuspenseItem, SuspenseItemAnswer, SuspenseItemsAnswer
from services.gateway.auth import Caller
from services.gateway.bodies import Body, read_json
from services.gateway.commands import issue, not_there_yet
from services.gateway.documentation import operation
from services.gateway.edge import request_id_of
from services.gateway.fields import OpaqueId, RequestBody, SubjectId
from services.gateway.idempotency import caller_of
from services.gateway.parts import AdminOnly, GatewayParts, Parts
from services.gateway.problems import Problem, RefusedByDecision
from services.gateway.rendering import suspense as rendering
from services.gateway.requests import SUSPENSE_DECIDED, SUSPENSE_ITEM, SUSPENSE_ITEMS
from shared.contracts.suspense import (
    DecideSuspenseItem,
    GetSuspenseItem,
    ListSuspenseItems,
    SuspenseDecision,
    SuspenseItemView,
    SuspensePage,
)

router = APIRouter(prefix="/api/v1/suspense", tags=["suspense"])

_ID: Final = re.compile(r"[\x21-\x7e]{1,100}")

ItemId = Annotated[str, Path(description="The item's id.", examples=["0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"])]
Receipt = Annotated[str | None, Query(max_length=200, description="From the Location of a 202.", examples=[None])]
Reference = Annotated[str, Field(min_length=1, max_length=200, description="Of what it was decided by.", examples=["BANK-2026-17"])]
Reason = Annotated[str, Field(min_length=1, max_length=500, examples=["asked by the payer"])]


class AssignRequest(RequestBody):
    """To a user's balance, or to a payment of the same sum that nobody has paid."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["user_id"]}, {"required": ["payment_id"]}]})
    user_id: Annotated[
        SubjectId | None,
        WithJsonSchema(
            {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:@|+-]{0,63}$", "description": "Or an integer.", "examples": ["1"]}
        ),
    ] = None
    payment_id: Annotated[
        OpaqueId | None,
        WithJsonSchema({"type": "string", "pattern": r"^[\x21-\x7e]{1,100}$", "examples": ["0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"]}),
    ] = None

    @model_validator(mode="after")
    def _one_of_them(self) -> AssignRequest:
        if self.model_fields_set not in ({"user_id"}, {"payment_id"}) or (self.user_id is None and self.payment_id is None):
            raise PydanticCustomError("one_of", "must name a user_id or a payment_id, not both")
        return self


class SendBackRequest(RequestBody):
    reference: Reference | None = None
    reason: Reason | None = None


class WriteOffRequest(RequestBody):
    reference: Reference
    reason: Reason


class SuspenseQuery(BaseModel):
    model_config = ConfigDict(frozen=True)
    status: Annotated[
        Literal["open", "assigned", "refunded", "written_off"] | None, Field(description="Only these.", examples=["open"])
    ] = None
    limit: Annotated[int, Field(ge=1, le=100, description="Items a page.", examples=[20])] = 20
    cursor: Annotated[
        str | None, Field(min_length=1, max_length=2_000, pattern=r"^[\x21-\x7e]+$", description="The last page's next_cursor.")
    ] = None


@router.get(
    "",
    **operation(
        "Money that did not fit, newest first",
        answers={200: (SuspenseItemsAnswer, "A page.")},
        problems=("forbidden", "invalid_request", "invalid_cursor", "no_answer"),
        asks_behind=True,
        description="For admins.",
    ),
)
async def suspense_items(request: Request, caller: AdminOnly, parts: GatewayParts, query: Annotated[SuspenseQuery, Query()]) -> Response:
    asked = ListSuspenseItems(status=query.status, limit=query.limit, cursor=query.cursor, correlation_id=request_id_of(request.scope))
    page = await parts.services.question(asked, SUSPENSE_ITEMS)
    assert isinstance(page, SuspensePage)
    return Response(rendering.suspense_items(page), media_type="application/json")


@router.get(
    "/{item_id}",
    **operation(
        "One item of suspense",
        answers={
            200: (
                (SuspenseItemAnswer, AcceptedSuspenseItem, FailedSuspenseItem),
                "The item; with a receipt also `accepted`, or `failed` with its problem.",
            )
        },
        problems=("forbidden", "suspense_item_not_found", "invalid_request", "no_answer"),
        asks_behind=True,
        description="For admins.",
    ),
)
async def suspense_item(request: Request, caller: AdminOnly, parts: GatewayParts, item_id: ItemId, receipt: Receipt = None) -> Response:
    _require_possible(item_id)
    request_id = request_id_of(request.scope)
    try:
        view = await parts.services.question(GetSuspenseItem(item_id=item_id, correlation_id=request_id), SUSPENSE_ITEM)
    except RefusedByDecision as refusal:
        if refusal.refused.code != "suspense_item_not_found":
            raise
        polled = not_there_yet(parts, receipt, item_id, caller=caller_of(caller.user_id), name="id", request_id=request_id)
        if polled is None:
            raise
        return polled
    assert isinstance(view, SuspenseItemView)
    return Response(rendering.suspense_item(view), media_type="application/json")


def _decision(summary: str, body: type[RequestBody], *problems: str, description: str, optional: bool = False) -> dict[str, Any]:
    return operation(
        summary,
        body=body,
        body_optional=optional,
        answers={
            200: (SuspenseItemAnswer, "The item, its money moved."),
            202: (AcceptedSuspenseItem, "Safe, but slow: poll the Location."),
        },
        problems=("forbidden", "suspense_item_not_found", "suspense_item_decided", *problems, "deadline_passed"),
        asks_behind=True,
        idempotent=True,
        description=f"For admins. {description} One decision about an item succeeds, once.",
    )


@router.post(
    "/{item_id}/assign",
    **_decision(
        "Give the money to a user or a payment", AssignRequest, "payment_not_found", "payment_not_assignable", "already_paid",
        "amount_mismatch", description="A payment is completed by it; the sums must match.",
    ),
)  # fmt: skip
async def assign(request: Request, caller: AdminOnly, parts: GatewayParts, item_id: ItemId) -> Response:
    _require_possible(item_id)
    body = await read_json(request, AssignRequest, parts.settings.body_limit_bytes)
    to_user = body.value.user_id is not None
    told = {"user_id": body.value.user_id, "payment_id": body.value.payment_id}
    return await _decide(request, caller, parts, item_id, body, "assign", "assign_user" if to_user else "assign_payment", told)


@router.post(
    "/{item_id}/refund",
    **_decision(
        "Send the money back", SendBackRequest, "refund_not_supported", "refund_declined",
        description="Through the provider that it came by.", optional=True,
    ),
)  # fmt: skip
async def refund(request: Request, caller: AdminOnly, parts: GatewayParts, item_id: ItemId) -> Response:
    _require_possible(item_id)
    body = await read_json(request, SendBackRequest, parts.settings.body_limit_bytes, optional=True)
    told = {"reference": body.value.reference, "reason": body.value.reason}
    return await _decide(request, caller, parts, item_id, body, "refund", "refund", told)


@router.post(
    "/{item_id}/write-off",
    **_decision("Write the money off", WriteOffRequest, description="It becomes the platform's revenue."),
)
async def write_off(request: Request, caller: AdminOnly, parts: GatewayParts, item_id: ItemId) -> Response:
    _require_possible(item_id)
    body = await read_json(request, WriteOffRequest, parts.settings.body_limit_bytes)
    told = {"reference": body.value.reference, "reason": body.value.reason}
    return await _decide(request, caller, parts, item_id, body, "write-off", "write_off", told)


async def _decide(
    request: Request,
    caller: Caller,
    parts: Parts,
    item_id: str,
    body: Body[Any],
    action: str,
    decision: SuspenseDecision,
    told: Mapping[str, str | None],
) -> Response:
    operation_name = f"POST /api/v1/suspense/{{item_id}}/{action}"
    issued = issue(request, parts, caller=caller_of(caller.user_id), operation=operation_name, fingerprint=body.fingerprint)
    fields: dict[str, Any] = dict(told)
    command = DecideSuspenseItem(
        **issued.envelope,
        item_id=item_id,
        decision_id=issued.resource_id,
        actor_user_id=caller.user_id,
        decision=decision,
        **fields,
    )
    answer = await issued.ask(command, SUSPENSE_DECIDED)
    if answer is None:
        return issued.accepted(f"/api/v1/suspense/{quote(item_id, safe='')}", item_id, id=item_id)
    decided, replayed = answer
    return issued.done(rendering.suspense_item(decided), replayed=replayed)


def _require_possible(item_id: str) -> None:
    if not _ID.fullmatch(item_id):
        raise Problem("suspense_item_not_found", "There is no such item.")
