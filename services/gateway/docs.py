"""/docs: Swagger UI with its files served from here, so that the page works without internet and asks nobody else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import Response

# The package is only a carrier of Swagger UI's own files (Apache 2.0), kept up to date on PyPI.
_PACKAGE: Final = "fastapi_swagger.resources"
_ASSETS: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_CACHE: Final = {"Cache-Control": "public, max-age=3600"}


def docs_router() -> APIRouter:
    """/docs and its files."""
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/docs", _docs)
    for name, media_type in _ASSETS.items():
        router.add_api_route(f"/docs/{name}", _asset(name, media_type))
    return router


async def _docs() -> Response:
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Purser API",
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon-32x32.png",
        swagger_ui_parameters={"persistAuthorization": True, "displayRequestDuration": True},
    )


def _asset(name: str, media_type: str) -> Callable[[], Awaitable[Response]]:
    content = files(_PACKAGE).joinpath(name).read_bytes()

    async def serve() -> Response:
        return Response(content, headers=_CACHE, media_type=media_type)

    return serve
