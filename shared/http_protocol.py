"""HTTP/1.1 connections whose requests are bounded: the head in bytes and fields, its arrival in time. uvicorn leaves that to a proxy."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Final

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.contracts.base import new_id

HEAD_BYTES_MAX: Final = 65_536
"""Request line and headers together; what one read of the socket brings beyond it is let pass."""

HEADERS_MAX: Final = 128
"""Fields of a head: each layer behind looks through all of them, some several times."""

REQUEST_SECONDS: Final = 30.0
"""From the connection, or the first byte after the last request, to the last byte of the request."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """A head that does not end, and a request that trickles, end in 431 and 408 instead of in our memory and file descriptors."""

    _in_head = True
    _head_bytes = 0
    _refused = False
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
            self._begin_waiting()
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", f"at most {HEAD_BYTES_MAX} bytes of headers")

    def on_headers_complete(self) -> None:
        self._in_head = False
        if len(self.headers) > HEADERS_MAX:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", f"at most {HEADERS_MAX} headers")
        # The parser goes on to the end of what one read of the socket brought, whole requests perhaps.
        if not self._refused:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._refused:
            return
        self._in_head = True
        self._head_bytes = 0
        self._end_waiting()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(HTTPStatus.BAD_REQUEST, "malformed_http", "this is not HTTP/1.1")

    def _begin_waiting(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(REQUEST_SECONDS, self._too_late)

    def _end_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _too_late(self) -> None:
        self._late = None
        if self._in_head and self._head_bytes:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", f"the request took longer than {REQUEST_SECONDS:.0f} s")
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus, code: str, detail: str) -> None:
        if self._refused:
            return
        self._refused = True
        problem: dict[str, Any] = {
            "type": f"urn:purser:problem:{code}",
            "title": status.phrase,
            "status": int(status),
            "detail": detail,
            "code": code,
            "errors": [],
            "request_id": str(new_id()),
        }
        body = orjson.dumps(problem)
        head = f"HTTP/1.1 {int(status)} {status.phrase}\r\ncontent-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(f"{head}connection: close\r\n\r\n".encode() + body)
        self.transport.close()
