"""Real providers' flows clicked through at their stand-ins: Stripe's form in our own page, AllSecure's page elsewhere and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitmqServer
from deploy.local.stack import Stack
from tests.browser.conftest import Arrive
from tests.browser.looking import axe, is_within_its_width, screenshot
from tests.browser.visitors import PHONE, Visitor
from tests.flow.people import Person, newcomer
from tests.servers import shared_stack

PLAYED = ("stripe", "allsecure")
SUCCESS = "/{locale}/balance/deposit/success?session_id=*"


@pytest.fixture(scope="module")
async def played(postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer) -> AsyncIterator[Stack]:
    """The four services, and both providers' stand-ins beside them."""
    async with shared_stack(postgres_server, rabbitmq_server, {"PROVIDERS": "stripe,allsecure,mock"}, stand_ins=PLAYED) as stack:
        yield stack


@pytest.fixture
async def student(played: Stack) -> AsyncIterator[Person]:
    async with newcomer(played) as person:
        yield person


@pytest.fixture
async def visitor(arrive: Arrive, played: Stack, student: Person) -> Visitor:
    """The student's phone, which may go on to the providers."""
    visitor = await arrive(played, person=student, viewport=PHONE)
    visitor.watch.allow(*(origin(played, name) for name in PLAYED))
    return visitor


def origin(stack: Stack, provider: str) -> str:
    parts = urlsplit(stack.stand_ins.url(provider))
    return f"{parts.scheme}://{parts.netloc}"


async def chooses_card(visitor: Visitor, words: str) -> None:
    """In the frame that only Stripe's own script looks into."""
    await visitor.page.frame_locator("#payment-element iframe").get_by_text(words).click()


@pytest.mark.parametrize("choice", ["decline", "pay"])
async def test_allsecure_from_the_form_to_its_own_page_and_back(visitor: Visitor, student: Person, choice: str) -> None:
    page = await visitor.open("/{locale}/balance/deposit?currency=eur")
    await visitor.fill("Amount", "20.50")
    await page.get_by_role("radio", name="AllSecure").check()
    await visitor.press("Top up")
    await page.locator(f"button[value={choice}]").click()
    if choice == "decline":
        await visitor.arrives("/{locale}/balance/deposit?error=payment_failed&session_id=*")
        # The payer may be back before the provider's word; the page then says that the payment is open, and changes by itself.
        await expect(page.get_by_role("alert")).to_contain_text("The payment did not go through")
    else:
        await visitor.arrives(SUCCESS)
        await visitor.sees("The money is on your balance.")
        await visitor.has(2_050, "eur")
    assert (await student.balance("eur"))["available_minor"] == (2_050 if choice == "pay" else 0)


async def test_a_session_by_card(visitor: Visitor) -> None:
    page = await visitor.open("/{locale}/sessions/1/pay")
    await page.get_by_role("radio", name="Card Entered in Stripe").check()
    await visitor.press("Pay %(amount)s", amount=visitor.money(5_000, "usd"))
    await visitor.arrives("/{locale}/pay/*")
    await chooses_card(visitor, "4242 … pays")
    await page.locator("#pay").click()
    await visitor.arrives("/{locale}/sessions/1/paid?*")
    await visitor.sees("Thank you. The payment has reached your mentor.")


async def test_a_card_that_is_declined_and_one_that_pays(visitor: Visitor, student: Person) -> None:
    made = (await student.post("/balance/deposit", {"amount": 20, "currency": "eur", "method": "stripe", "locale": "en"})).json()
    page = await visitor.open(made["payment_url"])
    await chooses_card(visitor, "0002 … is declined")
    await axe(page)
    await is_within_its_width(page)
    await screenshot(page, "checkout-phone-light")
    visitor.watch.expect(r"^status 402: POST .*/confirm$")
    pay = page.locator("#pay")
    await expect(pay).to_contain_text(visitor.money(2_000, "eur"))
    await pay.click()
    await expect(page.get_by_role("alert")).to_have_text("Your card was declined.")
    await chooses_card(visitor, "4242 … pays")
    await pay.click()
    await visitor.arrives(SUCCESS)
    await visitor.sees("The money is on your balance.")
    assert (await student.balance("eur"))["available_minor"] == 2_000
