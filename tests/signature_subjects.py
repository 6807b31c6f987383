"""An authentic webhook of each provider, how it is checked, what it says, and how it can be changed in that provider's own ways."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from urllib.parse import quote

from services.gateway.signatures import allsecure, mock, prodamus, stripe
from services.gateway.signatures.base import Received, VerifiedEvent
from tests.mutations import Mutation, repeated
from tests.reading_forms import signed_text
from tests.signing import (
    ALLSECURE_SECRET,
    ALLSECURE_TARGET,
    PRODAMUS_KEY,
    STRIPE_SECRET,
    allsecure_headers,
    flat,
    multipart,
    prodamus_headers,
    replaced,
    stripe_headers,
    urlencoded,
)
from tests.unit.test_php_forms import NOTIFICATION

NOW = 1_800_000_000
MOCK_KEY = b"m" * 32
NEW_SECRET = "whsec_the_newer_secret_of_these_tests"
JSON_BODY = (
    '{"id":"evt_1","type":"payment_intent.succeeded","data":{"object":{"amount":5000,"currency":"usd","title":"š/\\u0161"}}}'.encode()
)
FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=----b0undary"


@dataclass(frozen=True)
class Subject:
    """`message`: what was signed, as the tests read it. `rewrites` may leave that as it was; after one of `forbidden` it is never taken."""

    originals: Sequence[Received]
    verify: Callable[[Received], VerifiedEvent]
    message: Callable[[Received], object]
    rewrites: Sequence[Mutation]
    forbidden: Sequence[Mutation]


def edited(name: bytes, edit: Callable[[Random, bytes], bytes]) -> Mutation:
    """One header's value, edited."""

    def mutation(rng: Random, received: Received) -> Received:
        return replace(received, headers=[(key, edit(rng, value) if key == name else value) for key, value in received.headers])

    return mutation


def signed_anew(sign: Callable[[Random], list[tuple[bytes, bytes]]]) -> Mutation:
    return lambda rng, received: replace(received, headers=sign(rng))


def listed(separator: bytes, *strangers: bytes) -> Callable[[Random, bytes], bytes]:
    """A header's parts reordered, repeated, dropped, or joined by strangers."""

    def edit(rng: Random, value: bytes) -> bytes:
        parts = [*value.split(separator), *rng.sample(strangers, rng.randint(0, 2))]
        return separator.join(rng.sample(parts, rng.randint(max(1, len(parts) - 1), len(parts))))

    return edit


def respelled(value: bytes) -> bytes:
    """Base64 of the same bytes to a reader who overlooks the bits that are left over at its end."""
    digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    end = len(value.rstrip(b"=")) - 1
    return value[:end] + digits[digits.index(value[end]) ^ 1 :][:1] + value[end + 1 :]


def each_v1(rng: Random, value: bytes) -> bytes:
    """All of Stripe's signatures cut, lengthened or written large."""
    stamp, *signatures = value.split(b",")
    change = rng.choice((bytes.upper, lambda hexed: hexed[:-1], lambda hexed: hexed[:8], lambda hexed: b"", lambda hexed: hexed + b"0"))
    return b",".join([stamp, *(b"v1=" + change(signature.removeprefix(b"v1=")) for signature in signatures)])


# Stripe


def stripe_message(received: Received) -> object:
    parts = dict(received.headers)[b"stripe-signature"].split(b",")
    (stamp,) = [part for part in parts if part.startswith(b"t=")]
    return stamp[2:] + b"." + received.body


