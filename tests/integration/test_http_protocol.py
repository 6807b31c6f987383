"""What a client may cost before anybody knows what it wants: so many bytes of headers, so long for a request, then the connection ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from shared import http_protocol
from shared.operations import HttpServer, listen

served: list[str] = []


async def _hello(scope: Scope, receive: Receive, send: Send) -> None:
    served.append(scope["path"])
    await PlainTextResponse("hello")(scope, receive, send)


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(http_protocol, "REQUEST_SECONDS", 0.3)
    listener = listen("127.0.0.1", 0, "PORT")
    server = HttpServer(_hello, listener)
    await server.start()
    yield listener.getsockname()[1]
    await server.stop()


async def answer_to(port: int, *parts: bytes, pause_seconds: float = 0) -> bytes:
    """Everything that comes until the server hangs up, which it must."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    reading = asyncio.create_task(reader.read(2_000))  # at once: what was not read is lost when the other side resets
    try:
        async with asyncio.timeout(5):
            for part in parts:
                writer.write(part)
                await asyncio.sleep(pause_seconds)
            return await reading
    finally:
        reading.cancel()
        writer.close()


async def test_a_head_without_end_is_431_and_not_kept_in_memory(port: int) -> None:
    answer = await answer_to(port, b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"x" * 70_000)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == 431


async def test_many_small_headers_are_bounded_too(port: int) -> None:
    answer = await answer_to(port, b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: 1\r\n" * 15_000)
    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("rest", [b"", b"abc", b"abcGET /behind HTTP/1.1\r\nHost: a\r\n\r\n"])
async def test_so_many_headers_and_no_more(port: int, rest: bytes) -> None:
    served.clear()
    head = b"POST /%b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n%b\r\n"
    most, more = (head % (name, b"X: 1\r\n" * (count - 2)) for name, count in ((b"most", 128), (b"more", 129)))

    assert (await answer_to(port, most, b"abc")).startswith(b"HTTP/1.1 200 ")
    answer = await answer_to(port, more + rest)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert b"at most 128 headers" in answer
    assert served == ["/most"]


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"])
async def test_a_request_that_does_not_come_is_not_waited_for(port: int, sent: bytes) -> None:
    answer = await answer_to(port, sent)
    assert (b" 408 " in answer) == (sent == b"GET / HT")


async def test_a_trickle_does_not_buy_time(port: int) -> None:
    answer = await answer_to(port, b"GET / HTTP/1.1\r\n", *[b"X: 1\r\n"] * 10, pause_seconds=0.05)
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_what_is_not_http_is_a_problem(port: int) -> None:
    answer = await answer_to(port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer


async def test_requests_on_one_connection_each_have_their_own_bounds(port: int) -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + b"\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):
        writer.write(request)
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 OK")
        await asyncio.sleep(0.15)
    writer.close()
