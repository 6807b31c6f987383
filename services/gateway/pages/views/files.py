"""The pages' own files, under names that hold their hash: what has the name never changes; and what other sites load by a fixed one."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.etags import is_known
from services.gateway.hypertext.files import STATIC_PATH, StaticFile
from services.gateway.parts import GatewayParts
from services.gateway.problems import Problem

router = APIRouter(include_in_schema=False)

_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_FOR_OTHERS: Final = {
    "Cache-Control": "public, max-age=300",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@router.api_route(f"{STATIC_PATH}{{name}}", methods=["GET", "HEAD"])
async def file(request: Request, parts: GatewayParts, name: str) -> Response:
    fixed = parts.hypertext.files.fixed.get(name)
    if fixed is not None:
        return _for_others(request, fixed)
    found = parts.hypertext.files.files.get(name)
    if found is None:
        raise Problem("not_found", "there is no such file")
    return sent(request, found, _FOR_EVER)


def _for_others(request: Request, file: StaticFile) -> Response:
    tag = f'"{file.tag}"'
    # A weak one: compressed or not, it is the same.
    headers = {**_FOR_OTHERS, "ETag": f"W/{tag}"}
    if is_known(request, tag):
        return Response(status_code=304, headers={**headers, "Vary": "Accept-Encoding"})
    return sent(request, file, headers)


def sent(request: Request, file: StaticFile, headers: dict[str, str]) -> Response:
    """The file, compressed where the browser can take it so."""
    accepted = {part.strip().partition(";")[0] for part in request.headers.get("accept-encoding", "").split(",")}
    encoded = {"Content-Encoding": "gzip"} if "gzip" in accepted else {}
    return Response(
        file.zipped if encoded else file.content, headers={**headers, "Vary": "Accept-Encoding", **encoded}, media_type=file.kind
    )
