"""Forms: read within bounds, and only when a page of ours made them."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from services.gateway.auth import Caller, bearer_token
from services.gateway.bodies import read_bounded
from services.gateway.parts import Parts
from services.gateway.problems import Problem, malformed
from shared.keys import Keys

LABEL: Final = "guest-form"
CSRF_FIELD: Final = "csrf_token"
KEY_FIELD: Final = "idempotency_key"

_FIELDS_MAX: Final = 20
_FORM_BYTES_MAX: Final = 16_384
_KIND: Final = "application/x-www-form-urlencoded"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_OWN: Final = frozenset({"same-origin", "none"})
"""`none`: the visitor themselves, who sends it again."""

KEY_IN_USE: Final = "idempotency_key_in_use"
"""The other click of a double click is being worked on: what comes of it is told where that one leads."""

Form = Mapping[str, str]


async def read_form(request: Request) -> Form:
    """The form's fields. Problems: csrf_failed, unsupported_media_type, body_too_large, request_timeout, invalid_request."""
    # Where the browser says it (Fetch Metadata): no other site's page has a form for us, not even one that may ask the API.
    if request.headers.get("sec-fetch-site", "none") not in _OWN:
        raise _not_ours()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _KIND:
        raise Problem("unsupported_media_type", f"send the form as {_KIND}")
    body = await read_bounded(request.scope, request.receive, _FORM_BYTES_MAX)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_MAX)
    except ValueError as error:
        raise malformed("body", msg="is not a form") from error
    form = dict(pairs)
    if len(form) < len(pairs):
        raise malformed("body", msg="names a field twice")
    if any("\x00" in value for value in form.values()):
        raise malformed("body", msg="holds a NUL character")
    return form


def guest_token(keys: Keys, subject: str) -> str:
    """For the form of somebody without a session, about `subject`: only who was shown the page has it."""
    return _token(keys.signing(LABEL), subject)


def form_token(parts: Parts, caller: Caller | None, subject: str) -> str:
    """The CSRF token that a page puts into a form that guests may send too: of the caller's session, or a guest's."""
    return guest_token(parts.keys, subject) if caller is None else parts.gate.csrf_token(caller.token)


def check_form(parts: Parts, request: Request, caller: Caller, form: Form) -> None:
    """Was the form made by a page of ours for this caller's session? Problem: csrf_failed."""
    if bearer_token(request) is None and not parts.gate.is_csrf_token(caller.token, form.get(CSRF_FIELD, "")):
        raise _not_ours()


def check_open_form(parts: Parts, request: Request, caller: Caller | None, form: Form, subject: str) -> None:
    """The same for a form that guests may send too. A guest's stays good when they have logged in meanwhile. Problem: csrf_failed."""
    given = form.get(CSRF_FIELD, "")
    expected = [_token(key, subject) for key in parts.keys.verifying(LABEL)]
    if given.isascii() and any(hmac.compare_digest(given, one) for one in expected):
        return
    if caller is None:
        raise _not_ours()
    check_form(parts, request, caller, form)


def new_key() -> str:
    """For a form that makes something: however often this rendering of it is sent, one thing is made."""
    return secrets.token_urlsafe(16)


def form_key(form: Form) -> str:
    """The key that the form was rendered with. Problem: invalid_request, for a form that is none of ours."""
    key = form.get(KEY_FIELD, "")
    if not _KEY.fullmatch(key):
        raise malformed("body", KEY_FIELD, msg="is missing: open the page again")
    return key


def _not_ours() -> Problem:
    return Problem("csrf_failed", "open the page again and send its form from there")


def _token(key: bytes, subject: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, subject.encode(), sha256)).decode().rstrip("=")
