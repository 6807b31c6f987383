"""An order as a guest makes it: by keyboard, without JavaScript, paid at the second try; and its result, anywhere, later, and on paper."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Page, expect

from deploy.local.stack import Stack
from tests.browser.conftest import Arrive
from tests.browser.furnished import answered, order
from tests.browser.looking import axe, is_within_its_width, screenshot
from tests.browser.visitors import PHONE, SMALL_PHONE, Visitor
from tests.flow.people import Person

FORM = "/{locale}/orders/chakras"
MOCK = "/payment/mock?*"
CHAKRAS = ("Muladhara", "Svadhisthana", "Manipura", "Anahata", "Vishuddha", "Ajna", "Sahasrara")


async def tab_to(page: Page, wanted: str) -> None:
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.locator(wanted).evaluate("one => one === document.activeElement"):
            return
    raise AssertionError(f"{wanted} is not reached")


def order_of(page: Page) -> str:
    """The order whose payment page this is."""
    return parse_qs(urlsplit(page.url).query)["order_id"][0]


async def ordered(visitor: Visitor, email: str = "ana@example.org") -> str:
    """Sends the form as it is; the id of the order, whose payment page is open then."""
    await visitor.open(FORM)
    await visitor.fill("E-mail", email)
    await visitor.press("Order and pay %(sum)s", sum=visitor.money(99_000))
    await visitor.arrives(MOCK)
    return order_of(visitor.page)


async def test_with_nothing_but_a_keyboard(visitor: Visitor) -> None:
    page = await visitor.open(FORM)
    await axe(page)
    await tab_to(page, "#muladhara")
    ring = await page.locator("#muladhara").evaluate("one => getComputedStyle(one).outlineStyle")
    assert ring != "none"
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowUp"):
        await page.keyboard.press(key)
    await expect(page.locator("output[for=muladhara]")).to_have_text("3")
    await tab_to(page, "[name=with_svadhisthana]")
    await page.keyboard.press("Space")
    await expect(page.get_by_role("slider", name="Svadhisthana")).to_be_disabled()
    await tab_to(page, "#ajna")
    await page.keyboard.press("End")
    await tab_to(page, "#birth_date")
    await page.keyboard.type("05051990")
    await tab_to(page, "#email")
    await page.keyboard.type("ana@example.org")
    await page.keyboard.press("Enter")
    await visitor.arrives(MOCK)
    await tab_to(page, "button[value=success]")
    await page.keyboard.press("Enter")
    await visitor.arrives("/{locale}/orders/*/success?session_id=*")
    reading = page.get_by_role("article")
    await expect(reading.get_by_role("heading", name="Muladhara (support and safety): 3 of 10")).to_be_visible()
    await expect(reading.get_by_role("heading", name="Ajna (clarity and intuition): 10 of 10")).to_be_visible()
    await expect(reading.get_by_role("heading", name="Svadhisthana")).to_have_count(0)
    await expect(reading.get_by_role("heading", name="What the date of birth adds: life path 11")).to_be_visible()
    await axe(page)


async def test_the_script_says_of_the_fields_what_the_server_says(arrive: Arrive, stack: Stack) -> None:
    scripted, plain = await arrive(stack, "sr"), await arrive(stack, "sr", viewport=SMALL_PHONE, scripts=False)
    wrong = [{"E-mail": "", "Phone": ""}, {"E-mail": "ana@localhost", "Phone": "12"}, {"E-mail": "a b@c.rs", "Phone": "call me"}]
    for visitor in (scripted, plain):
        await visitor.open(FORM)
    for fields in wrong:
        said = []
        for visitor in (scripted, plain):
            # What browsers themselves say of an address, in words of their own, is not asked here.
            await visitor.page.locator("#order").evaluate("one => { one.noValidate = true; }")
            for name, text in fields.items():
                await visitor.fill(name, text)
            await visitor.press("Order and pay %(sum)s", sum=visitor.money(99_000))
            await expect(visitor.page.locator("#errors")).to_be_visible()
            said.append(
                (await visitor.page.locator(".wrong").all_text_contents(), await visitor.page.locator("#errors li").all_text_contents())
            )
        assert said[0] == said[1] != ([], [])
        assert said[0][0] == said[0][1]
    await expect(scripted.page.locator("#errors")).to_be_focused()
    assert urlsplit(scripted.page.url).path == "/sr/orders/chakras"
    await axe(scripted.page)
    for chakra in CHAKRAS:
        await scripted.page.get_by_role("checkbox", name=scripted.say("Include %(name)s", name=scripted.say(chakra))).uncheck()
    await scripted.press("Order and pay %(sum)s", sum=scripted.money(99_000))
    await expect(scripted.page.locator("#points-error")).to_have_text(scripted.say("Include at least one point, each from 0 to 10."))


async def test_without_javascript_the_order_is_made_paid_and_read(arrive: Arrive, stack: Stack) -> None:
    visitor = await arrive(stack, "ru", viewport=SMALL_PHONE, scripts=False)
    page = await visitor.open(FORM)
    await is_within_its_width(page)
    await expect(page.locator(".scale").first).to_be_visible()
    await expect(page.locator("output").first).to_be_hidden()
    await page.get_by_role("slider", name=visitor.say("Ajna")).fill("9")
    await page.get_by_role("checkbox", name=visitor.say("Include %(name)s", name=visitor.say("Manipura"))).uncheck()
    await visitor.fill("Phone", "+381 60 123 4567")
    await visitor.press("Order and pay %(sum)s", sum=visitor.money(99_000))
    await visitor.arrives(MOCK)
    await visitor.press("Pay")
    await visitor.arrives("/{locale}/orders/*/success?session_id=*")
    reading = page.get_by_role("article")
    await expect(reading.get_by_role("heading", name="Аджна (ясность и интуиция): 9 из 10")).to_be_visible()
    await expect(reading.get_by_role("heading", name="Манипура")).to_have_count(0)
    await is_within_its_width(page)


async def test_a_double_click_and_the_back_button_make_one_order(visitor: Visitor) -> None:
    await visitor.open(FORM)
    await visitor.fill("E-mail", "twice@example.org")
    await visitor.find("button", "Order and pay %(sum)s", sum=visitor.money(99_000)).dblclick()
    await visitor.arrives(MOCK)
    first = order_of(visitor.page)
    await visitor.page.go_back(wait_until="domcontentloaded")
    await visitor.press("Order and pay %(sum)s", sum=visitor.money(99_000))
    await visitor.arrives(MOCK)
    assert order_of(visitor.page) == first
    await visitor.page.go_back(wait_until="domcontentloaded")
    await visitor.find("slider", "Ajna").fill("1")
    await visitor.press("Order and pay %(sum)s", sum=visitor.money(99_000))
    await visitor.arrives(MOCK)
    assert order_of(visitor.page) != first, "something else is wanted: that is another order"


async def test_a_declined_payment_is_tried_again(visitor: Visitor) -> None:
    order_id = await ordered(visitor)
    await visitor.press("Decline")
    await visitor.arrives(f"/{{locale}}/orders/{order_id}/payment-failed?session_id=*")
    await expect(visitor.page.get_by_role("alert")).to_have_text(visitor.say("The payment did not go through; the order is not paid."))
    await axe(visitor.page)
    await visitor.open(f"/{{locale}}/orders/{order_id}/success")
    await visitor.follow("Try again")
    await visitor.press("Try again")
    await visitor.arrives(MOCK)
    assert order_of(visitor.page) == order_id
    await visitor.open(f"/{{locale}}/orders/{order_id}/payment-failed")
    await visitor.follow("Continue to payment")
    await visitor.arrives(MOCK)
    await visitor.press("Pay")
    await visitor.sees("Thank you, your order is paid.")


async def test_the_link_shows_what_becomes_of_the_order_on_every_device_and_on_paper(arrive: Arrive, stack: Stack, admin: Person) -> None:
    made = await order(admin, "sr")
    link = f"/{{locale}}/orders/{made['order_id']}/success"
    at_home = await arrive(stack, "sr")
    phone = await arrive(stack, "en", viewport=PHONE, dark=True, scripts=False)
    await at_home.open(link)
    await at_home.sees("We are waiting for the payment provider. This page updates by itself.")
    await phone.open(link)
    await phone.sees("We are waiting for the payment provider. This page updates by itself.")
    await answered(admin, "/balance/mock/complete", {"session_id": made["session_id"]}, 200)
    for visitor in (at_home, phone):
        await expect(visitor.page.get_by_role("article")).to_contain_text("Anahata (toplina i bliskost): 8 od 10")
        await expect(visitor.page.locator("#told")).to_have_text(visitor.say("Thank you, your order is paid."))
    assert len(await phone.page.locator(".bars li").all()) == 4, "what was entered"
    await expect(phone.page.locator(".bars")).to_contain_text(re.compile(r"Anahata\s+8 of 10"))

    await at_home.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await at_home.press("Copy the link")
    await at_home.sees("Copied")
    copied = await at_home.page.evaluate("navigator.clipboard.readText()")
    elsewhere = await arrive(stack, "ru", viewport=SMALL_PHONE)
    page = await elsewhere.open(copied)
    await expect(page.get_by_role("article")).to_contain_text("Anahata (toplina i bliskost): 8 od 10")
    await axe(page)
    await is_within_its_width(page)

    paper = at_home.page
    await paper.emulate_media(media="print")
    for gone in ("header.site", "footer.site", ".keep", "#told"):
        await expect(paper.locator(gone)).to_be_hidden()
    await expect(paper.get_by_role("article")).to_be_visible()
    await screenshot(paper, "order-on-paper")


async def test_without_a_connection_the_page_says_so_and_goes_on_by_itself(arrive: Arrive, stack: Stack, admin: Person) -> None:
    made = await order(admin)
    visitor = await arrive(stack)
    visitor.watch.expect("^failed request GET: .*ERR_INTERNET_DISCONNECTED")
    page = await visitor.open(f"/{{locale}}/orders/{made['order_id']}/success")
    await visitor.context.set_offline(True)
    await visitor.sees("There is no connection at the moment; this page keeps trying.")
    await visitor.context.set_offline(False)
    await asyncio.gather(
        answered(admin, "/balance/mock/complete", {"session_id": made["session_id"]}, 200),
        expect(page.get_by_role("article")).to_be_visible(),
    )
