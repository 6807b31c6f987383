"""How a route tells the OpenAPI document about its body, its answers and every problem that it can give; and the document itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.responses import Response

from services.gateway.answers import Answer, ProblemAnswer
from services.gateway.auth import COOKIE, CSRF_HEADER
from services.gateway.fields import RequestBody
from services.gateway.links import link
from services.gateway.problems import CODES, PROBLEM_TYPE, problem_object
from services.gateway.schemas import complete_bodies, without_null
from shared.contracts.payment_commands import FieldProblem

Shape = type[BaseModel] | tuple[type[BaseModel], ...] | None
"""An answer's model, one of several, or none: no body, or not JSON."""

OPENING: Final = (
    "method_not_available", "currency_not_available", "amount_not_available", "payment_rejected", "session_final", "provider_unavailable",
)  # fmt: skip
"""What can be wrong with a session that is to be opened at a provider."""

_REF: Final = "#/components/schemas/{model}"
_ID: Final = "0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"
_SIGNED_IN: Final = ("not_authenticated", "invalid_token", "csrf_failed")
_GUESTS: Final = ("invalid_token", "csrf_failed")
_BODY: Final = ("request_timeout", "body_too_large", "unsupported_media_type", "invalid_request")
_BEHIND: Final = ("broker_unavailable", "busy")

_HEADERS: Final[dict[int, dict[str, str]]] = {
    304: {"ETag": "Of the answer that is known."},
    202: {"Location": "Where to poll; it carries a receipt and never answers 404.", "Retry-After": "Seconds."},
    401: {"WWW-Authenticate": "Bearer"},
    402: {"Retry-After": "Seconds, with not_ready."},
    405: {"Allow": "The methods that are."},
    409: {"Retry-After": "Seconds, with idempotency_key_in_use."},
    429: {"Retry-After": "Whole seconds until the next request is taken."},
    503: {"Retry-After": "Seconds."},
}
_REPLAYED: Final = {"Idempotent-Replayed": "true: an earlier request under this key got this answer first."}


def operation(
    summary: str,
    *,
    answers: Mapping[int, tuple[Shape, str]],
    body: type[BaseModel] | None = None,
    body_optional: bool = False,
    problems: Sequence[str] = (),
    signed_in: bool = True,
    guests: bool = False,
    asks_behind: bool = False,
    idempotent: bool = False,
    limited: bool = True,
    media_type: str = "application/json",
    description: str = "",
) -> dict[str, Any]:
    """The arguments of a FastAPI route. `answers`: each status with its shape and what it means.

    `signed_in` (or, with `guests`, not), `body`, `asks_behind`, `idempotent` and `limited` each add the problems and parameters that come
    with them.
    """
    codes = [
        *(_GUESTS if guests else _SIGNED_IN if signed_in else ("csrf_failed",)),
        *(("too_many_requests",) if limited else ()),
        *(_BODY if body else ()),
        *(_BEHIND if asks_behind else ("busy",)),
        *(("invalid_request", "idempotency_key_reused", "idempotency_key_in_use") if idempotent else ()),
        *problems,
        "internal_error",
    ]
    known: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": [], "csrf": []}]
    extra: dict[str, Any] = {"security": [*([{}] if guests else []), *known] if signed_in else []}
    if body is not None:
        extra["requestBody"] = {"required": not body_optional, "content": {"application/json": {"schema": _ref(body)}}}
    if idempotent:
        extra["parameters"] = [_IDEMPOTENCY_KEY]
    return {
        "summary": summary,
        "description": description,
        "status_code": min(answers),
        "response_class": Response,
        "response_model": None,
        "responses": {**_answers(answers, media_type, idempotent), **problem_responses(codes)},
        "openapi_extra": extra,
    }


def bare_list(told: dict[str, Any], item: type[BaseModel], headers: Mapping[str, str]) -> dict[str, Any]:
    """The operation with a bare JSON array of `item` for its 200, and these headers beside it."""
    answer = told["responses"][200]
    answer["headers"] |= _headers(headers)
    answer["content"] = {"application/json": {"schema": {"type": "array", "items": _ref(item)}}}
    return told


