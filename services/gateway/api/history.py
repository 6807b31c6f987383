"""What has been: the caller's payments as a list, and every step of one."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.answers.history import HistoryItemAnswer, TimelineAnswer
from services.gateway.documentation import bare_list, operation
from services.gateway.edge import request_id_of
from services.gateway.fields import ExternalIdFilter, Time
from services.gateway.history import list_payments, timeline_of, whose
from services.gateway.parts import GatewayParts, SignedIn
from services.gateway.problems import Problem, malformed
from services.gateway.rendering import history as rendering
from shared.contracts.history import MAX_PAYMENTS, MAX_SKIPPED, ListPayments, ToldStatus

router = APIRouter(prefix="/api/v1/payments", tags=["payments"])

PATH: Final = "/api/v1/payments/history"
LINK: Final = "Link"
NEXT_CURSOR: Final = "X-Next-Cursor"

_ID: Final = re.compile(r"[\x21-\x7e]{1,100}")
_ANSWER_HEADERS: Final = {
    LINK: 'The next page, as <url>; rel="next" (RFC 8288); none at the end.',
    NEXT_CURSOR: "The next page's cursor; none at the end.",
}


class HistoryPaging(BaseModel):
    model_config = ConfigDict(frozen=True)
    limit: Annotated[int, Field(ge=1, le=MAX_PAYMENTS, description="Items a page.", examples=[20])] = 20
    cursor: Annotated[
        str | None, Field(min_length=1, max_length=2_000, pattern=r"^[\x21-\x7e]+$", description="The last page's X-Next-Cursor.")
    ] = None
    skip: Annotated[int | None, Field(ge=0, le=MAX_SKIPPED, description="The other way to page; not beside cursor.", examples=[0])] = None
    status: Annotated[ToldStatus | None, Field(description="Only those that are told so.", examples=["completed"])] = None
    since: Annotated[Time | None, Field(description="Made not before this time.")] = None
    until: Annotated[Time | None, Field(description="Made before this time.")] = None
    external_id: ExternalIdFilter = None
    everyone: Annotated[bool, Field(alias="all", description="Everyone's; for admins.", examples=[False])] = False


@router.get(
    "/history",
    **bare_list(
        operation(
            "My payments, newest first",
            answers={200: (None, "A page, as a bare list.")},
            problems=("forbidden", "invalid_request", "invalid_cursor", "no_answer"),
            asks_behind=True,
            description="A mentor's holds the payments for their sessions too; an admin asks for everyone's with all=true. Requests that "
            "were refused are not payments.",
        ),
        HistoryItemAnswer,
        _ANSWER_HEADERS,
    ),
)
async def history(request: Request, caller: SignedIn, parts: GatewayParts, query: Annotated[HistoryPaging, Query()]) -> Response:
    user_id = whose(caller, everyone=query.everyone)
    if query.cursor is not None and query.skip is not None:
        raise malformed("query", "skip", msg="is not allowed beside cursor")
    asked = ListPayments(
        user_id=user_id,
        status=query.status,
        external_id=query.external_id,
        since=query.since,
        until=query.until,
        limit=query.limit,
        cursor=query.cursor,
        skip=query.skip or 0,
        correlation_id=request_id_of(request.scope),
    )
    page = await list_payments(parts.services, asked)
    headers: dict[str, str] = {}
    if page.next_cursor is not None:
        headers = {LINK: f'<{parts.settings.public_url}{PATH}?{_next(query, page.next_cursor)}>; rel="next"', NEXT_CURSOR: page.next_cursor}
    return Response(rendering.payments(page.items), headers=headers, media_type="application/json")


@router.get(
    "/{payment_id}/timeline",
    **operation(
        "Every step of a payment",
        answers={200: (TimelineAnswer, "From the request to the ledger's entry and the message that told it.")},
        problems=("payment_not_found", "invalid_request", "no_answer"),
        asks_behind=True,
        description="For the payer, the mentor concerned and admins. Ids link the steps over all services; balances are shown to their "
        "owner and admins, raw payloads of provider events to admins.",
    ),
)
async def timeline(
    request: Request,
    caller: SignedIn,
    parts: GatewayParts,
    payment_id: Annotated[str, Path(description="The payment's id, or its session's.", examples=["0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"])],
) -> Response:
    if not _ID.fullmatch(payment_id):
        raise Problem("payment_not_found", "There is no such payment.")
    told = await timeline_of(parts.services, payment_id, caller, request_id_of(request.scope))
    return Response(rendering.timeline(str(told.payment_id), told.steps, truncated=told.truncated), media_type="application/json")


def _next(query: HistoryPaging, cursor: str) -> str:
    """The query of the next page: the same filters, on from `cursor`."""
    filters: dict[str, Any] = query.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"cursor", "skip"})
    return urlencode({**{name: _text(value) for name, value in filters.items() if value is not None}, "cursor": cursor})


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
