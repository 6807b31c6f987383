"""Conditional requests (RFC 9110, 13.1.2): does whoever asks have it already?"""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request

_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


def is_known(request: Request, tag: str) -> bool:
    """Whether If-None-Match names `tag` (quoted, without W/: the comparison is a weak one)."""
    known = request.headers.get("if-none-match", "")
    return known.strip() == "*" or tag in _TAG.findall(known)
