"""What can be paid how here: for pages that show a choice before anybody is logged in."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.answers.intents import ConfigAnswer
from services.gateway.config import LOCALES
from services.gateway.documentation import operation, tagged
from services.gateway.edge import request_id_of
from services.gateway.etags import is_known
from services.gateway.parts import GatewayParts, Parts
from services.gateway.rendering import methods as rendering
from shared.contracts.checkout import MethodsView

router = APIRouter(prefix="/api/v1", tags=["operations"])

_STRIPE: Final = "stripe"
_CACHE: Final = {"Cache-Control": "public, max-age=300"}


@router.get(
    "/config",
    **tagged(
        operation(
            "What can be paid how here",
            answers={200: (ConfigAnswer, "The same for everybody; may be cached."), 304: (None, "As If-None-Match says.")},
            problems=("no_answer",),
            asks_behind=True,
            signed_in=False,
        )
    ),
)
async def config(request: Request, parts: GatewayParts) -> Response:
    body = _configuration(parts, await parts.methods.current(request_id_of(request.scope)))
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {**_CACHE, "ETag": tag}
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def _configuration(parts: Parts, on: MethodsView) -> bytes:
    settings = parts.settings
    has_stripe = any(method.method == _STRIPE for method in on.methods)
    return rendering.configuration(
        on.methods,
        fee_bps=settings.platform_fee_bps,
        stripe_publishable_key=settings.stripe_publishable_key if has_stripe else None,
        locales=LOCALES,
        default_locale=settings.default_locale,
        default_currency=settings.default_currency,
    )
