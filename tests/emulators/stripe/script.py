"""Stripe.js and the frame of its Payment Element, served as https://js.stripe.com does: to any page, and good under a strict policy."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

_HERE: Final = Path(__file__).parent
_SCRIPT_PATHS: Final = ("/v3/", "/v3", "/stripe.js", "/endive/stripe.js")
_SCRIPT_HEADERS: Final = {
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
}
# The choice stands in a frame of this origin, as card fields do at Stripe: a page whose policy lacks frame-src sees nothing here either.
_FRAME: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Secure payment input</title>
<link rel="stylesheet" href="/v3/frame.css"><script src="/v3/frame.js" defer></script></head>
<body><form id="choice"><fieldset><legend>Test card</legend><div id="methods"></div></fieldset></form></body></html>
"""
_FRAME_POLICY: Final = "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'"


def script_routes() -> list[Route]:
    stripe_js, frame_js, frame_css = ((_HERE / name).read_bytes() for name in ("stripe.js", "frame.js", "frame.css"))

    async def script(_: Request) -> Response:
        return Response(stripe_js, headers=_SCRIPT_HEADERS, media_type="application/javascript")

    async def frame(_: Request) -> Response:
        return HTMLResponse(_FRAME, headers={"content-security-policy": _FRAME_POLICY, "cache-control": "no-cache"})

    async def frame_script(_: Request) -> Response:
        return Response(frame_js, headers=_SCRIPT_HEADERS, media_type="application/javascript")

    async def frame_style(_: Request) -> Response:
        return Response(frame_css, headers=_SCRIPT_HEADERS, media_type="text/css")

    return [
        *(Route(path, script, name="_script") for path in _SCRIPT_PATHS),
        Route("/v3/frame.html", frame, name="_frame"),
        Route("/v3/frame.js", frame_script, name="_frame_script"),
        Route("/v3/frame.css", frame_style, name="_frame_style"),
    ]