def tagged(told: dict[str, Any]) -> dict[str, Any]:
    """The operation with the tag of its 200, which is sent back to ask whether that is still so."""
    told["responses"][200]["headers"] |= _headers({"ETag": "Of this answer.", "Cache-Control": "How long it may be kept without asking."})
    told["openapi_extra"]["parameters"] = [_IF_NONE_MATCH]
    return told


def with_error(told: dict[str, Any], status: int, shape: type[ProblemAnswer], errors: Mapping[str, str]) -> dict[str, Any]:
    """The operation whose problems of `status` are of `shape`: they have a member `error` too, each code its own."""
    content = told["responses"][status]["content"][PROBLEM_TYPE]
    content["schema"] = _ref(shape)
    for code, example in content["examples"].items():
        example["value"] |= {"error": errors[code]}
    return told


def problem_responses(codes: Sequence[str]) -> dict[int | str, dict[str, Any]]:
    """Each status of `codes` with an example a code."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for code in dict.fromkeys(codes):
        status, title = CODES[code]
        answer = by_status.setdefault(status, {"description": title, "headers": _headers(_HEADERS.get(status, {}))})
        content = answer.setdefault("content", {PROBLEM_TYPE: {"schema": _ref(ProblemAnswer), "examples": {}}})
        content[PROBLEM_TYPE]["examples"][code] = {"summary": title, "value": _example(code, title)}
    for answer in by_status.values():
        titles = [example["summary"] for example in answer["content"][PROBLEM_TYPE]["examples"].values()]
        answer["description"] = "; ".join(dict.fromkeys(titles)) + "."
    return by_status


def install(app: FastAPI, *, public_url: str, more_paths: Mapping[str, Any]) -> None:
    """Makes `app.openapi()` whole: bodies, answers, problems and security too; `more_paths` are served outside the framework."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, public_url, more_paths)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI, public_url: str, more_paths: Mapping[str, Any]) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    document["paths"].update(more_paths)
    problems: list[type[BaseModel]] = [ProblemAnswer, *ProblemAnswer.__subclasses__()]
    models: list[type[BaseModel]] = [*RequestBody.__subclasses__(), *Answer.__subclasses__(), *problems]
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    components = document.setdefault("components", {})
    components["schemas"] = dict(sorted({**components.get("schemas", {}), **definitions["$defs"]}.items()))
    complete_bodies([model.__name__ for model in RequestBody.__subclasses__()], components["schemas"])
    for told in _operations(document):
        told["parameters"] = [without_null(parameter) for parameter in told.get("parameters", ())]
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "Decides alone: cookies are then ignored."},
        "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE},
        "csrf": {"type": "apiKey", "in": "header", "name": CSRF_HEADER, "description": "Beside the cookie, on unsafe methods."},
    }
    document["servers"] = [{"url": public_url}]
    link(document)
    return document


def _operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()


_IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of an answer that is known: 304 as long as it is the same.",
    "schema": {"type": "string"},
    "example": '"1f37b4284fa3e153f1fc74d326b28c1a"',
}
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same request gives the first final answer again, byte for byte. Scoped to caller and operation.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x20-\\x7E]+$"},
    "example": "5f0c9a52-topup-1",
}


def _answers(answers: Mapping[int, tuple[Shape, str]], media_type: str, idempotent: bool) -> dict[int | str, dict[str, Any]]:
    told: dict[int | str, dict[str, Any]] = {}
    for status, (model, description) in answers.items():
        headers = {**_HEADERS.get(status, {}), **(_REPLAYED if idempotent and status < 202 else {})}
        told[status] = {"description": description, "headers": _headers(headers)}
        if isinstance(model, tuple):
            told[status]["content"] = {media_type: {"schema": {"oneOf": [_ref(one) for one in model]}}}
        elif model is not None:
            told[status]["content"] = {media_type: {"schema": _ref(model)}}
        elif status not in (204, 304):
            told[status]["content"] = {media_type: {"schema": {"type": "object" if media_type == "application/json" else "string"}}}
    return told


def _headers(headers: Mapping[str, str]) -> dict[str, Any]:
    shown = {**headers, "X-Request-ID": "The request's id, as sent or new."}
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in shown.items()}


def _example(code: str, title: str) -> dict[str, Any]:
    errors = [FieldProblem(loc=("body", "amount"), msg="must be above 0")] if code in ("invalid_request", "invalid_amount") else []
    return problem_object(code, title, errors, _ID)


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}