STRIPE = Subject(
    originals=[Received(stripe_headers(JSON_BODY, NOW, STRIPE_SECRET, NEW_SECRET), JSON_BODY)],
    verify=lambda received: stripe.verify(received, (STRIPE_SECRET, "whsec_of_another_endpoint"), NOW),
    message=stripe_message,
    rewrites=[
        edited(b"stripe-signature", listed(b",", b"v0=" + b"0" * 64, b"v1=" + b"1" * 64, b"v1=", b"t=1800000001", b"x")),
        edited(b"stripe-signature", lambda rng, value: value.replace(b"v1=", rng.choice((b"v0=", b"v2=", b"V1=", b" v1=", b"v1:")), 1)),
        edited(b"stripe-signature", lambda rng, value: value.replace(b"1800000000", str(NOW + rng.randint(-600, 600)).encode())),
    ],
    forbidden=[
        repeated([b"stripe-signature", b"content-type"]),
        edited(b"stripe-signature", each_v1),
        edited(b"stripe-signature", lambda rng, value: value.replace(b"v1=", b"v0=")),
        signed_anew(lambda rng: stripe_headers(JSON_BODY, NOW + rng.choice((-1, 1)) * rng.randint(301, 10**6))),
        signed_anew(lambda rng: stripe_headers(JSON_BODY, NOW, f"whsec_{rng.random()}")),
        signed_anew(lambda rng: stripe_headers(JSON_BODY[: rng.randrange(len(JSON_BODY))], NOW)),
    ],
)


# AllSecure


def allsecure_message(received: Received) -> object:
    headers = dict(received.headers)
    return received.body, headers.get(b"x-date", headers.get(b"date")), received.query


DATES = ("Fri, 20 Nov 2026 12:00:00 UTC", "Fri, 20 Nov 2026 12:00:01 GMT", "", "now")
OTHER_TARGETS = (b"/", ALLSECURE_TARGET + b"?tenant=2", b"/shop" + ALLSECURE_TARGET, ALLSECURE_TARGET + b"/")

ALLSECURE = Subject(
    originals=[
        Received(allsecure_headers(JSON_BODY), JSON_BODY),
        Received(
            allsecure_headers(JSON_BODY, content_type="application/json", target=ALLSECURE_TARGET + b"?tenant=1"), JSON_BODY, b"tenant=1"
        ),
    ],
    verify=lambda received: allsecure.verify(received, allsecure.Connector(ALLSECURE_SECRET, ALLSECURE_TARGET.decode())),
    message=allsecure_message,
    rewrites=[
        edited(b"date", lambda rng, value: rng.choice(DATES).encode()),
        edited(b"x-date", lambda rng, value: rng.choice(DATES).encode()),
        edited(
            b"content-type", lambda rng, value: rng.choice((b"application/json", b"application/json; charset=utf-8", b"APPLICATION/JSON"))
        ),
    ],
    forbidden=[
        repeated([b"x-signature", b"content-type", b"date", b"x-date"]),
        edited(b"x-signature", lambda rng, value: rng.choice((value.rstrip(b"="), value.swapcase(), value + b"=", respelled(value)))),
        signed_anew(lambda rng: allsecure_headers(JSON_BODY, body_hash=rng.choice(("md5", "sha1", "sha256")))),
        signed_anew(lambda rng: allsecure_headers(JSON_BODY, secret=str(rng.random()))),
        signed_anew(lambda rng: allsecure_headers(JSON_BODY, target=rng.choice(OTHER_TARGETS))),
        signed_anew(lambda rng: allsecure_headers(JSON_BODY, content_type="text/plain")),
    ],
)


# Prodamus


def as_form(rng: Random, fields: list[tuple[str, str]], received: Received) -> Received:
    """The fields written down anew, in one of the ways that PHP reads alike."""
    if rng.random() < 0.3:
        boundary = f"b{rng.randrange(10**9)}"
        headers = replaced(list(received.headers), b"content-type", f"multipart/form-data; boundary={boundary}".encode())
        return Received(headers, multipart(fields, boundary))
    text = urlencoded(fields)
    if rng.random() < 0.5:
        text = text.replace(b"%20", b"+")
    if rng.random() < 0.5:
        text = "&".join(f"{quote(name, safe='[]')}={quote(value, safe='/:@')}" for name, value in fields).encode()
    return Received(replaced(list(received.headers), b"content-type", FORM.encode()), text)


def rewritten(edit: Callable[[Random, list[tuple[str, str]]], list[tuple[str, str]]]) -> Mutation:
    return lambda rng, received: as_form(rng, edit(rng, flat(NOTIFICATION)), received)


