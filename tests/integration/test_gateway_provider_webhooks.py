"""The providers' webhooks over the real gateway: each one's own answer once its event is durable, 400 at once for whatever is hostile."""

from __future__ import annotations

import gzip
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.gateway_world import World, gateway_world, one_story
from tests.signing import (
    ALLSECURE_SECRET,
    ALLSECURE_TARGET,
    PRODAMUS_KEY,
    STRIPE_SECRET,
    Headers,
    allsecure_headers,
    flat,
    multipart,
    prodamus_headers,
    replaced,
    stripe_headers,
    urlencoded,
    without,
)

WEBHOOKS = "/api/v1/webhooks/"
PAID: dict[str, Any] = {"order_id": "300155", "order_num": "ord-42", "payment_status": "success", "products": [{"name": "Тест / А"}]}
FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=b0"
SIGNATURES = {"stripe": b"stripe-signature", "allsecure": b"x-signature", "prodamus": b"sign"}
QUICK_SECONDS = 2.0
REFUSED = (400, "invalid_signature")


@dataclass(frozen=True)
class Webhook:
    provider: str
    headers: Headers
    body: bytes
    query: str = ""


def stripe() -> Webhook:
    body = b'{"id":"evt_1",  "object":"event"}'
    return Webhook("stripe", stripe_headers(body, int(time.time())), body)


def allsecure() -> Webhook:
    body = b'{"result":"OK","uuid":"d94c0d72f3a36e21f16e"}'
    return Webhook("allsecure", allsecure_headers(body, target=ALLSECURE_TARGET + b"?shop=1"), body, "?shop=1")


def prodamus() -> Webhook:
    return Webhook("prodamus", prodamus_headers(PAID, PARTS), multipart(flat(PAID), "b0"))


def prodamus_urlencoded() -> Webhook:
    return Webhook("prodamus", prodamus_headers(PAID, FORM), urlencoded(flat(PAID)))


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    """All three have credentials, and none is on for new payments."""
    credentials: dict[str, Any] = {
        "stripe_webhook_secret": STRIPE_SECRET,
        "stripe_publishable_key": "pk_test_of_these_tests",
        "allsecure_shared_secret": ALLSECURE_SECRET,
        "prodamus_secret_key": PRODAMUS_KEY,
    }
    async with gateway_world(module_amqp_url, providers="mock", **credentials) as started:
        yield started


@pytest.fixture
async def world(running: World) -> AsyncIterator[World]:
    async with one_story(running) as story:
        yield story


async def posted(world: World, webhook: Webhook, *, body: bytes | None = None, headers: Headers | None = None) -> tuple[int, str]:
    """(status, the problem's code); the time that it took is short."""
    started = time.perf_counter()
    answer = await world.http.post(
        f"{WEBHOOKS}{webhook.provider}{webhook.query}",
        content=webhook.body if body is None else body,
        headers=webhook.headers if headers is None else headers,
    )
    assert time.perf_counter() - started < QUICK_SECONDS
    return answer.status_code, "" if answer.status_code == 200 else answer.json()["code"]


@pytest.mark.parametrize(
    ("webhook", "kind", "text"),
    [
        (stripe, "application/json", b'{"status":"success"}'),
        (allsecure, "text/plain", b"OK"),
        (prodamus, "text/plain", b"success"),
        (prodamus_urlencoded, "text/plain", b"success"),
    ],
)
async def test_each_provider_reads_its_own_answer_once_its_event_is_durable(
    world: World, webhook: Callable[[], Webhook], kind: str, text: bytes
) -> None:
    sent = webhook()
    answer = await world.http.post(
        f"{WEBHOOKS}{sent.provider}{sent.query}", content=sent.body, headers=[*sent.headers, (b"x-other", b"not kept")]
    )
    (event,) = await world.events()
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, kind, text)
    assert (event.provider, event.body) == (sent.provider, sent.body)
    assert event.headers == {name.decode(): value.decode() for name, value in sent.headers}


async def test_stripes_older_address(world: World) -> None:
    sent = stripe()
    answer = await world.http.post("/api/v1/payments/webhook", content=sent.body, headers=sent.headers)
    (event,) = await world.events()
    assert (answer.status_code, event.provider, event.body) == (200, "stripe", sent.body)


async def test_who_is_off_for_new_payments_is_not_offered(world: World) -> None:
    offered = (await world.http.get("/api/v1/config")).text
    assert not [name for name in SIGNATURES if f'"{name}"' in offered]


