"""The hosted pages over the real broker: nothing is smuggled in or out, and whoever comes back sees what is stored."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.contracts.base import new_id, utc_now
from shared.contracts.orders import CreateOrderPayment, GetInterpretation, GetOrder, OrderCreated
from shared.contracts.payment_commands import CommandReply
from tests.integration.gateway_world import ORIGIN, World, gateway_world, one_story, refused
from tests.integration.pages_world import ORDER, SCRIPT, SESSION, Site, assert_nothing_inline, hidden


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url) as started:
        yield started


@pytest.fixture
async def site(running: World) -> AsyncIterator[Site]:
    async with one_story(running) as story:
        yield Site(story)


async def test_nothing_of_what_is_shown_is_run(site: Site) -> None:
    site.knows_order()
    answers = [await site.page(), await site.page(f"/en/orders/{ORDER}/payment-failed"), await site.page(f"/en/orders/{ORDER}/success")]
    for answer in answers:
        assert "&lt;script&gt;" in answer.text
        assert_nothing_inline(answer.text)
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert (policy["default-src"], policy["style-src"], policy["form-action"]) == ("'none'", "'self'", "'self'")
        assert (policy["base-uri"], policy["frame-ancestors"]) == ("'none'", "'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin", "with no-referrer, browsers send our own forms with Origin: null"


# ---- logging in


@pytest.mark.parametrize(
    ("onward", "leads"),
    [
        ("/payment/mock?session_id=1", "/payment/mock?session_id=1"),
        ("", "/sr/balance"),
        ("https://evil.example/", "/sr/balance"),
        ("//evil.example/", "/sr/balance"),
        ("/\\evil.example/", "/sr/balance"),
        ("/a\\b", "/sr/balance"),
        ("/\t/evil.example", "/sr/balance"),
        ("/a\r\nSet-Cookie: a=b", "/sr/balance"),
        ("javascript:alert(1)", "/sr/balance"),
        ("evil.example", "/sr/balance"),
        ("/" + "x" * 600, "/sr/balance"),
    ],
)
async def test_logging_in_leads_to_a_page_of_ours_and_nowhere_else(site: Site, onward: str, leads: str) -> None:
    form = hidden(await site.world.http.get("/sr/login", params={"next": onward}))
    answer = await site.send({"next": onward, "login": "testuser", "password": "testuser"}, "/sr/login")

    assert form["next"] in (onward, "")
    assert (answer.status_code, answer.headers["location"]) == (303, leads)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


async def test_a_wrong_password_is_told_in_the_page_and_not_repeated(site: Site) -> None:
    wrong = await site.send({"next": "/a", "login": SCRIPT, "password": "guess-me"}, "/ru/login")
    empty = await site.send({"login": "", "password": ""}, "/ru/login")

    assert (wrong.status_code, empty.status_code) == (401, 422)
    assert 'role="alert"' in wrong.text
    assert "guess-me" not in wrong.text
    assert_nothing_inline(wrong.text)
    assert hidden(wrong)["next"] == "/a"
    assert "set-cookie" not in wrong.headers


# ---- where payers come back to


async def test_results_are_told_by_what_is_stored(site: Site) -> None:
    states = {
        "paid": {"status": "paid"},
        "waiting": {"payment_status": "pending"},
        "unpaid": {},
        "refunded": {"status": "refunded"},
        "troubled": {"status": "fulfilment_failed"},
    }
    told: dict[str, httpx.Response] = {}

    async def nothing(query: GetInterpretation) -> Any:
        return refused("interpretation_not_found", query)

    site.world.stand_ins.answers[GetInterpretation] = nothing
    for state, changes in states.items():
        site.knows_order(**changes)
        told[state] = await site.page(f"/en/orders/{ORDER}/success?session_id={new_id()}")

    assert len({re.findall(r'role="status"[^>]*>([^<]*)<', answer.text)[0] for answer in told.values()}) == 5
    assert ['http-equiv="refresh"' in answer.text for answer in told.values()] == [False, True, False, False, False]
    assert f"/en/orders/{ORDER}/payment-failed" in told["unpaid"].text


async def test_trying_again_needs_the_pages_form_and_stays_on_our_host(site: Site) -> None:
    def answering(url: str) -> Any:
        async def made(command: CreateOrderPayment) -> CommandReply[OrderCreated]:
            created = OrderCreated(
                order_id=command.order_id, payment_id=command.payment_id, session_id=SESSION, payment_url=url, amount_minor=1,
                currency="rsd", method="mock", expires_at=utc_now(),
            )  # fmt: skip
            return CommandReply(answer=created)

        return made

    path = f"/en/orders/{ORDER}/payment-failed"
    site.knows_order()
    site.world.stand_ins.answers[CreateOrderPayment] = answering(f"{ORIGIN}/payment/mock?session_id=2")
    fields = hidden(await site.page(path))
    without = await site.send({"x": ""}, path)
    of_another = await site.send(fields, f"/en/orders/{new_id()}/payment-failed")
    ours = await site.send(fields, path)
    site.world.stand_ins.answers[CreateOrderPayment] = answering("https://bank.example/pay")
    elsewhere = await site.send(fields, path)

    assert (without.status_code, of_another.status_code) == (403, 403)
    assert (ours.status_code, ours.headers["location"]) == (303, "/payment/mock?session_id=2")
    assert elsewhere.headers["location"] == f"/en/orders/{ORDER}/pay", "linked to from there: a form of ours may not lead away"


async def test_a_provider_that_does_not_serve_is_told_in_a_page_with_when_to_come_again(site: Site) -> None:
    async def away(command: CreateOrderPayment) -> Any:
        return CommandReply(answer=refused("provider_unavailable", command))

    path = f"/en/orders/{ORDER}/payment-failed"
    site.knows_order()
    site.world.stand_ins.answers[CreateOrderPayment] = away
    answer = await site.send(hidden(await site.page(path)), path, Accept="text/html")

    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert int(answer.headers["retry-after"]) > 0
    assert "try again in a moment" in answer.text


async def test_unknown_orders_and_sessions_are_pages_that_say_so(site: Site) -> None:
    async def unknown(query: GetOrder) -> Any:
        return refused("order_not_found", query)

    site.world.stand_ins.answers[GetOrder] = unknown
    for path in (f"/en/orders/{ORDER}/success", "/en/orders/1/success", f"/payment/mock?session_id={new_id()}x", "/payment/mock"):
        answer = await site.page(path)
        assert answer.status_code == 404, path
        assert 'role="alert"' in answer.text
        assert answer.headers["x-request-id"] in answer.text
        assert (await site.world.http.get(path)).headers["content-type"] == "application/problem+json"


async def test_the_style_has_a_name_for_ever(site: Site) -> None:
    (name,) = re.findall(r'rel="stylesheet" href="(/static/[^"]+)"', (await site.page()).text)
    style, other = await site.world.http.get(name), await site.world.http.get("/static/pages.0.css")

    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in style.headers["cache-control"]
    assert other.status_code == 404
