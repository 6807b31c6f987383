"""Forms: fields in their order, whatever the writer's habits; anything else is refused, and nothing keeps us busy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import unquote_to_bytes

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.form_bodies import FIELD_BYTES_MAX, FIELDS_MAX, URLENCODED, FormError, read_fields
from shared.php_forms import decode

KIND = "multipart/form-data; boundary=b0"


def part(name: str, value: str, *, headers: Sequence[str] = (), disposition: str = 'form-data; name="{}"') -> str:
    lines = [f"Content-Disposition: {disposition.format(name)}", *headers, "", value]
    return "\r\n".join(lines)


def multipart(*parts: str, boundary: str = "b0", end: str = "--\r\n") -> bytes:
    body = "".join(f"--{boundary}\r\n{one}\r\n" for one in parts)
    return f"{body}--{boundary}{end}".encode()


def reason(body: bytes, kind: str = KIND) -> str:
    with pytest.raises(FormError) as raised:
        read_fields(kind, body)
    return str(raised.value)


def test_fields_come_in_their_order_with_their_exact_text() -> None:
    body = multipart(part("a[b][]", "x\r\n--b\r\ny "), part("a[b][]", ""), part("é", "тест & = +"))
    assert read_fields(KIND, body) == [("a[b][]", "x\r\n--b\r\ny "), ("a[b][]", ""), ("é", "тест & = +")]
    assert decode(KIND, body) == {"a": {"b": ["x\r\n--b\r\ny ", ""]}, "é": "тест & = +"}


def test_what_a_widespread_client_writes_is_read() -> None:
    request = httpx.Request("POST", "http://localhost/", files=[("products[0][name]", (None, "Тест")), ("sum", (None, "21.00"))])
    assert read_fields(request.headers["content-type"], request.read()) == [("products[0][name]", "Тест"), ("sum", "21.00")]


@pytest.mark.parametrize(
    ("kind", "boundary"),
    [
        ("Multipart/Form-Data; Boundary=b0", "b0"),
        ('multipart/form-data; charset=utf-8; boundary="a b:c"', "a b:c"),
        ("multipart/form-data; boundary=----WebKitFormBoundaryAbC", "----WebKitFormBoundaryAbC"),
        ("multipart/form-data; boundary=" + "x" * 70, "x" * 70),
    ],
)
def test_boundaries_as_senders_write_them(kind: str, boundary: str) -> None:
    assert read_fields(kind, multipart(part("a", "1"), boundary=boundary)) == [("a", "1")]


def test_part_headers_as_senders_write_them() -> None:
    typed = part("a", "1", headers=["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"])
    unquoted = part("a", "1", disposition="FORM-DATA; NAME={}")
    escaped = part('a\\"b', "1")
    assert [read_fields(KIND, multipart(one))[0][0] for one in (typed, unquoted, escaped)] == ["a", "a", 'a"b']
    assert read_fields(KIND, multipart(part("a", "1"), end="--")) == [("a", "1")]
    assert read_fields(KIND, b"--b0--\r\n") == []


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 71,
        "multipart/form-data; boundary=b0; boundary=b1",
        'multipart/form-data; boundary="b0\x01"',
        "multipart/form-data; boundary=b,0",
        "multipart/form-data; xboundary=b0",
    ],
)
def test_a_boundary_that_readers_would_take_differently_is_refused(kind: str) -> None:
    assert reason(multipart(part("a", "1")), kind) == "boundary"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (multipart(part("a", "1", disposition='form-data; name="{}"; filename="x.txt"')), "file"),
        (multipart(part("a", "1", disposition='form-data; name="{}"; filename=""')), "file"),
        (multipart(part("a", "1", disposition="form-data")), "garbled_form"),
        (multipart(part("a", "1", disposition='attachment; name="{}"')), "garbled_form"),
        (multipart(part("a", "1", headers=['Content-Disposition: form-data; name="b"'])), "garbled_form"),
        (multipart("X-Other: 1\r\n\r\n1"), "garbled_form"),
        (multipart("\r\n1"), "garbled_form"),
        (multipart("no colon\r\n\r\n1"), "garbled_form"),
        (multipart(part("a", "1"))[:-6], "garbled_form"),
        (multipart(part("a", "1"), end=""), "garbled_form"),
        (b"", "garbled_form"),
        (b"\r\n" + multipart(part("a", "1")), "garbled_form"),
        (b"\r" + multipart(part("a", "1")), "garbled_form"),
        (b"preamble\r\n" + multipart(part("a", "1")), "garbled_form"),
        (multipart(part("a", "1"), boundary="b1"), "garbled_form"),
        (multipart(part("a", "1")).replace(b"\r\n", b"\n"), "garbled_form"),
        (multipart(part("a", "1", headers=["X-Long: " + "x" * 5_000])), "garbled_form"),
        (multipart(part("a", "1", headers=["X-Many: x"] * 9)), "garbled_form"),
        (multipart(part("a" * 1_001, "1")), "field_too_large"),
        (multipart(part("a", "x" * (FIELD_BYTES_MAX + 1))), "field_too_large"),
        (multipart(*[part("a", "1")] * (FIELDS_MAX + 1)), "too_many_fields"),
        (multipart(part("a", "1")).replace(b"\r\n1\r\n", b"\r\n\xff\r\n"), "not_utf8"),
        (multipart(part("a", "\0")), "nul"),
    ],
)
def test_anything_but_text_fields_within_bounds_is_refused(body: bytes, expected: str) -> None:
    assert reason(body) == expected


@given(
    st.lists(
        st.sampled_from([b"%", b"%4", b"41", b"aF", b"\\", b"\\x41", b"\\n", b"\r\n", b"\xc3\xa9", b"\x7f", b"u0041", b"N{DOLLAR SIGN}"])
    )
)
def test_escapes_are_read_as_the_standard_library_reads_them(pieces: list[bytes]) -> None:
    sent = b"".join(pieces)
    try:
        expected = unquote_to_bytes(sent).decode()
    except UnicodeDecodeError:
        return
    assert read_fields(URLENCODED, b"a=" + sent) == [("a", expected)]


BODY_BYTES = 262_144


@pytest.mark.parametrize("piece", [b"%", b"%zz", b"%41", b"%%41", b"+", b'"', b"&", b"[", b"\\"])
def test_no_body_takes_more_than_milliseconds_to_read_or_refuse(piece: bytes) -> None:
    """Whoever finds the address may send one, and all others wait meanwhile."""
    filled = piece * (BODY_BYTES // 200 // len(piece))
    took = []
    for body in 3 * (b"&".join([b"a=" + filled] * 200), b"a=" + piece * (BODY_BYTES // len(piece))):
        began = time.process_time()
        with suppress(FormError):
            decode(URLENCODED, body)
        took.append(time.process_time() - began)
    assert min(took[::2]) < 0.03
    assert min(took[1::2]) < 0.03
