"""A form's body to its fields, in the order of the body: urlencoded or multipart, text only, bounded."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

FIELDS_MAX: Final = 200
FIELD_BYTES_MAX: Final = 65_536
NAME_BYTES_MAX: Final = 1_000
URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"

_STRAY_MAX: Final = 1_000
"""Percent signs that escape nothing: PHP leaves them as they are, and so do we; who sends more wants to keep us busy."""

_STRAY: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# RFC 2046's, less the comma, at which PHP would end it.
_BOUNDARY: Final = re.compile(rb"[0-9A-Za-z'()+_./:=? -]{0,69}[0-9A-Za-z'()+_./:=?-]")
# The parser would write a line of its own for every body that anybody garbles.
_SILENT: Final = logging.Logger("multipart", logging.CRITICAL)
_BOUNDARY_OPTION: Final = re.compile(r";\s*boundary\s*=", re.IGNORECASE)


class FormError(Exception):
    """The body is no form that can be read here; the text is one word for a counter."""


def read_fields(content_type: str, body: bytes) -> list[tuple[str, str]]:
    """(name, value) of every field. `content_type`: the header's value, with a multipart form's boundary.

    FormError: another type, a file, not UTF-8, a NUL, or past the bounds of this module.
    """
    kind, options = parse_options_header(content_type)
    if kind == URLENCODED.encode():
        fields = _urlencoded(body)
    elif kind == MULTIPART.encode():
        fields = _multipart(body, _boundary(content_type, options))
    else:
        raise FormError("content_type")
    if any(len(name) > NAME_BYTES_MAX or len(value) > FIELD_BYTES_MAX for name, value in fields):
        raise FormError("field_too_large")
    return [(_text(name), _text(value)) for name, value in fields]


def _urlencoded(body: bytes) -> list[tuple[bytes, bytes]]:
    body, stray = _STRAY.subn(b"%25", body, count=_STRAY_MAX + 1)
    if stray > _STRAY_MAX:
        raise FormError("garbled_form")
    pairs = body.split(b"&", FIELDS_MAX)
    if len(pairs) > FIELDS_MAX:
        raise FormError("too_many_fields")
    halves = (pair.replace(b"+", b" ").partition(b"=") for pair in pairs if pair)
    return [(_unescaped(name), _unescaped(value)) for name, _, value in halves]


def _unescaped(text: bytes) -> bytes:
    """%41 is A. In the interpreter's own code: the standard library's loop takes a quarter of a second for a body of percent signs, before
    anybody knows who sent it."""
    return text.replace(b"\\", rb"\\").replace(b"%", b"\\x").decode("unicode_escape").encode("latin-1")


def _boundary(content_type: str, options: Mapping[bytes, bytes]) -> bytes:
    boundary = options.get(b"boundary", b"")
    # Of two, some readers take the first and others the last.
    if len(_BOUNDARY_OPTION.findall(content_type)) != 1 or not _BOUNDARY.fullmatch(boundary):
        raise FormError("boundary")
    return boundary


def _multipart(body: bytes, boundary: bytes) -> list[tuple[bytes, bytes]]:
    # What may stand before the first part is skipped differently by every reader.
    if not body.startswith(b"--" + boundary):
        raise FormError("garbled_form")
    parts = _Parts()
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": parts.begin,
            "on_header_field": parts.header_name,
            "on_header_value": parts.header_value,
            "on_header_end": parts.header_end,
            "on_headers_finished": parts.headers_finished,
            "on_part_data": parts.data,
        },
    )
    parser.logger = _SILENT
    try:
        parser.write(body)
    except FormParserError as error:
        raise FormError("garbled_form") from error
    if parser.state != MultipartState.END:
        raise FormError("garbled_form")
    return [(name, bytes(value)) for name, value in parts.fields]


@dataclass(slots=True)
class _Parts:
    """Keeps what the parser finds, and stops it at the first thing that is no text field."""

    fields: list[tuple[bytes, bytearray]] = field(default_factory=list)
    _header: bytes = b""
    _value: bytes = b""
    _dispositions: list[bytes] = field(default_factory=list)

    def begin(self) -> None:
        self._dispositions = []
        if len(self.fields) >= FIELDS_MAX:
            raise FormError("too_many_fields")

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._header, self._value = data[start:end], b""

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value = data[start:end]

    def header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._dispositions.append(self._value)

    def headers_finished(self) -> None:
        if len(self._dispositions) != 1:
            raise FormError("garbled_form")
        kind, options = parse_options_header(self._dispositions[0])
        if b"filename" in options:
            raise FormError("file")
        if kind != b"form-data" or b"name" not in options:
            raise FormError("garbled_form")
        self.fields.append((options[b"name"], bytearray()))

    def data(self, data: bytes, start: int, end: int) -> None:
        value = self.fields[-1][1]
        if len(value) + end - start > FIELD_BYTES_MAX:
            raise FormError("field_too_large")
        value += data[start:end]


def _text(raw: bytes) -> str:
    # PHP would end a name at a NUL, and sign nothing at all when a value is not UTF-8.
    if b"\0" in raw:
        raise FormError("nul")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise FormError("not_utf8") from error
