"""An order from nothing to its text, as a guest's browser without JavaScript would do it: order, pay on the page, read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest

from deploy.local.stack import Stack
from tests.flow.people import WAIT_SECONDS, Person, logged_in
from tests.flow.reading_pages import told_now
from tests.flow.verifying import verify

FORM = {
    "product": "chakras",
    "email": "ana@example.rs",
    "points": [{"chakra": "anahata", "value": 7}, {"chakra": "ajna", "value": 2}],
    "locale": "ru",
    "method": "mock",
}
READ = "/api/v1/payments/paid-interpretation"


@pytest.fixture(scope="module", autouse=True)
async def the_book_adds_up(stack: Stack) -> AsyncIterator[None]:
    """Whatever the stories did, afterwards the verifier finds nothing."""
    yield
    status, output = await verify(stack)
    assert status == 0, output


@pytest.fixture
async def browser(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """Reads HTML, keeps cookies, follows nothing by itself."""
    headers = {"Accept": "text/html,application/xhtml+xml"}
    async with httpx.AsyncClient(base_url=stack.gateway_url, timeout=WAIT_SECONDS, trust_env=False, headers=headers) as client:
        yield client


@pytest.fixture
async def student(stack: Stack) -> AsyncIterator[Person]:
    async with logged_in(stack.gateway_url, stack.notifier_urls[0]) as person:
        yield person


@pytest.fixture
async def other(stack: Stack) -> AsyncIterator[Person]:
    async with logged_in(stack.gateway_url, stack.notifier_urls[0], "other") as person:
        yield person


@pytest.fixture
async def admin(stack: Stack) -> AsyncIterator[Person]:
    async with logged_in(stack.gateway_url, stack.notifier_urls[0], "admin") as person:
        yield person


async def ordered(browser: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await browser.post("/api/v1/orders", json=FORM | changes)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def form_of(page: httpx.Response) -> tuple[str, dict[str, str]]:
    """The page's one form, beside those that are on every page: where it is sent, and its hidden fields."""
    content = page.text.partition("<main")[2].partition("</main>")[0]
    (action,) = re.findall(r'<form [^>]*method="post" action="([^"]*)"', content)
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', content)
    return action, {name: unescape(value) for name, value in fields}


async def opened(browser: httpx.AsyncClient, payment_url: str) -> tuple[str, dict[str, str]]:
    """The form of the stand-in's page."""
    parts = urlsplit(payment_url)
    page = await browser.get(f"{parts.path}?{parts.query}")
    assert page.status_code == 200, page.text
    assert set(re.findall(r'<button name="outcome" value="([a-z]+)"', page.text)) == {"success", "failure", "cancel"}
    return form_of(page)


async def press(browser: httpx.AsyncClient, payment_url: str, outcome: str) -> httpx.Response:
    """Opens the stand-in's page and presses one of its buttons, as a browser does."""
    action, fields = await opened(browser, payment_url)
    return await browser.post(action, data=fields | {"outcome": outcome}, headers={"Origin": str(browser.base_url).rstrip("/")})


async def read(browser: httpx.AsyncClient, order_id: str) -> httpx.Response:
    return await browser.get(READ, params={"order_id": order_id}, headers={"Accept": "application/json"})


async def test_order_pay_on_the_page_read(browser: httpx.AsyncClient) -> None:
    made = await ordered(browser)
    early = await read(browser, made["order_id"])
    sent_on = await press(browser, made["payment_url"], "success")
    page = await browser.get(sent_on.headers["location"])
    text = await read(browser, made["order_id"])
    again = await read(browser, made["order_id"])
    order = await browser.get(f"/api/v1/orders/{made['order_id']}")

    assert (early.status_code, early.json()["error"]) == (402, "Order not paid")
    assert sent_on.status_code == 303
    assert sent_on.headers["location"] == f"/ru/orders/{made['order_id']}/success?session_id={made['session_id']}"
    assert (text.status_code, text.content) == (200, again.content)
    assert "Анахата" in text.json()["message"]
    assert page.status_code == 200
    assert "990,00\u00a0RSD" in page.text
    shown = " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())
    for paragraph in text.json()["message"].split("\n\n"):
        assert " ".join(paragraph.split()) in shown
    assert (order.json()["status"], order.json()["email"]) == ("fulfilled", "a***@example.rs")


async def test_a_declined_order_is_paid_at_the_second_try(browser: httpx.AsyncClient) -> None:
    made = await ordered(browser, locale="sr")
    declined = await press(browser, made["payment_url"], "failure")
    failed_page = await browser.get(declined.headers["location"])
    action, fields = form_of(failed_page)
    tried = await browser.post(action, data=fields)
    paid = await press(browser, tried.headers["location"], "success")

    assert declined.headers["location"] == f"/sr/orders/{made['order_id']}/payment-failed?session_id={made['session_id']}"
    assert "nije plaćena" in failed_page.text
    assert tried.status_code == paid.status_code == 303
    assert paid.headers["location"].startswith(f"/sr/orders/{made['order_id']}/success?session_id=")
    assert parse_qs(urlsplit(paid.headers["location"]).query)["session_id"] != [made["session_id"]]
    assert (await read(browser, made["order_id"])).status_code == 200
    late = await browser.post(f"/api/v1/orders/{made['order_id']}/payments", json={})
    assert (late.status_code, late.json()["code"]) == (409, "already_paid")


