"""The login page of the demo directory, and the way out; a deployer's own login opens the pages by POST /api/v1/auth/session."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.auth import COOKIE, Caller, clear_session_cookie, demo_token, set_session_cookie
from services.gateway.directory import PASSWORD_LENGTH_MAX, PEOPLE, Directory
from services.gateway.edge import request_id_of
from services.gateway.pages.forms import check_form, read_form
from services.gateway.pages.visits import Visit, own_path, see, visit_of
from services.gateway.parts import GatewayParts, Parts
from services.gateway.problems import Problem

router = APIRouter(include_in_schema=False)

_LOGIN_LENGTH_MAX: Final = 200
_NAMES: Final = frozenset(person.name for person in PEOPLE)


@router.get("/{locale}/login")
async def show(request: Request, parts: GatewayParts, locale: str) -> Response:
    visit = visit_of(request, parts, locale)
    _directory(parts)
    known = visit.query.get("login", "")
    return _form(visit, own_path(visit.query.get("next")) or "", login=known if known in _NAMES else "")


@router.post("/{locale}/login")
async def log_in(request: Request, parts: GatewayParts, locale: str) -> Response:
    visit = visit_of(request, parts, locale)
    directory = _directory(parts)
    form = await read_form(request)
    login, password = form.get("login", ""), form.get("password", "")
    onward = own_path(form.get("next")) or ""
    if not 0 < len(login) <= _LOGIN_LENGTH_MAX or not 0 < len(password) <= PASSWORD_LENGTH_MAX:
        return _form(visit, onward, status=422)
    try:
        person = await parts.logins.authenticated(directory, login, password, request.client, request_id_of(request.scope))
    except Problem as problem:
        if problem.code != "invalid_credentials":
            raise
        page = _form(visit, onward, login=login, status=401)
        page.headers.update(problem.headers)
        return page
    token = demo_token(parts.settings, person)
    response = see(onward or f"/{visit.locale}/balance")
    set_session_cookie(response, Caller(parts.gate.verifier.verify(token), token), secure=parts.settings.secure_cookies)
    return response


@router.post("/{locale}/logout")
async def log_out(request: Request, parts: GatewayParts, locale: str) -> Response:
    visit = visit_of(request, parts, locale)
    form = await read_form(request)
    if visit.caller is not None:
        check_form(parts, request, visit.caller, form)
    response = see("/")
    clear_session_cookie(response, secure=parts.settings.secure_cookies)
    return response


def _form(visit: Visit, onward: str, *, login: str = "", status: int = 200) -> Response:
    has_ended = visit.caller is None and COOKIE in visit.request.cookies
    hints = [(person.name, person.role) for person in PEOPLE]
    return visit.page("login.html", status=status, onward=onward, wrong=status != 200, login=login, has_ended=has_ended, hints=hints)


def _directory(parts: Parts) -> Directory:
    if parts.directory is None:
        raise Problem("not_found", "there are no demo logins here")
    return parts.directory
