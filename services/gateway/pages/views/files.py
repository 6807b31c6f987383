"""The pages' own files, under names that hold their hash: what has the name never changes."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.hypertext.files import STATIC_PATH, StaticFile
from services.gateway.parts import GatewayParts
from services.gateway.problems import Problem

router = APIRouter(include_in_schema=False)

_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


@router.api_route(f"{STATIC_PATH}{{name}}", methods=["GET", "HEAD"])
async def file(request: Request, parts: GatewayParts, name: str) -> Response:
    found = parts.hypertext.files.files.get(name)
    if found is None:
        raise Problem("not_found", "there is no such file")
    return sent(request, found, _FOR_EVER)


def sent(request: Request, file: StaticFile, headers: dict[str, str]) -> Response:
    """The file, compressed where the browser can take it so."""
    accepted = {part.strip().partition(";")[0] for part in request.headers.get("accept-encoding", "").split(",")}
    encoded = {"Content-Encoding": "gzip"} if "gzip" in accepted else {}
    return Response(
        file.zipped if encoded else file.content, headers={**headers, "Vary": "Accept-Encoding", **encoded}, media_type=file.kind
    )
