"""What a page may load and whom it may ask (Content Security Policy, level 3): ourselves, the live updates, and what it is given."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Sources:
    """Foreign origins that one page needs, each as CSP writes lists: separated by spaces."""

    scripts: str = ""
    frames: str = ""
    connections: str = ""
    images: str = ""


def security_policy(live_url: str, more: Sources | None = None) -> str:
    """The header's value. `live_url`: of the notifier, whose sockets pages listen to. No inline script or style, no frame around a page."""
    more = more or Sources()
    live = urlsplit(live_url)
    directives = {
        "default-src": "'none'",
        "script-src": f"'self' {more.scripts}",
        "style-src": "'self'",
        "img-src": f"'self' {more.images}",
        "connect-src": f"'self' {live.scheme}://{live.netloc} {more.connections}",
        "frame-src": more.frames or "'none'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {' '.join(value.split())}" for name, value in directives.items())
