"""What can be paid how here: for pages that show a choice before anybody is logged in."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.answers.intents import ConfigAnswer
from services.gateway.config import LOCALES
from services.gateway.documentation import operation
from services.gateway.parts import GatewayParts, Parts
from services.gateway.rendering import intents as rendering

router = APIRouter(prefix="/api/v1", tags=["operations"])

_FROM_BALANCE: Final = "balance"
_CACHE: Final = {"Cache-Control": "public, max-age=300"}
_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


@router.get(
    "/config",
    **operation(
        "What can be paid how here",
        answers={200: (ConfigAnswer, "The same for everybody; may be cached."), 304: (None, "As If-None-Match says.")},
        signed_in=False,
    ),
)
async def config(request: Request, parts: GatewayParts) -> Response:
    body = _configuration(parts)
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {**_CACHE, "ETag": tag}
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or tag in _TAG.findall(known):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def _configuration(parts: Parts) -> bytes:
    settings = parts.settings
    # A provider whose events nobody here can verify has no adapter: for new payments it is off.
    providers = [name for name in settings.new_payments if name in parts.ingress.checks]
    return rendering.configuration(
        [*providers, _FROM_BALANCE],
        {**dict.fromkeys(providers, ("deposit", "session", "order")), _FROM_BALANCE: ("session",)},
        fee_bps=settings.platform_fee_bps,
        stripe_publishable_key=None,
        locales=LOCALES,
        default_locale=settings.default_locale,
        default_currency=settings.default_currency,
    )
