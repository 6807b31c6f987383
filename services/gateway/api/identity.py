"""Logging in and out, the session cookie, and who one is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.answers import LoginAnswer, LogoutAnswer, MeAnswer, SessionAnswer
from services.gateway.auth import Caller, clear_session_cookie, demo_token, set_session_cookie
from services.gateway.bodies import read_json
from services.gateway.directory import PASSWORD_LENGTH_MAX
from services.gateway.documentation import operation
from services.gateway.edge import request_id_of
from services.gateway.fields import RequestBody
from services.gateway.parts import GatewayParts, SignedIn
from services.gateway.problems import Problem

router = APIRouter(prefix="/api/v1", tags=["identity"])


class LoginRequest(RequestBody):
    login: Annotated[str, Field(min_length=1, max_length=200, description="Name or e-mail.", examples=["testuser"])]
    password: Annotated[str, Field(min_length=1, max_length=PASSWORD_LENGTH_MAX, examples=["testuser"])]


@router.post(
    "/auth/login",
    **operation(
        "Log in with the demo directory; sets the session cookie",
        body=LoginRequest,
        answers={200: (LoginAnswer, "Logged in.")},
        problems=("not_found", "invalid_credentials", "too_many_requests"),
        signed_in=False,
        description="Outside production only; 404 there. A deployer's own login hands its token to POST /auth/session.",
    ),
)
async def log_in(request: Request, parts: GatewayParts) -> Response:
    if parts.directory is None:
        raise Problem("not_found", "there are no demo logins here")
    body = (await read_json(request, LoginRequest, parts.settings.body_limit_bytes)).value
    person = await parts.logins.authenticated(parts.directory, body.login, body.password, request.client, request_id_of(request.scope))
    token = demo_token(parts.settings, person)
    caller = Caller(parts.gate.verifier.verify(token), token)
    response = _json(
        {"access_token": token, "token_type": "bearer", "expires_in": _seconds_left(caller), "csrf_token": parts.gate.csrf_token(token)}
    )
    set_session_cookie(response, caller, secure=parts.settings.secure_cookies)
    return response


@router.post(
    "/auth/logout",
    **operation("Clear the session cookie", answers={200: (LogoutAnswer, "Logged out; also without a session to end.")}, signed_in=False),
)
async def log_out(request: Request, parts: GatewayParts) -> Response:
    parts.gate.check_leaving(request)
    response = _json({"status": "logged_out"})
    clear_session_cookie(response, secure=parts.settings.secure_cookies)
    return response


@router.post(
    "/auth/session",
    **operation(
        "Put a bearer token into the session cookie",
        answers={200: (SessionAnswer, "The cookie is set.")},
        problems=("invalid_request",),
        description="How a deployer's own login opens the hosted pages. The token must come in the Authorization header.",
    ),
)
async def open_session(request: Request, parts: GatewayParts) -> Response:
    request_id = request_id_of(request.scope)
    try:
        caller = parts.gate.admit_bearer(request)
    except Problem as problem:
        if problem.code == "invalid_token":
            parts.logins.token_refused(request.client, request_id)
        raise
    response = _json({"user_id": caller.user_id, "expires_in": _seconds_left(caller), "csrf_token": parts.gate.csrf_token(caller.token)})
    set_session_cookie(response, caller, secure=parts.settings.secure_cookies)
    parts.logins.token_accepted(caller.user_id, request.client, request_id)
    return response


@router.delete(
    "/auth/session",
    **operation("Clear the session cookie", answers={204: (None, "Cleared; also without a session to end.")}, signed_in=False),
)
async def close_session(request: Request, parts: GatewayParts) -> Response:
    parts.gate.check_leaving(request)
    response = Response(status_code=204)
    clear_session_cookie(response, secure=parts.settings.secure_cookies)
    return response


@router.get("/me", **operation("Who I am", answers={200: (MeAnswer, "The caller, and the CSRF token of this session.")}))
async def me(caller: SignedIn, parts: GatewayParts) -> Response:
    identity = caller.identity
    return _json(
        {
            "user_id": identity.user_id,
            "roles": sorted(identity.roles),
            "email": identity.email,
            "locale": identity.locale,
            "csrf_token": parts.gate.csrf_token(caller.token),
        }
    )


def _seconds_left(caller: Caller) -> int:
    return max(round((caller.identity.expires_at - datetime.now(UTC)).total_seconds()), 0)


def _json(members: dict[str, Any]) -> Response:
    return Response(orjson.dumps(members), media_type="application/json")
