"""The Prodamus stand-in over HTTP: links, the payer at the hosted page, and where a page's own settings differ."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.contract.prodamus_world import Stages, World, both_stages, playing
from tests.emulators.prodamus import DEFAULT_PAGE, OTHER_PAGE
from tests.emulators.prodamus.php import read_query, write_pairs


@pytest.fixture(scope="module")
async def stages() -> AsyncIterator[Stages]:
    async with both_stages() as stages:
        yield stages


@pytest.fixture
async def world(stages: Stages) -> AsyncIterator[World]:
    async with playing(stages) as world:
        yield world


async def test_do_link_answers_a_short_link_that_can_be_paid(world: World) -> None:
    answer = await world.browser.get(world.link(do="link"))
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith(world.prodamus.base_url + "/s/")

    page = await world.browser.get(answer.text)
    assert "21.00 RUB" in page.text
    assert "Тест / &quot;А&quot; × 2" in page.text
    paid = await world.choose(answer.text, "pay")
    assert (paid.status_code, paid.headers["location"]) == (303, world.merchant.base_url + "/success")

    [came] = await world.told()
    assert came.content_type.startswith("multipart/form-data; boundary=")
    assert came.is_signed(DEFAULT_PAGE.key)
    assert came.told == ("ord-42", "success", "1")
    assert came.fields["order_id"] == world.prodamus.control.charges()[0].charge
    assert came.fields["sum"] == "21.00"
    assert came.fields["products"] == {0: {"name": 'Тест / "А"', "price": "10.50", "quantity": "2", "sum": "21.00"}}


async def test_the_page_asks_for_the_phone_and_then_takes_the_payment(world: World) -> None:
    page = await world.browser.get(world.link(customer_phone=None))
    assert "pay" not in buttons(page.text)
    url = action(page.text)
    assert (await world.choose(url, "pay")).status_code == 410, "not without a phone"
    wrong = await world.choose(url, "contact", customer_phone='"><b>x')
    assert wrong.status_code == 422
    assert "&quot;&gt;&lt;b&gt;x" in wrong.text
    asked = await world.choose(url, "contact", customer_phone="+7 (999) 123-45-67", customer_email="a@example.org")
    assert (asked.status_code, asked.headers["location"]) == (303, url)
    assert "pay" in buttons((await world.browser.get(url)).text)

    assert (await world.choose(url, "pay")).status_code == 303
    [came] = await world.told()
    assert (came.fields["customer_phone"], came.fields["customer_email"]) == ("+79991234567", "a@example.org")


async def test_a_declined_payer_can_try_again(world: World) -> None:
    url = await world.short()
    assert (await world.choose(url, "decline")).headers["location"] == url
    assert "refused the payment" in (await world.browser.get(url)).text
    await world.told()
    await world.choose(url, "pay")
    denied, paid = await world.told()
    assert (denied.told, paid.told) == (("ord-42", "order_denied", "1"), ("ord-42", "success", "1"))
    assert denied.fields["order_id"] == paid.fields["order_id"]


async def test_a_payer_who_cancels_goes_back_and_may_return(world: World) -> None:
    url = await world.short()
    assert (await world.choose(url, "cancel")).headers["location"] == world.merchant.base_url + "/return"
    assert [came.told[1] for came in await world.told()] == ["order_canceled"]
    await world.choose(url, "pay")
    canceled, paid = await world.told()
    assert canceled.fields["order_id"] != paid.fields["order_id"]


async def test_without_addresses_to_go_to_the_page_says_what_happened(world: World) -> None:
    url = await world.short(urlSuccess=None, urlReturn=None, paid_content="Grüße & Dank", payments_limit="2")
    assert "Nothing was paid" in (await world.choose(url, "cancel")).text
    assert "Grüße &amp; Dank" in (await world.choose(url, "pay")).text
    assert (await world.choose(url, "dance")).status_code == 400


async def test_a_demo_is_decided_by_its_link(world: World) -> None:
    page = await world.browser.get(world.link("test-1", demo_mode="1"))
    assert buttons(page.text) == ["pay", "cancel"]
    assert (await world.choose(action(page.text), "pay")).headers["location"].endswith("/success")
    page = await world.browser.get(world.link("test-2", demo_mode="1", demoFlow="reject"))
    url = action(page.text)
    assert (await world.choose(url, "pay")).headers["location"] == url
    told = await world.told()
    assert sorted(came.told[:2] for came in told) == [("test-1", "success"), ("test-2", "order_denied")]
    assert all(came.is_signed(DEFAULT_PAGE.key) for came in told), "by the page's own key, as a real payment is"
    assert [charge.is_demo for charge in world.prodamus.control.charges()] == [True]


async def test_a_used_up_or_expired_link_shows_no_button(world: World) -> None:
    url = await world.short()
    await world.choose(url, "pay")
    assert (await world.choose(url, "pay")).status_code == 410
    expired = world.link("late", link_expired="2020-01-01 00:00")
    for page in (await world.browser.get(url), await world.browser.get(expired)):
        assert page.status_code == 410
        assert not buttons(page.text)
    # Opened in time, pressed too late.
    await world.open("slow")
    await world.prodamus.control.expire("slow")
    with pytest.raises(ValueError, match="expired"):
        await world.prodamus.control.pay("slow")
    assert len(await world.told()) == 1


async def test_two_links_of_one_order_are_both_paid(world: World) -> None:
    for url in (await world.short(), await world.short()):
        assert (await world.choose(url, "pay")).status_code == 303
    first, second = await world.told()
    assert (first.fields["order_num"], second.fields["order_num"]) == ("ord-42", "ord-42")
    assert first.fields["order_id"] != second.fields["order_id"]


async def test_pages_have_keys_of_their_own_and_are_found_by_path_or_host(world: World) -> None:
    assert (await world.browser.get(world.link(page="academy"))).status_code == 200
    assert (await world.browser.get(world.link().replace("/p/shop/", "/p/academy/"))).status_code == 400
    assert (await world.browser.get(world.link().replace("/p/shop/", "/p/nobody/"))).status_code == 404
    query = world.link(page="academy").partition("?")[2]
    for host, status in (("academy.payform.ru", 200), ("academy.localhost:80", 200), ("shop.payform.ru", 400), ("127.0.0.1", 404)):
        page = await world.browser.get(f"{world.prodamus.base_url}/?{query}", headers={"host": host})
        assert (page.status_code, host) == (status, host)
    await world.prodamus.control.pay("ord-42")
    [came] = await world.told()
    assert came.is_signed(OTHER_PAGE.key)
    assert came.fields["domain"] == "academy.payform.ru"


async def test_a_tampered_link_is_refused_signed_and_taken_unsigned(world: World) -> None:
    cheaper = world.link().replace("10.50", "0.50")
    assert (await world.browser.get(cheaper)).status_code == 400
    refused = await world.browser.get(cheaper.replace("do=pay", "do=link"))
    assert (refused.status_code, refused.text) == (400, "signature: wrong\n")

    await world.open("mine", signed=False)
    charge = await world.prodamus.control.pay_tampered("mine", "0.50")
    assert (charge.reference, charge.amount) == ("mine", "1.00")
    [came] = await world.told()
    assert came.fields["sum"] == "1.00"
    assert came.is_signed(DEFAULT_PAGE.key), "what was paid is told truly"

    await world.control("set_page", {"page": "shop", "refuses_unsigned": True})
    assert (await world.browser.get(world.link("new", signed=False))).status_code == 400
    assert (await world.control("pay_tampered", {"reference": "mine", "price": "0.50"})).status_code == 400


async def test_a_link_s_own_notification_address_counts_only_with_sys(world: World) -> None:
    own = world.merchant.base_url + "/hook/own"
    await world.open("with", urlNotification=own)
    await world.open("without", urlNotification=own, sys=None)
    await world.open("empty", urlNotification=own, sys="")
    for order in ("with", "without", "empty"):
        await world.prodamus.control.pay(order)
    assert {came.fields["order_num"]: came.path for came in await world.told()} == {
        "with": "/hook/own",
        "without": "/hook",
        "empty": "/hook",
    }


@pytest.mark.parametrize("as_multipart", [False, True])
async def test_a_link_may_be_posted_as_a_form(world: World, as_multipart: bool) -> None:
    fields = dict(write_pairs(read_query(world.link(do="link").partition("?")[2])))
    url = world.prodamus.page_url()
    form: dict[str, Any] = {"files": {name: (None, value) for name, value in fields.items()}} if as_multipart else {"data": fields}
    answer = await world.browser.post(url, **form)
    assert (await world.browser.get(answer.text)).status_code == 200


async def test_bodies_and_queries_have_their_limits(world: World) -> None:
    url = world.prodamus.page_url()
    assert (await world.browser.post(url, content=b"a" * 2_000_000)).status_code == 413
    assert (await world.browser.post(url, content=b"a=1&" * 1_001)).status_code == 400
    assert (await world.browser.get(url + "?do=%FF")).status_code == 400
    assert (await world.browser.get(url)).status_code == 400


async def test_nothing_asks_for_a_status_or_gives_money_back(world: World) -> None:
    await world.open()
    charge = (await world.prodamus.control.pay("ord-42")).charge
    for path in ("rest/refund/", "rest/getOrder/", "rest/status/", f"orders/{charge}", f"refund/{charge}", "api/v1/orders"):
        for base in (world.prodamus.page_url(), world.prodamus.base_url + "/"):
            assert {(await world.browser.request(method, base + path)).status_code for method in ("GET", "POST")} == {404}


async def test_faults_are_for_the_merchant_s_calls_and_not_for_the_payer(world: World) -> None:
    world.prodamus.faults.once("500_after")
    assert (await world.browser.get(world.link())).status_code == 200
    assert (await world.browser.get(world.link(do="link"))).status_code == 500
    # The link that nobody was told of is no harm: asked again, there is another.
    assert (await world.browser.get(await world.short())).status_code == 200
    world.prodamus.faults.once("cut_before", "link")
    with pytest.raises(httpx.TransportError):
        await world.short()


async def test_many_payers_at_one_link_pay_it_once(world: World) -> None:
    url = await world.short()
    answers = await asyncio.gather(*(world.choose(url, "pay") for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [303] + [410] * 7
    assert len(await world.told()) == 1


async def test_the_pages_can_be_read_and_used_without_seeing_them(world: World) -> None:
    asking = (await world.browser.get(world.link(customer_phone=None))).text
    wrong = (await world.choose(action(asking), "contact", customer_phone="a")).text
    paying = (await world.browser.get(world.link("two"))).text
    await world.choose(action(paying), "decline")
    declined = (await world.browser.get(action(paying))).text
    titles = ("Your phone – payment", "Not a phone number – payment", "Payment", "Declined – payment")
    for text, title in zip((asking, wrong, paying, declined), titles, strict=True):
        assert "<html lang=en>" in text
        assert f"<title>{title} to shop.payform.ru</title>" in text
        assert text.count("<h1>") == 1
        assert text.count("<input ") == text.count("<label")
        assert all(label.strip() for label in between(text, ">", "</button>"))
    assert buttons(asking) == ["contact", "cancel"]


def between(text: str, start: str, end: str) -> list[str]:
    return [part.rpartition(start)[2] for part in text.split(end)[:-1]]


def buttons(text: str) -> list[str]:
    return [part.partition('value="')[2].partition('"')[0] for part in text.split("<button ")[1:]]


def action(text: str) -> str:
    return text.partition('action="')[2].partition('"')[0]
