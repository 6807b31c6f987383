"""Reads a request's JSON body: bounded in bytes and time, exact, into the route's own model; every refusal names what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope

from services.gateway import exact_json
from services.gateway.errors import validation_problem
from services.gateway.problems import Problem, malformed

Model = TypeVar("Model", bound=BaseModel)

READ_SECONDS: Final = 10.0
PASS_OVER_BYTES: Final = 4_000_000
"""Of a body that is too large this much is read and dropped: hanging up on a caller who still sends would reset the connection before the
answer has been read. Past it, that is the caller's loss."""
_DIGITS_MAX: Final = 18


@dataclass(frozen=True, slots=True)
class Body(Generic[Model]):
    """The validated body, and the fingerprint of the request that it came with."""

    value: Model
    fingerprint: str


async def read_bounded(scope: Scope, receive: Receive, limit_bytes: int) -> bytes:
    """The body's bytes. Problems: body_too_large, request_timeout; ClientDisconnect when the caller went away."""
    declared = _declared_bytes(scope)
    kept: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in _chunks(receive):
                size += len(chunk)
                if max(size, declared) <= limit_bytes:
                    kept.append(chunk)
                elif max(size, declared) > PASS_OVER_BYTES:
                    break
    except TimeoutError as error:
        raise Problem("request_timeout", f"the body took longer than {READ_SECONDS:.0f} s", headers={"Connection": "close"}) from error
    if max(size, declared) > limit_bytes:
        raise Problem("body_too_large", f"at most {limit_bytes} bytes", headers={"Connection": "close"})
    return b"".join(kept)


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message.get("more_body", False)
        yield message.get("body", b"")


def _declared_bytes(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:_DIGITS_MAX])
    return 0


async def read_json(request: Request, model: type[Model], limit_bytes: int, *, optional: bool = False) -> Body[Model]:
    """The body as `model`; `optional`: none is an empty one. Problems: unsupported_media_type, body_too_large, request_timeout,
    invalid_request."""
    _require_plain_json(request)
    body = await read_bounded(request.scope, request.receive, limit_bytes)
    value = {} if optional and not body else _parse(body)
    if not isinstance(value, dict):
        raise malformed("body", msg="must be a JSON object")
    try:
        validated = model.model_validate(value)
    except ValidationError as error:
        raise validation_problem([_placed(problem, value) for problem in error.errors(include_url=False)]) from error
    return Body(validated, exact_json.fingerprint(request.url.path, request.scope["query_string"], value))


def _placed(problem: Any, value: Any) -> dict[str, Any]:
    """The problem where the caller has it: which of several shapes was meant is no part of the path, though Pydantic names it there; and
    where that cannot be told, the member that tells it is at fault."""
    if problem["type"] in ("union_tag_invalid", "union_tag_not_found"):
        context = problem["ctx"]
        tags = context.get("expected_tags")
        told = "Field required" if tags is None else f"must be one of {tags.replace(chr(39), '')}"
        return {"loc": ("body", *problem["loc"], context["discriminator"].strip("'")), "msg": told}
    loc: list[str | int] = []
    for part in problem["loc"][:-1]:
        if isinstance(value, dict):
            if part not in value:
                continue
            value = value[part]
        elif isinstance(value, list) and isinstance(part, int):
            value = value[part]
        loc.append(part)
    return {"loc": ("body", *loc, *problem["loc"][-1:]), "msg": problem["msg"]}


def _parse(body: bytes) -> Any:
    try:
        return exact_json.parse(body)
    except exact_json.MalformedJson as error:
        raise malformed("body", *error.loc, msg=str(error)) from error


def _require_plain_json(request: Request) -> None:
    kinds = request.headers.getlist("content-type")
    kind = kinds[0].partition(";")[0].strip().lower() if kinds else "application/json"
    if len(kinds) > 1 or not (kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))):
        raise Problem("unsupported_media_type", "send the body as application/json")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem("unsupported_media_type", "send the body uncompressed")
