"""Webhooks changed at random: bytes of the body, headers and query, and the headers as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from services.gateway.signatures.base import Received
from tests.signing import Headers

Mutation = Callable[[Random, Received], Received]

_OTHER_VALUES = (
    b"",
    b"0",
    b"null",
    b"application/json",
    b"application/json; charset=utf-8",
    b"application/json;charset=utf-8",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=b1",
    b"text/plain",
    b"gzip",
    b"Fri, 20 Nov 2026 12:00:01 GMT",
    b"Fri, 20 Nov 2026 12:00:00 UTC",
)


def garbled(rng: Random, data: bytes) -> bytes:
    """`data` with one small change: a flipped bit, bytes inserted, deleted, swapped, repeated, of another case, or an end cut off."""
    at = rng.randrange(len(data)) if data else 0
    to = min(len(data), at + rng.randint(1, 8))
    match rng.randrange(10):
        case 0 | 1 if data:
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case 2:
            return data[:at] + bytes([rng.randrange(256)]) + data[at:]
        case 3:
            return data[:at] + data[to:]
        case 4 if data:
            other = rng.randrange(len(data))
            low, high = min(at, other), max(at, other)
            return data[:low] + data[high : high + 1] + data[low + 1 : high] + data[low : low + 1] + data[high + 1 :]
        case 5:
            return data[:at] + data[at:to] + data[at:]
        case 6:
            return data[:at] + data[at:to].swapcase() + data[to:]
        case 7:
            return data[:at]
        case 8:
            return (
                data[:at] + rng.choice((b"0", b"9", b" ", b"\n", b"\r\n", b"\0", b",", b"=", b"&", b"\xff", b"%00", b"+", b";")) + data[at:]
            )
        case _:
            return data + rng.choice((b" ", b"\n", b"\0", data[:20]))


def body(rng: Random, received: Received) -> Received:
    return replace(received, body=garbled(rng, received.body))


def query(rng: Random, received: Received) -> Received:
    return replace(received, query=rng.choice((b"x=1", b"=", b"?", garbled(rng, received.query))))


def header_value(rng: Random, received: Received) -> Received:
    at = rng.randrange(len(received.headers))
    name, value = received.headers[at]
    return with_headers(received, at, (name, garbled(rng, value)))


def other_value(rng: Random, received: Received) -> Received:
    at = rng.randrange(len(received.headers))
    values = [*_OTHER_VALUES, *(value for _, value in received.headers)]
    return with_headers(received, at, (received.headers[at][0], rng.choice(values)))


def header_renamed(rng: Random, received: Received) -> Received:
    at = rng.randrange(len(received.headers))
    name, value = received.headers[at]
    return with_headers(received, at, (rng.choice((b"x-" + name, name.removeprefix(b"x-"), name.upper(), b"authorization")), value))


def header_dropped(rng: Random, received: Received) -> Received:
    return with_headers(received, rng.randrange(len(received.headers)))


def header_added(rng: Random, received: Received) -> Received:
    added = rng.choice(((b"x-forwarded-for", b"192.0.2.1"), (b"content-encoding", b"gzip"), (b"transfer-encoding", b"chunked")))
    return replace(received, headers=[*received.headers, added])


def headers_shuffled(rng: Random, received: Received) -> Received:
    return replace(received, headers=rng.sample(list(received.headers), len(received.headers)))


def repeated(names: Sequence[bytes]) -> Mutation:
    """A header that counts is there twice: with its own value, an empty one, or a changed one, before or after."""

    def mutation(rng: Random, received: Received) -> Received:
        present = [header for header in received.headers if header[0] in names]
        if not present:
            return received
        name, value = rng.choice(present)
        again = (name, rng.choice((value, b"", garbled(rng, value))))
        return replace(received, headers=rng.choice(([again, *received.headers], [*received.headers, again])))

    return mutation


def with_headers(received: Received, at: int, *headers: tuple[bytes, bytes]) -> Received:
    changed: Headers = list(received.headers)
    changed[at : at + 1] = headers
    return replace(received, headers=changed or [(b"host", b"localhost")])


GENERAL: tuple[Mutation, ...] = (
    body,
    body,
    body,
    header_value,
    header_value,
    header_value,
    other_value,
    header_renamed,
    header_dropped,
    header_added,
    headers_shuffled,
    query,
)
