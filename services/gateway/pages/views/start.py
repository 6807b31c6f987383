"""Where a new visitor starts: their balance when they are logged in, else what this is and how to come in."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.config import LOCALES
from services.gateway.pages.visits import Visit, locale_of, see, visitor
from services.gateway.parts import GatewayParts

router = APIRouter(include_in_schema=False)


@router.get("/")
async def start(request: Request, parts: GatewayParts) -> Response:
    chosen = request.query_params.get("lang")
    locale = chosen if chosen in LOCALES else locale_of(request, parts)
    caller = visitor(request, parts)
    if caller is not None:
        return see(f"/{locale}/balance")
    page = Visit(request, parts, locale, None).page("start.html")
    page.headers["Vary"] = "Accept-Language, Cookie"
    return page
