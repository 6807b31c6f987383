"""Errors as pages over the real gateway: in the visitor's language, with a way on, and problem+json for whoever reads no pages."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import httpx
import pytest

from services.gateway.pages.views import start
from shared.contracts.base import new_id
from shared.contracts.orders import CreateOrderPayment, GetOrder
from shared.contracts.payment_commands import CommandReply
from tests.integration.gateway_world import World, gateway_world, refused, silent
from tests.integration.pages_world import HTML, ORDER, Site, assert_nothing_inline, hidden, logged_in
from tests.integration.pages_world import site as site

RESULT = f"/en/orders/{ORDER}/success"
AGAIN = f"/en/orders/{ORDER}/payment-failed"


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url, rpc_timeout_seconds=0.5) as started:
        yield started


def ways_on(page: httpx.Response) -> list[str]:
    """The links among the page's content."""
    content = page.text.partition("<main")[2].partition("</main>")[0]
    return [unescape(link) for link in re.findall(r'href="([^"]*)"', content)]


def told(page: httpx.Response) -> str:
    """The page's one alert; it is a page of ours like any other."""
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-request-id"] in page.text
    assert_nothing_inline(page.text)
    (text,) = re.findall(r'role="alert" class="alert">([^<]*)<', page.text)
    return unescape(text)


@pytest.mark.parametrize(
    ("path", "accepted", "language", "text"),
    [
        ("/nothing", "en", "en", "This page does not exist, or you have no access to it."),
        ("/ru/nothing", "en", "ru", "Такой страницы нет, или у вас нет к ней доступа."),
        ("/nothing", "sr-Latn-RS,en;q=0.5", "sr-Latn", "Ova stranica ne postoji ili joj nemate pristup."),
        ("/de/login", "", "en", "This page does not exist, or you have no access to it."),
    ],
)
async def test_what_is_not_there(site: Site, path: str, accepted: str, language: str, text: str) -> None:
    page = await site.page(path, **{"Accept-Language": accepted})
    assert (page.status_code, told(page)) == (404, text)
    assert f'<html lang="{language}">' in page.text
    assert ways_on(page) == ["/"]


async def test_who_reads_no_pages_gets_problems(site: Site) -> None:
    for path in ("/nothing", RESULT.replace("en", "xx", 1)):
        answer = await site.world.http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    for path in ("/api/v1/nothing", "/static/nothing.css"):
        answer = await site.page(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), "nobody looks at these"


async def test_unknown_orders_and_sessions_say_so(site: Site) -> None:
    async def unknown(query: GetOrder) -> Any:
        return refused("order_not_found", query)

    site.world.stand_ins.answers[GetOrder] = unknown
    for path in (RESULT, "/en/orders/1/success", f"/payment/mock?session_id={new_id()}x", "/payment/mock"):
        page = await site.page(path)
        assert page.status_code == 404, path
        assert told(page)
        assert (await site.world.http.get(path)).headers["content-type"] == "application/problem+json"


async def test_what_is_an_admins_leads_to_another_login(site: Site) -> None:
    page = await site.page("/en/admin?a=1", **logged_in())
    assert (page.status_code, told(page)) == (403, "Your account has no access to this page.")
    assert ways_on(page) == ["/en/login?next=%2Fen%2Fadmin%3Fa%3D1", "/"]


async def test_a_form_that_is_too_old_leads_back_to_its_page_and_nowhere_else(site: Site) -> None:
    site.knows_order()
    ours = str(site.world.http.base_url).rstrip("/")
    pages = [
        await site.send({"x": ""}, AGAIN, Referer=address, **HTML)
        for address in (f"{ours}{AGAIN}?x=1", "https://evil.example/", f"{ours}//evil.example", "x" * 5_000, "http://[")
    ]
    assert {(page.status_code, told(page)) for page in pages} == {(403, "This page has expired. Open it again and try once more.")}
    assert [ways_on(page) for page in pages] == [[f"{AGAIN}?x=1", "/"], ["/"], ["/"], ["/"], ["/"]]


@pytest.mark.parametrize(
    ("code", "status", "text"),
    [
        ("session_final", 409, "This payment has already been decided, or its time is over."),
        ("insufficient_funds", 409, "There is not enough money on the balance for that."),
        ("provider_unavailable", 503, "The payment provider does not answer right now. Nothing was charged; try again in a moment."),
    ],
)
async def test_what_a_service_behind_refuses_is_told_in_words(site: Site, code: str, status: int, text: str) -> None:
    async def refuse(command: CreateOrderPayment) -> Any:
        return CommandReply(answer=refused(code, command))

    site.knows_order()
    site.world.stand_ins.answers[CreateOrderPayment] = refuse
    page = await site.send(hidden(await site.page(AGAIN)), AGAIN, **HTML)

    assert (page.status_code, told(page)) == (status, text)
    assert ("retry-after" in page.headers) == (status == 503)


async def test_silence_behind_is_told_with_when_to_come_again(site: Site) -> None:
    site.world.stand_ins.answers[GetOrder] = silent
    page = await site.page(f"{RESULT}?session_id=1")
    assert (page.status_code, told(page)) == (503, "We cannot answer right now. Nothing is lost: try again in a moment.")
    assert int(page.headers["retry-after"]) > 0
    assert ways_on(page) == [f"{RESULT}?session_id=1", "/"]


async def test_a_page_that_passing_silence_has_taken_comes_back_by_itself_and_no_form_is_sent_again(site: Site) -> None:
    def looks_again(page: httpx.Response) -> tuple[int, bool, bool]:
        refreshes = re.search(r'<noscript><meta http-equiv="refresh" content="\d+"></noscript>', page.text) is not None
        return page.status_code, "/static/recovering." in page.text, refreshes

    site.knows_order()
    form = hidden(await site.page(AGAIN))
    site.world.stand_ins.answers |= {GetOrder: silent, CreateOrderPayment: _not_configured}
    assert looks_again(await site.page(RESULT)) == (503, True, True), "it may be one that promised to look again"
    assert looks_again(await site.send(form, AGAIN, **HTML)) == (503, False, False)
    assert looks_again(await site.page("/nothing")) == (404, False, False)


async def _not_configured(command: CreateOrderPayment) -> Any:
    return CommandReply(answer=refused("provider_not_configured", command))


async def test_a_fault_of_ours_is_told_without_what_it_was(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("the secret of the fault")

    monkeypatch.setattr(start, "visitor", broken)
    page = await site.page("/")
    assert (page.status_code, told(page)) == (500, "Something went wrong on our side.")
    assert "the secret of the fault" not in page.text
    assert ways_on(page) == ["/", "/"]


async def test_who_asks_too_often_is_told_so_before_anything_is_looked_up(amqp_url: str) -> None:
    async with gateway_world(amqp_url, rate_limit_address_per_second=0.01, rate_limit_address_burst=1) as world:
        await world.http.get("/", headers=HTML)
        page = await world.http.get("/ru/balance/deposit", headers=HTML | logged_in())
    assert (page.status_code, told(page)) == (429, "Слишком много попыток. Подождите немного.")
    assert int(page.headers["retry-after"]) > 0
    assert "balance-widget" not in page.text, "it would only ask more"


async def test_a_method_that_a_page_does_not_take(site: Site) -> None:
    page = await site.world.http.request("DELETE", "/en/login", headers=HTML)
    assert (page.status_code, page.headers["allow"]) == (405, "GET, POST")
    assert told(page)
