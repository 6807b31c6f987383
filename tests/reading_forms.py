"""Forms read in the plainest way, for the tests alone: what did the sender of this body mean, as far as PHP is concerned?"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from services.gateway.signatures.base import Received
from tests.signing import prodamus_text

_NAME = re.compile(rb'name\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^";]*))', re.DOTALL | re.IGNORECASE)
_BRACKETS = re.compile(r" *([^\[]+)((?:\[[^\]]*\])*)(.*)", re.DOTALL)


def signed_text(received: Received) -> str:
    """The JSON over which PHP would compute the signature of this form."""
    content_type = dict(received.headers)[b"content-type"].decode()
    kind, _, rest = content_type.partition(";")
    if kind.strip().lower() == "multipart/form-data":
        fields = _parts(received.body, rest.partition("=")[2].split(";")[0].strip().strip('"'))
    else:
        fields = parse_qsl(received.body.decode(), keep_blank_values=True, errors="strict")
    return prodamus_text(_tree(fields))


def _parts(body: bytes, boundary: str) -> list[tuple[str, str]]:
    fields = []
    for piece in (b"\r\n" + body).split(b"\r\n--" + boundary.encode())[1:]:
        if piece.startswith(b"--"):
            break
        head, _, value = piece.lstrip(b" \t")[2:].partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-disposition")]
        # PHP goes through them all, and the last one stays.
        name = b"".join(_NAME.findall(lines[0].partition(b";")[2])[-1])
        fields.append((re.sub(rb"\\(.)", rb"\1", name).decode(), value.decode()))
    return fields


def _tree(fields: list[tuple[str, str]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in fields:
        named = _BRACKETS.fullmatch(name)
        if named is None:
            continue
        keys = re.findall(r"\[([^\]]*)\]", named[2])
        head = named[1] if keys or not named[3] else name.lstrip(" ").replace("[", "_")
        node = tree
        for key, following in zip([re.sub("[ .]", "_", head), *keys], [*keys, None], strict=True):
            appended = str(max([int(own) for own in node if own.isdecimal()], default=-1) + 1)
            index = key if key.strip() else appended
            if following is None:
                node[index] = value
            elif not isinstance(node.get(index), dict):
                node[index] = {}
            node = node[index] if following is not None else node
    return tree
