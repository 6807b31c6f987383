"""Turns everything that a route can raise into problem+json, or into a page for whoever reads pages; the framework's own errors too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from services.gateway.edge import METHODS, request_id_of
from services.gateway.pages.troubles import trouble
from services.gateway.problems import Problem, RefusedByDecision, field_problem
from services.gateway.routes import as_allow
from shared.contracts.payment_commands import FieldProblem

_ERRORS_MAX: Final = 20
_BY_STATUS: Final = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "unsupported_media_type"}


def install(app: FastAPI) -> None:
    """From here on every error of `app` is a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RefusedByDecision, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unhandled)


def validation_problem(errors: Sequence[Any]) -> Problem:
    """422 that names each field; `errors` as Pydantic lists them. What was sent is not repeated: it may hold a password."""
    fields = [_field(error) for error in errors[:_ERRORS_MAX]]
    names = ", ".join(dict.fromkeys(".".join(map(str, problem.loc)) for problem in fields))
    return Problem("invalid_request", f"not valid: {names}", errors=fields)


def _field(error: Any) -> FieldProblem:
    # A union's members are not the caller's business: ("body", "amount"), not ("body", "amount", "decimal").
    loc = tuple(part if isinstance(part, int) else _short(str(part)) for part in error["loc"])
    return field_problem(*loc, msg=_short(str(error["msg"]).removeprefix("Value error, ")))


def _short(text: str) -> str:
    return text[:200].encode("utf-8", "replace").decode()


async def _problem(request: Request, error: Exception) -> Response:
    return _told(request, cast("Problem | RefusedByDecision", error))


async def _invalid(request: Request, error: Exception) -> Response:
    return _told(request, validation_problem(cast(RequestValidationError, error).errors()))


async def _http(request: Request, error: Exception) -> Response:
    raised = cast(HTTPException, error)
    code = _BY_STATUS.get(raised.status_code, "internal_error" if raised.status_code >= 500 else "invalid_request")
    detail = (
        f"{request.method} is not allowed here" if code == "method_not_allowed" else "no such path" if code == "not_found" else "refused"
    )
    headers = {"Allow": _allowed(request)} if code == "method_not_allowed" else raised.headers
    return _told(request, Problem(code, detail, headers=headers))


def _allowed(request: Request) -> str:
    """The methods that some route takes at this path; the framework names those of the first route that has it."""

    def taken(method: str) -> bool:
        return any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)

    return as_allow(method for method in METHODS if taken(method))


async def _unhandled(request: Request, _: Exception) -> Response:
    # Logged with its traceback by edge.py, to which the framework raises it again.
    return _told(request, Problem("internal_error", "the failure has been logged under this request_id"))


def _told(request: Request, error: Problem | RefusedByDecision) -> Response:
    return trouble(request.scope, error, request_id_of(request.scope))
