"""Coaching sessions: a mentor puts them, everybody who is signed in may read them."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.answers.intents import AcceptedSession, CoachingSessionAnswer, FailedSession
from services.gateway.auth import Caller
from services.gateway.bodies import read_json
from services.gateway.commands import COMMAND_LIFE, Issued, not_there_yet
from services.gateway.documentation import operation
from services.gateway.edge import request_id_of
from services.gateway.fields import AmountMinor, CurrencyCode, RequestBody, SubjectId
from services.gateway.idempotency import caller_of
from services.gateway.parts import GatewayParts, SignedIn
from services.gateway.paying_sessions import SESSION_ID_FORM, is_session_id
from services.gateway.problems import Problem, RefusedByDecision
from services.gateway.rendering import intents as rendering
from services.gateway.requests import SESSION, SESSION_SAVED
from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_commands import Idempotency
from shared.contracts.sessions import GetSession, PutSession, SessionView

router = APIRouter(prefix="/api/v1/sessions", tags=["sessions"])

_PUT: Final = "PUT /api/v1/sessions/{session_id}"

_ABOUT_ID: Final = "The mentor's own id of it: 1 to 64 letters, digits and ._:@+-, a letter or digit first."
SessionId = Annotated[str, Path(description=_ABOUT_ID, examples=["1"])]
NewSessionId = Annotated[str, Path(pattern=SESSION_ID_FORM, description=_ABOUT_ID, examples=["1"])]


class SessionRequest(RequestBody):
    mentor_id: Annotated[SubjectId, Field(description="Whose it is, for good.")]
    price: AmountMinor
    currency: CurrencyCode
    title: Annotated[str, Field(min_length=1, max_length=200, examples=["A first conversation"])]


@router.put(
    "/{session_id}",
    **operation(
        "Make a session, or change its price and title",
        body=SessionRequest,
        answers={
            200: (CoachingSessionAnswer, "It was there; it is as told now."),
            201: (CoachingSessionAnswer, "It is new."),
            202: (AcceptedSession, "Safe, but slow: poll the Location."),
        },
        problems=("forbidden", "session_mentor_fixed", "deadline_passed"),
        asks_behind=True,
        description="That mentor for themselves, or an admin. The same again is the same. Intents that are under way keep their price.",
    ),
)
async def put_session(request: Request, caller: SignedIn, parts: GatewayParts, session_id: NewSessionId) -> Response:
    body = await read_json(request, SessionRequest, parts.settings.body_limit_bytes)
    asked = body.value
    if not _may_put(caller, asked.mentor_id):
        raise Problem("forbidden", "mentors put their own sessions, and admins anybody's")
    same = Idempotency(caller=caller_of(caller.user_id), operation=_PUT, key_hash=None, fingerprint=body.fingerprint)
    issued = Issued(parts, request_id_of(request.scope), same, new_id(), utc_now() + COMMAND_LIFE)
    command = PutSession(
        **issued.envelope,
        session_id=session_id,
        mentor_id=asked.mentor_id,
        price_minor=asked.price,
        currency=asked.currency,
        title=asked.title,
        user_id=caller.user_id,
    )
    answer = await issued.ask(command, SESSION_SAVED)
    path = f"/api/v1/sessions/{session_id}"
    if answer is None:
        return issued.accepted(path, session_id, session_id=session_id)
    saved, _ = answer
    printed = rendering.session(saved.session)
    return issued.made(printed, path, replayed=False) if saved.created else issued.done(printed, replayed=False)


@router.get(
    "/{session_id}",
    **operation(
        "One session",
        answers={
            200: (
                (CoachingSessionAnswer, AcceptedSession, FailedSession),
                "The session; with a receipt also `accepted`, or `failed` with its problem.",
            )
        },
        problems=("session_not_found", "invalid_request", "no_answer"),
        asks_behind=True,
    ),
)
async def get_session(
    request: Request,
    caller: SignedIn,
    parts: GatewayParts,
    session_id: SessionId,
    receipt: Annotated[str | None, Query(max_length=200, description="From the Location of a 202.", examples=[None])] = None,
) -> Response:
    if not is_session_id(session_id):
        raise Problem("session_not_found", "There is no such session.")
    request_id = request_id_of(request.scope)
    try:
        view = await parts.services.question(GetSession(session_id=session_id, correlation_id=request_id), SESSION)
    except RefusedByDecision as refusal:
        if refusal.refused.code != "session_not_found":
            raise
        polled = not_there_yet(parts, receipt, session_id, caller=caller_of(caller.user_id), name="session_id", request_id=request_id)
        if polled is None:
            raise
        return polled
    assert isinstance(view, SessionView)
    return Response(rendering.session(view), media_type="application/json")


def _may_put(caller: Caller, mentor_id: str) -> bool:
    return caller.identity.is_admin or ("mentor" in caller.identity.roles and caller.user_id == mentor_id)