async def test_cancel_and_back_and_twice(browser: httpx.AsyncClient) -> None:
    """Whatever is pressed again, the first decision stands, and that is where one is led."""
    made = await ordered(browser)
    url = urlsplit(made["payment_url"])
    action, fields = await opened(browser, made["payment_url"])

    answers = await asyncio.gather(*(browser.post(action, data=fields | {"outcome": "cancel"}) for _ in range(5)))
    changed_mind = await browser.post(action, data=fields | {"outcome": "success"})
    back = await browser.get(f"{url.path}?{url.query}")

    led = {answer.headers["location"] for answer in (*answers, changed_mind)}
    assert led == {f"/ru/orders/{made['order_id']}/payment-failed?session_id={made['session_id']}"}
    assert "<form" not in back.text
    assert (await browser.get(f"/api/v1/orders/{made['order_id']}")).json()["payment_status"] == "canceled"


async def test_two_orders_paid_at_once_each_deliver(browser: httpx.AsyncClient) -> None:
    orders = [await ordered(browser, points=[{"chakra": chakra, "value": 5}], locale="en") for chakra in ("ajna", "vishuddha")]
    forms = [await opened(browser, order["payment_url"]) for order in orders]
    await asyncio.gather(*(browser.post(action, data=fields | {"outcome": "success"}) for action, fields in forms for _ in range(25)))
    texts = [(await read(browser, order["order_id"])).json()["message"] for order in orders]

    assert "Ajna" in texts[0]
    assert "Ajna" not in texts[1]
    assert "Vishuddha" in texts[1]


async def test_an_admin_marks_an_order_as_paid(browser: httpx.AsyncClient, admin: Person, student: Person) -> None:
    made = await ordered(browser)
    said = {"reference": f"bank-{made['order_id'][:8]}", "reason": "seen on the bank's list"}
    refused = await student.post(f"/orders/{made['order_id']}/mark-paid", said)
    marked = await admin.post(f"/orders/{made['order_id']}/mark-paid", said)
    text = await read(browser, made["order_id"])
    # The provider's own word comes after all: it is this payment's, and books nothing.
    late = await browser.post(
        "/api/v1/balance/mock/complete",
        json={"session_id": made["session_id"]},
        headers={"Authorization": student.http.headers["Authorization"]},
    )

    assert (refused.status_code, marked.status_code, text.status_code) == (403, 200, 200)
    assert (late.status_code, late.json()["status"]) == (200, "completed")
    assert (await browser.get(f"/api/v1/orders/{made['order_id']}")).json()["status"] == "fulfilled"


async def test_a_top_up_on_the_page_is_its_owners(browser: httpx.AsyncClient, student: Person, other: Person) -> None:
    made = await student.deposit("12.50", "eur")
    before = (await student.balance("eur"))["available_minor"]
    url = urlsplit(made["payment_url"])
    here = f"{url.path}?{url.query}"
    to_login = await browser.get(here)
    login = await browser.get(to_login.headers["location"])
    action, fields = form_of(login)
    wrong = await browser.post(action, data=fields | {"login": "testuser", "password": "wrong"})
    back = await browser.post(action, data=fields | {"login": "testuser", "password": "testuser"})
    stranger = await other.http.get(str(browser.base_url) + here, headers={"Accept": "text/html"})
    paid = await press(browser, back.headers["location"], "success")
    result = await browser.get(paid.headers["location"])

    assert to_login.status_code == back.status_code == 303
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (401, True)
    assert back.headers["location"] == here
    assert "httponly" in back.headers["set-cookie"].lower()
    assert stranger.status_code == 404
    assert paid.headers["location"] == f"/en/balance/deposit/success?session_id={made['session_id']}&amount=12.50"
    assert (await student.balance("eur"))["available_minor"] == before + 1_250
    assert "The money is on your balance." in told_now(result.text)
    lied = await browser.get(f"/en/balance/deposit?error=payment_failed&session_id={made['session_id']}")
    assert "The money is on your balance." in told_now(lied.text), "what is stored is shown, not what the query says"


async def test_an_orders_payments_are_listed_under_the_orders_external_id(student: Person) -> None:
    mine = f"order-{uuid4()}"
    made = await student.post("/orders", {**FORM, "external_id": mine})
    order_id = made.json()["order_id"]
    declined = await student.complete(made.json()["session_id"], outcome="failure")
    second = await student.post(f"/orders/{order_id}/payments", {})
    other = await student.post("/orders", {**FORM, "external_id": mine})
    listed = await student.get("/payments/history", external_id=mine)
    payment = await student.get(f"/payments/{second.json()['payment_id']}")

    assert (made.status_code, declined.json()["status"], second.status_code) == (201, "failed", 201), second.text
    assert (other.status_code, other.json()["code"]) == (409, "external_id_reused"), "it is the order's"
    assert [(one["id"], one["status"]) for one in listed.json()] == [
        (second.json()["payment_id"], "pending"),
        (made.json()["payment_id"], "failed"),
    ]
    assert (payment.json()["external_id"], payment.json()["kind"]) == (mine, "order")
