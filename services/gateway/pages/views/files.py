"""The pages' own files, under names that hold their hash: what has the name never changes."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from services.gateway.hypertext import STATIC_PATH
from services.gateway.parts import GatewayParts
from services.gateway.problems import Problem

router = APIRouter(include_in_schema=False)

_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


@router.get(f"{STATIC_PATH}{{name}}")
async def file(parts: GatewayParts, name: str) -> Response:
    found = parts.hypertext.files.get(name)
    if found is None:
        raise Problem("not_found", "there is no such file")
    return Response(found.content, headers=_FOR_EVER, media_type=found.kind)
