"""The first write-up clicked through: the stand-in provider's page credits once, in every language, and what it decided stands."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from deploy.local.stack import Stack
from tests.browser.conftest import Arrive
from tests.browser.words import LANGUAGES
from tests.flow.people import Person

SUCCESS = "/{locale}/balance/deposit/success?session_id=*"


@pytest.mark.parametrize("locale", LANGUAGES)
async def test_paying_moves_the_balance_at_the_top_without_a_reload(arrive: Arrive, stack: Stack, student: Person, locale: str) -> None:
    visitor = await arrive(stack, locale, person=student)
    made = await student.deposit("2000.50")
    page = await visitor.open(f"/{{locale}}/payment/mock?session_id={made['session_id']}&amount=1&currency=usd")
    await expect(page.locator("main")).to_contain_text(visitor.money(200_050))
    await visitor.has(0)
    await visitor.press("Pay")
    await visitor.arrives(SUCCESS)
    await visitor.sees("The money is on your balance.")
    await visitor.has(200_050)

    await visitor.open(f"/{{locale}}/payment/mock?session_id={made['session_id']}")
    await visitor.sees("This payment has already been decided.")
    assert (await student.balance())["available_minor"] == 200_050


async def test_the_older_link_and_one_without_a_language(arrive: Arrive, stack: Stack, student: Person) -> None:
    visitor = await arrive(stack, person=student)
    made = await student.deposit()
    await visitor.open(f"/payment/mock?id={made['session_id']}")
    await visitor.press("Pay")
    await visitor.arrives(SUCCESS)
    await visitor.has(200_000)


async def test_cancelled_it_leads_back_to_the_form_and_credits_nothing(arrive: Arrive, stack: Stack, student: Person) -> None:
    visitor = await arrive(stack, "ru", person=student)
    made = await student.deposit()
    await visitor.open(f"/{{locale}}/payment/mock?session_id={made['session_id']}")
    await visitor.press("Cancel")
    await visitor.arrives("/{locale}/balance/deposit?error=payment_failed&session_id=*")
    await visitor.has(0)


async def test_two_tabs_and_a_double_click_credit_once(arrive: Arrive, stack: Stack, student: Person) -> None:
    visitor = await arrive(stack, person=student)
    address = f"/{{locale}}/payment/mock?session_id={(await student.deposit())['session_id']}"
    first = await visitor.open(address)
    await visitor.new_tab(address)
    await visitor.find("button", "Pay").dblclick()
    await visitor.arrives(SUCCESS)
    await visitor.has(200_000)
    visitor.page = first
    await visitor.press("Decline")
    await visitor.arrives(SUCCESS)
    assert (await student.balance())["available_minor"] == 200_000
