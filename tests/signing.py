"""How the providers sign what they post, written for the tests alone: a mistake of the services' own code must not be made here too."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

Headers = list[tuple[bytes, bytes]]
"""As a server hands them on: names in lower case."""

STRIPE_SECRET = "whsec_a_secret_of_these_tests"
ALLSECURE_SECRET = "a shared secret of these tests"
ALLSECURE_TARGET = b"/api/v1/webhooks/allsecure"
PRODAMUS_KEY = "a page's key of these tests"
DATE = "Fri, 20 Nov 2026 12:00:00 GMT"


def stripe_headers(body: bytes, at: int, *secrets: str, content_type: str = "application/json; charset=utf-8") -> Headers:
    """One v1 a secret, as while a secret is rolled."""
    signatures = [_stripe(body, at, secret) for secret in secrets or (STRIPE_SECRET,)]
    header = ",".join([f"t={at}", *(f"v1={one}" for one in signatures)])
    return [(b"content-type", content_type.encode()), (b"stripe-signature", header.encode())]


def _stripe(body: bytes, at: int, secret: str) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, "sha256").hexdigest()


def allsecure_headers(
    body: bytes,
    *,
    secret: str = ALLSECURE_SECRET,
    target: bytes = ALLSECURE_TARGET,
    content_type: str = "application/json; charset=utf-8",
    signed_type: str | None = None,
    date: str = DATE,
    body_hash: str = "sha512",
) -> Headers:
    """`signed_type`: what was signed, when the header has become another on its way."""
    hashed = hashlib.new(body_hash, body).hexdigest()
    message = "\n".join(["POST", hashed, signed_type or content_type, date, ""]).encode() + target
    signature = base64.b64encode(hmac.new(secret.encode(), message, "sha512").digest())
    return [(b"content-type", content_type.encode()), (b"date", date.encode()), (b"x-date", date.encode()), (b"x-signature", signature)]


def prodamus_signature(tree: Mapping[str, Any], key: str = PRODAMUS_KEY) -> str:
    return hmac.new(key.encode(), prodamus_text(tree).encode(), "sha256").hexdigest()


def prodamus_text(tree: Any) -> str:
    """The JSON that PHP would sign: written out by hand, character by character."""
    if isinstance(tree, str):
        return '"' + "".join(_escaped(character) for character in tree) + '"'
    if isinstance(tree, list):
        return "[" + ",".join(prodamus_text(entry) for entry in tree) + "]"
    keys = sorted(tree, key=lambda name: (0, int(name), b"") if name.isdecimal() else (1, 0, name.encode()))
    if keys == [str(index) for index in range(len(keys))]:
        return prodamus_text([tree[name] for name in keys])
    return "{" + ",".join(f"{prodamus_text(name)}:{prodamus_text(tree[name])}" for name in keys) + "}"


def _escaped(character: str) -> str:
    if character in '"\\/':
        return "\\" + character
    if character < " " or character in "\u2028\u2029":
        return json.dumps(character)[1:-1]
    return character


def flat(tree: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(products[0][name], value) of every leaf."""
    fields: list[tuple[str, str]] = []

    def walk(name: str, value: Any) -> None:
        if isinstance(value, str):
            fields.append((name, value))
        else:
            for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
                walk(f"{name}[{key}]", entry)

    for name, value in tree.items():
        walk(name, value)
    return fields


def urlencoded(fields: Sequence[tuple[str, str]]) -> bytes:
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in fields).encode()


def multipart(fields: Sequence[tuple[str, str]], boundary: str) -> bytes:
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields]
    return ("".join(parts) + f"--{boundary}--\r\n").encode()


def prodamus_headers(tree: Mapping[str, Any], content_type: str, key: str = PRODAMUS_KEY) -> Headers:
    return [(b"content-type", content_type.encode()), (b"sign", prodamus_signature(tree, key).encode())]


def replaced(headers: Headers, name: bytes, value: bytes) -> Headers:
    return [(key, value if key == name else old) for key, old in headers]


def without(headers: Headers, name: bytes) -> Headers:
    return [header for header in headers if header[0] != name]
