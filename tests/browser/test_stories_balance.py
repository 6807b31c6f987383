"""The second write-up's balance clicked through: what has been, money out that somebody else approves, and a change of mind."""

from __future__ import annotations

import csv

import pytest
from playwright.async_api import Locator, expect

from deploy.local.stack import Stack
from tests.browser.conftest import Arrive
from tests.browser.furnished import ACCOUNT
from tests.browser.visitors import Visitor
from tests.browser.words import LANGUAGES
from tests.flow.people import Person

PAGE = "/{locale}/balance"


async def asks_for(visitor: Visitor, amount: str) -> Locator:
    """Sends the form; the withdrawal as the list has it."""
    known = await visitor.page.locator("[data-withdrawal]").count()
    await visitor.fill("Amount", amount)
    await visitor.fill("Account number or IBAN", ACCOUNT)
    await visitor.fill("Account holder's name", "Jelena Jovanović")
    await visitor.press("Withdraw")
    await expect(visitor.page.locator("[data-withdrawal]")).to_have_count(known + 1)
    return visitor.page.locator("[data-withdrawal]").first


@pytest.mark.parametrize("locale", LANGUAGES)
async def test_a_withdrawal_is_held_approved_by_an_admin_and_told_live(
    arrive: Arrive, stack: Stack, student: Person, admin: Person, locale: str
) -> None:
    await student.top_up(1000)
    visitor = await arrive(stack, locale, person=student)
    await visitor.open(PAGE)
    mine = await asks_for(visitor, "400")
    await expect(mine).to_contain_text(visitor.say("Pending"))
    await visitor.has(60_000)
    await expect(visitor.page.locator(".purse").first).to_contain_text(visitor.say("%(amount)s on hold", amount=visitor.money(40_000)))
    await visitor.page.evaluate("window.neverReloaded = true")

    operator = await arrive(stack, locale, person=admin)
    await operator.open(f"/{{locale}}/admin/withdrawals/{await mine.get_attribute('data-withdrawal')}")
    await operator.follow("Approve")
    await operator.page.get_by_role("dialog").get_by_role("button", name=operator.say("Approve"), exact=True).click()

    await expect(mine).to_contain_text(visitor.say("Paid"))
    await visitor.has(60_000)
    assert await visitor.page.evaluate("window.neverReloaded")
    await expect(visitor.page.locator("table.history tbody tr").first).to_contain_text(visitor.say("Withdrawal"))


@pytest.mark.parametrize("locale", LANGUAGES)
async def test_a_change_of_mind_brings_the_money_back_at_once(arrive: Arrive, stack: Stack, student: Person, locale: str) -> None:
    await student.top_up(1000)
    visitor = await arrive(stack, locale, person=student)
    await visitor.open(PAGE)
    mine = await asks_for(visitor, "250.50" if locale == "en" else "250,50")
    await visitor.has(74_950)
    await mine.get_by_role("link", name=visitor.say("Cancel")).click()
    await visitor.find("dialog", "Cancel this withdrawal?").get_by_role("button", name=visitor.say("Cancel the withdrawal")).click()
    await expect(mine).to_contain_text(visitor.say("Canceled"))
    await visitor.has(100_000)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_more_than_there_is_and_no_account_are_refused_beside_their_fields(
    arrive: Arrive, stack: Stack, student: Person, scripts: bool
) -> None:
    await student.top_up(100)
    visitor = await arrive(stack, "en", person=student, scripts=scripts)
    page = await visitor.open(PAGE)
    for amount, account, wrong in (("100.01", ACCOUNT, "Amount"), ("50", "žiro račun", "Account number or IBAN")):
        await visitor.fill("Amount", amount)
        await visitor.fill("Account number or IBAN", account)
        await visitor.fill("Account holder's name", "Jelena Jovanović")
        await visitor.press("Withdraw")
        await expect(page.get_by_label(wrong, exact=True)).to_have_attribute("aria-invalid", "true")
    assert (await student.balance())["held_minor"] == 0


async def test_history_is_filtered_paged_and_taken_away_as_a_table(arrive: Arrive, stack: Stack, student: Person) -> None:
    for amount in range(1, 23):
        await student.top_up(amount)
    visitor = await arrive(stack, person=student)
    page = await visitor.open(PAGE)
    rows = page.locator("table.history tbody tr")
    seen = await rows.count()
    await page.locator("#history").get_by_role("link", name="Older", exact=True).click()
    await visitor.arrives(f"{PAGE}?*")
    await expect(rows.last).to_contain_text(visitor.money(100))
    assert seen + await rows.count() == 22

    await page.locator("#history summary").click()
    await page.get_by_label("Kind", exact=True).select_option("refund")
    await visitor.press("Show")
    await visitor.sees("Nothing matches these filters.")
    await visitor.follow("Show everything")
    async with page.expect_download() as download:
        await visitor.follow("Download as CSV")
    lines = list(csv.DictReader((await (await download.value).path()).read_text(encoding="utf-8-sig").splitlines()))
    assert len(lines) == 22
    assert {line["kind"] for line in lines} == {"deposit"}