def with_swapped_values(rng: Random, fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    one, other = rng.sample(range(len(fields)), 2)
    values = [value for _, value in fields]
    values[one], values[other] = values[other], values[one]
    return [(name, value) for (name, _), value in zip(fields, values, strict=True)]


def with_another_name(rng: Random, fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    at = rng.randrange(len(fields))
    name, value = fields[at]
    others = (
        name.replace("_", "."),
        name.replace("_", " "),
        name + "[]",
        " " + name,
        name + "x",
        name.upper(),
        name.replace("0", "1"),
        f"{name}[0]",
    )
    return [*fields[:at], (rng.choice(others), value), *fields[at + 1 :]]


def with_a_field_more(rng: Random, fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    at = rng.randrange(len(fields) + 1)
    more = rng.choice(
        (("sum", "0.01"), ("payment_status", "success"), ("x", ""), ("products[1][name]", "x"), ("products[]", "x"), ("order_num", "2"))
    )
    return [*fields[:at], more, *fields[at:]]


PRODAMUS = Subject(
    originals=[
        Received(prodamus_headers(NOTIFICATION, FORM), urlencoded(flat(NOTIFICATION))),
        Received(prodamus_headers(NOTIFICATION, PARTS), multipart(flat(NOTIFICATION), "----b0undary")),
    ],
    verify=lambda received: prodamus.verify(received, [PRODAMUS_KEY, "the newer key"]),
    message=signed_text,
    rewrites=[
        rewritten(lambda rng, fields: fields),
        rewritten(lambda rng, fields: rng.sample(fields, len(fields))),
        rewritten(lambda rng, fields: rng.sample(fields, len(fields) - 1)),
        rewritten(with_swapped_values),
        rewritten(with_another_name),
        rewritten(with_a_field_more),
        edited(b"sign", lambda rng, value: value.swapcase()),
    ],
    forbidden=[
        repeated([b"sign", b"content-type"]),
        signed_anew(lambda rng: prodamus_headers(NOTIFICATION, FORM, PRODAMUS_KEY + rng.choice(("demo", "x", " ")))),
        edited(b"sign", lambda rng, value: rng.choice((value[:-1], value + b"0", b"0x" + value, b" " + value, b"f" * 64))),
        edited(b"content-type", lambda rng, value: rng.choice((b"application/json", b"text/plain", b"multipart/form-data"))),
    ],
)


# The mock


def mock_headers(at: int = NOW, key: bytes = MOCK_KEY) -> list[tuple[bytes, bytes]]:
    digest = hmac.digest(key, b"evt_1." + str(at).encode() + b"." + JSON_BODY, "sha256")
    return [
        (b"content-type", b"application/json"),
        (b"webhook-id", b"evt_1"),
        (b"webhook-timestamp", str(at).encode()),
        (b"webhook-signature", b"v1," + base64.b64encode(digest)),
    ]


def mock_message(received: Received) -> object:
    headers = dict(received.headers)
    return headers[b"webhook-id"] + b"." + headers[b"webhook-timestamp"] + b"." + received.body


MOCK = Subject(
    originals=[Received(mock_headers(), JSON_BODY)],
    verify=lambda received: mock.verify(received, (MOCK_KEY, b"n" * 32), NOW),
    message=mock_message,
    rewrites=[
        edited(b"webhook-signature", listed(b" ", b"v1,AAAA", b"v2," + b"A" * 44, b"v1,", b"x")),
        edited(b"webhook-timestamp", lambda rng, value: str(NOW + rng.randint(-600, 600)).encode()),
    ],
    forbidden=[
        repeated([name for name, _ in mock_headers()]),
        edited(
            b"webhook-signature",
            lambda rng, value: rng.choice((value.rstrip(b"="), value.upper(), value[3:], respelled(value))),
        ),
        signed_anew(lambda rng: mock_headers(NOW + rng.choice((-1, 1)) * rng.randint(301, 10**6))),
        signed_anew(lambda rng: mock_headers(key=rng.randbytes(32))),
    ],
)

SUBJECTS = {"stripe": STRIPE, "allsecure": ALLSECURE, "prodamus": PRODAMUS, "mock": MOCK}