@pytest.mark.parametrize("webhook", [stripe, allsecure, prodamus])
async def test_forged_repeated_compressed_and_of_another_type_leave_only_a_count(world: World, webhook: Callable[[], Webhook]) -> None:
    sent = webhook()
    sign = SIGNATURES[sent.provider]
    signature = dict(sent.headers)[sign]
    other_end = b"0" if signature[-10:-9] != b"0" else b"1"
    wrong: dict[str, Headers] = {
        "refused_forged": replaced(sent.headers, sign, signature[:-10] + other_end + signature[-9:]),
        "refused_missing_header": without(sent.headers, sign),
        "refused_repeated_header": [*sent.headers, (sign, signature)],
        "refused_content_encoding": [*sent.headers, (b"content-encoding", b"gzip")],
        "refused_content_type": replaced(sent.headers, b"content-type", b"text/plain"),
    }
    for outcome, headers in wrong.items():
        assert await posted(world, sent, headers=headers) == REFUSED, outcome
    assert await posted(world, sent, body=sent.body.replace(b"1", b"2")) == REFUSED
    assert await world.events() == []
    counts = (await world.http.get("/metrics")).text
    assert [name for name in wrong if f'purser_webhooks_total{{outcome="{name}",provider="{sent.provider}"}}' not in counts] == []


async def test_a_compressed_bomb_is_not_unpacked(world: World) -> None:
    bomb = gzip.compress(b"\0" * 100_000_000)
    for sent in (stripe(), allsecure(), prodamus()):
        for headers in ([*sent.headers, (b"content-encoding", b"gzip")], sent.headers):
            assert await posted(world, sent, body=bomb, headers=headers) == REFUSED
    assert await world.events() == []


@pytest.mark.parametrize("webhook", [stripe, allsecure, prodamus])
async def test_endless_and_unprintable_headers(world: World, webhook: Callable[[], Webhook]) -> None:
    sent = webhook()
    for name in (SIGNATURES[sent.provider], b"content-type"):
        # The server itself ends a head that is longer than it reads at once.
        assert (await posted(world, sent, headers=replaced(sent.headers, name, b"x" * 100_000)))[0] in (400, 431)
        for value in (b"x" * 40_000, b"\xff\xfe", "é".encode(), b""):
            assert await posted(world, sent, headers=replaced(sent.headers, name, value)) == REFUSED
    assert await world.events() == []


HURTFUL = {
    "not UTF-8": b"\xff\xfe\xfd",
    "NUL": b"\0" * 1_000,
    "deep list": b"[" * 200_000,
    "deep object": b'{"a":' * 40_000,
    "deep form": b"a" + b"[b]" * 60_000 + b"=1",
    "no end": b'{"a":"' + b"x" * 200_000,
}


@pytest.mark.parametrize("webhook", [stripe, allsecure, prodamus, prodamus_urlencoded])
async def test_bodies_that_hurt_a_parser(world: World, webhook: Callable[[], Webhook]) -> None:
    answers = {name: await posted(world, webhook(), body=body) for name, body in HURTFUL.items()}
    assert answers == dict.fromkeys(HURTFUL, REFUSED)
    assert await world.events() == []


FORMS = {
    "fields": b"&".join(b"a%d=1" % n for n in range(20_000)),
    "ampersands": b"&" * 250_000,
    "one list": b"a[]=1&" * 40_000,
    "brackets": b"a" + b"[" * 200_000 + b"=1",
    "percents": b"a=" + b"%" * 200_000,
    "no text": b"a=%ff&b=%00",
    "equals": b"=" * 200_000,
}


async def test_forms_without_end(world: World) -> None:
    answers = {name: await posted(world, prodamus_urlencoded(), body=body) for name, body in FORMS.items()}
    assert answers == dict.fromkeys(FORMS, REFUSED)
    assert await world.events() == []


PART = b"--b0\r\nContent-Disposition: form-data; "
HURTFUL_PARTS = {
    "parts": (PARTS, multipart([("a", "1")] * 3_000, "b0")),
    "empty parts": (PARTS, b"--b0\r\n" * 40_000),
    "headers": (PARTS, b"--b0\r\n" + b"A: b\r\n" * 40_000),
    "names": (PARTS, PART + b'name="a";' * 20_000),
    "half a boundary": (PARTS, PART + b"name=a\r\n\r\n" + b"\r\n--b" * 50_000),
    "no boundary": (PARTS, b"\r\n" * 120_000),
    "long boundary": ("multipart/form-data; boundary=" + "b" * 900, multipart([("a", "1")], "b" * 900)),
    "boundaries": ("multipart/form-data; boundary=" + ";boundary=b0" * 60, multipart([("a", "1")], "b0")),
    "backslashes": ('multipart/form-data; boundary="' + "\\" * 400 + '"', multipart([("a", "1")], "b0")),
}


async def test_parts_and_boundaries_without_end(world: World) -> None:
    answers = {
        name: await posted(world, prodamus(), body=body, headers=replaced(prodamus().headers, b"content-type", content_type.encode()))
        for name, (content_type, body) in HURTFUL_PARTS.items()
    }
    assert answers == dict.fromkeys(HURTFUL_PARTS, REFUSED)
    assert await world.events() == []
