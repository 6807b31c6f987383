"""The audit log, for admins: who did what to what."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.answers.history import AuditAnswer
from services.gateway.documentation import operation
from services.gateway.edge import request_id_of
from services.gateway.fields import ANY_TEXT, Time
from services.gateway.parts import AdminOnly, GatewayParts
from services.gateway.rendering import history as rendering
from services.gateway.requests import AUDIT
from shared.contracts.audit import MAX_ACTIONS, AuditPage, ListAudit

router = APIRouter(prefix="/api/v1", tags=["audit"])


class AuditPaging(BaseModel):
    model_config = ConfigDict(frozen=True)
    actor: Annotated[
        str | None, Field(min_length=1, max_length=100, pattern=ANY_TEXT, description="Only what they did.", examples=["user:9"])
    ] = None
    action: Annotated[
        str | None,
        Field(pattern=r"^[a-z_]+(\.[a-z_]+)*$", max_length=100, description="Only this action.", examples=["withdrawal.approve"]),
    ] = None
    resource: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=200,
            pattern=ANY_TEXT,
            description="Only what was done to it.",
            examples=["withdrawal:0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"],
        ),
    ] = None
    since: Annotated[Time | None, Field(description="Not before this time.")] = None
    until: Annotated[Time | None, Field(description="Before this time.")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_ACTIONS, description="Items a page.", examples=[20])] = 20
    cursor: Annotated[
        str | None, Field(min_length=1, max_length=2_000, pattern=r"^[\x21-\x7e]+$", description="The last page's next_cursor.")
    ] = None


@router.get(
    "/audit",
    **operation(
        "Who did what, newest first",
        answers={200: (AuditAnswer, "A page.")},
        problems=("forbidden", "invalid_request", "invalid_cursor", "no_answer"),
        asks_behind=True,
        description="For admins. Append-only: what an operator or an admin did, and logins (login.succeeded, login.failed, session.opened, "
        "session.refused).",
    ),
)
async def audit(request: Request, _: AdminOnly, parts: GatewayParts, query: Annotated[AuditPaging, Query()]) -> Response:
    asked = ListAudit(**query.model_dump(), correlation_id=request_id_of(request.scope))
    page = await parts.services.question(asked, AUDIT)
    assert isinstance(page, AuditPage)
    return Response(rendering.audit(page), media_type="application/json")
