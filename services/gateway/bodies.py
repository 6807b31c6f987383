"""Reads a request's JSON body: bounded in bytes and time, exact, into the route's own model; every refusal names what is wrong."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from services.gateway import exact_json
from services.gateway.errors import validation_problem
from services.gateway.problems import Problem, malformed

Model = TypeVar("Model", bound=BaseModel)

READ_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Body(Generic[Model]):
    """The validated body, and the fingerprint of the request that it came with."""

    value: Model
    fingerprint: str


async def read_bounded(request: Request, limit_bytes: int) -> bytes:
    """The body's bytes. Problems: body_too_large, request_timeout."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > limit_bytes):
        raise _too_large(limit_bytes)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit_bytes:
                    raise _too_large(limit_bytes)
                chunks.append(chunk)
    except TimeoutError as error:
        raise Problem("request_timeout", f"the body took longer than {READ_SECONDS:.0f} s", headers={"Connection": "close"}) from error
    return b"".join(chunks)


async def read_json(request: Request, model: type[Model], limit_bytes: int) -> Body[Model]:
    """The body as `model`. Problems: unsupported_media_type, body_too_large, request_timeout, invalid_request."""
    _require_plain_json(request)
    value = _parse(await read_bounded(request, limit_bytes))
    if not isinstance(value, dict):
        raise malformed("body", msg="must be a JSON object")
    try:
        validated = model.model_validate(value)
    except ValidationError as error:
        raise validation_problem([{**problem, "loc": ("body", *problem["loc"])} for problem in error.errors(include_url=False)]) from error
    return Body(validated, exact_json.fingerprint(request.url.path, request.scope["query_string"], value))


def _parse(body: bytes) -> Any:
    try:
        return exact_json.parse(body)
    except exact_json.RepeatedName as error:
        raise malformed("body", error.name, msg=str(error)) from error
    except exact_json.MalformedJson as error:
        raise malformed("body", msg=str(error)) from error


def _require_plain_json(request: Request) -> None:
    kinds = request.headers.getlist("content-type")
    kind = kinds[0].partition(";")[0].strip().lower() if kinds else "application/json"
    if len(kinds) > 1 or not (kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))):
        raise Problem("unsupported_media_type", "send the body as application/json")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem("unsupported_media_type", "send the body uncompressed")


def _too_large(limit_bytes: int) -> Problem:
    # What is left of the body is not read, so the connection cannot be used again.
    return Problem("body_too_large", f"at most {limit_bytes} bytes", headers={"Connection": "close"})
