"""/docs: Swagger UI with its files served from here, so that the page works without internet and asks nobody else."""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable
from hashlib import sha256
from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import Response

from shared.origins import origin_of

# The package is only a carrier of Swagger UI's own files (Apache 2.0), kept up to date on PyPI.
_PACKAGE: Final = "fastapi_swagger.resources"
_ASSETS: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_INLINE: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_CACHE: Final = {"Cache-Control": "public, max-age=3600"}


def docs_router(public_url: str) -> APIRouter:
    """/docs and its files. `public_url`: where the document says that the API is."""
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/docs", _docs(origin_of(public_url)))
    for name, media_type in _ASSETS.items():
        router.add_api_route(f"/docs/{name}", _asset(name, media_type))
    return router


def _docs(origin: str) -> Callable[[], Awaitable[Response]]:
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Purser API",
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon-32x32.png",
        swagger_ui_parameters={"persistAuthorization": True, "displayRequestDuration": True},
    )
    content = bytes(page.body)
    headers = {"Content-Security-Policy": _policy(content, origin)}

    async def serve() -> Response:
        return Response(content, headers=headers, media_type="text/html; charset=utf-8")

    return serve


def _policy(page: bytes, origin: str) -> str:
    """Lets in the page's files and the one script that is written in it; Swagger UI draws its signs as data: URLs. Tokens are typed in here
    and kept in the browser: nothing else may run beside them."""
    hashes = " ".join(f"'sha256-{base64.b64encode(sha256(script).digest()).decode()}'" for script in _INLINE.findall(page))
    return (
        f"default-src 'none'; script-src 'self' {hashes}; style-src 'self'; img-src 'self' data:; "
        f"connect-src 'self' {origin}; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )


def _asset(name: str, media_type: str) -> Callable[[], Awaitable[Response]]:
    content = files(_PACKAGE).joinpath(name).read_bytes()

    async def serve() -> Response:
        return Response(content, headers=_CACHE, media_type=media_type)

    return serve
