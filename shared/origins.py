"""Browser origins that may talk to us: those of ALLOWED_ORIGINS, or PUBLIC_URL's own with its localhost/127.0.0.1 twin."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

_TWINS: Final = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """scheme://host[:port] as browsers send it (lower case, no default port); ValueError when `url` has none."""
    parts = urlsplit(url.strip())
    host = parts.hostname
    if parts.scheme not in _DEFAULT_PORTS or not host:
        raise ValueError("is no origin of a web page: http:// or https:// and a host")
    return _origin(parts.scheme, host, parts.port)


def default_origins(public_url: str) -> frozenset[str]:
    """PUBLIC_URL's origin; on localhost or 127.0.0.1 both, since people type either. ValueError when it has none."""
    parts = urlsplit(public_url.strip())
    twin = _TWINS.get(parts.hostname or "")
    own = origin_of(public_url)
    return frozenset({own, _origin(parts.scheme, twin, parts.port)}) if twin else frozenset({own})


def _origin(scheme: str, host: str, port: int | None) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" if port in (None, _DEFAULT_PORTS[scheme]) else f"{scheme}://{shown}:{port}"
