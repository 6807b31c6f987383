"""The login page of the demo directory; a deployer's own login opens the pages by POST /api/v1/auth/session."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.auth import Caller, demo_token, set_session_cookie
from services.gateway.directory import PASSWORD_LENGTH_MAX, Directory
from services.gateway.edge import request_id_of
from services.gateway.pages.forms import read_form
from services.gateway.pages.visits import PageRoute, own_path, require_locale, see
from services.gateway.parts import GatewayParts, Parts
from services.gateway.problems import Problem

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_LOGIN_LENGTH_MAX: Final = 200


@router.get("/{locale}/login")
async def show(request: Request, parts: GatewayParts, locale: str) -> Response:
    spoken = require_locale(locale)
    _directory(parts)
    onward = own_path(request.query_params.get("next")) or ""
    return parts.hypertext.page("login.html", spoken, onward=onward, wrong=False, login="")


@router.post("/{locale}/login")
async def log_in(request: Request, parts: GatewayParts, locale: str) -> Response:
    spoken = require_locale(locale)
    directory = _directory(parts)
    form = await read_form(request)
    login, password = form.get("login", ""), form.get("password", "")
    onward = own_path(form.get("next")) or ""
    if not 0 < len(login) <= _LOGIN_LENGTH_MAX or not 0 < len(password) <= PASSWORD_LENGTH_MAX:
        return parts.hypertext.page("login.html", spoken, status=422, onward=onward, wrong=True, login="")
    try:
        person = await parts.logins.authenticated(directory, login, password, request.client, request_id_of(request.scope))
    except Problem as problem:
        if problem.code != "invalid_credentials":
            raise
        page = parts.hypertext.page("login.html", spoken, status=401, onward=onward, wrong=True, login=login)
        page.headers.update(problem.headers)
        return page
    token = demo_token(parts.settings, person)
    response = see(onward or f"/{spoken}/balance/deposit")
    set_session_cookie(response, Caller(parts.gate.verifier.verify(token), token), secure=parts.settings.secure_cookies)
    return response


def _directory(parts: Parts) -> Directory:
    if parts.directory is None:
        raise Problem("not_found", "there are no demo logins here")
    return parts.directory
