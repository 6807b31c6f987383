"""An operator at work: decides in dialogs with nothing but a keyboard, and sees the day as it goes; nobody else gets in."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Locator, Page, expect

from deploy.local.stack import Stack
from tests.browser.conftest import Arrive
from tests.browser.furnished import withdraw
from tests.browser.looking import axe, tab_to
from tests.browser.visitors import Visitor
from tests.browser.words import LANGUAGES
from tests.flow.people import WAIT_SECONDS, Person

LIST = "/{locale}/admin/withdrawals"


@pytest.fixture
async def operator(arrive: Arrive, stack: Stack, admin: Person) -> Visitor:
    return await arrive(stack, person=admin)


def row_of(page: Page, person: Person) -> Locator:
    return page.get_by_role("row").filter(has_text=person.id)


async def status_of(person: Person, withdrawal_id: str) -> tuple[str, str | None]:
    told = (await person.get(f"/withdrawals/{withdrawal_id}")).json()
    return told["status"], told["reason"]


@pytest.mark.parametrize("locale", LANGUAGES)
async def test_a_withdrawal_is_approved_in_a_dialog_by_keyboard(
    arrive: Arrive, stack: Stack, admin: Person, student: Person, locale: str
) -> None:
    await student.top_up(1000)
    withdrawal_id = await withdraw(student, "400")
    operator = await arrive(stack, locale, person=admin)
    page = await operator.open(LIST)
    approve = row_of(page, student).get_by_role("link", name=operator.say("Approve"))
    await approve.focus()
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name=operator.say("Approve this withdrawal?"))
    await expect(dialog).to_be_visible()
    await axe(page)

    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(approve).to_be_focused()
    assert await status_of(student, withdrawal_id) == ("pending", None)

    await page.keyboard.press("Enter")
    await expect(dialog.get_by_role("button", name=operator.say("Approve"), exact=True)).to_be_focused()
    await page.keyboard.press("Enter")
    await operator.arrives(f"{LIST}?status=pending&decided={withdrawal_id}")
    await expect(page.get_by_role("status").filter(has_text=student.id)).to_contain_text("400")
    await expect(row_of(page, student)).to_have_count(0)
    assert (await status_of(student, withdrawal_id))[0] in ("approved", "sending", "paid")


async def test_a_rejection_owes_a_reason_and_says_who_and_when(operator: Visitor, student: Person, admin: Person) -> None:
    await student.top_up(1000)
    withdrawal_id = await withdraw(student, "300")
    page = await operator.open(LIST)
    await row_of(page, student).get_by_role("link", name="Reject").click()
    dialog = page.get_by_role("dialog", name="Reject this withdrawal?")
    reason = dialog.get_by_label("Reason", exact=True)
    await expect(reason).to_be_focused()
    await page.keyboard.press("Enter")
    assert await reason.evaluate("one => one.validity.valueMissing")
    await expect(dialog).to_be_visible()
    await page.keyboard.type("the account is closed")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status").filter(has_text=student.id)).to_contain_text("Rejected")
    assert await status_of(student, withdrawal_id) == ("rejected", "the account is closed")

    await operator.open(f"{LIST}?status=rejected")
    await expect(row_of(page, student)).to_contain_text(f"user {admin.id}")
    await expect(row_of(page, student)).to_contain_text("the account is closed")
    await row_of(page, student).get_by_role("link").first.click()
    await expect(page.get_by_text("withdrawal.reject")).to_be_visible()
    await axe(page)


async def test_without_javascript_a_page_asks_instead(arrive: Arrive, stack: Stack, admin: Person, student: Person) -> None:
    await student.top_up(1000)
    withdrawal_id = await withdraw(student, "200")
    operator = await arrive(stack, person=admin, scripts=False)
    page = await operator.open(LIST)
    await row_of(page, student).get_by_role("link", name="Reject").click()
    await operator.arrives(f"/en/admin/withdrawals/{withdrawal_id}*")
    await page.get_by_label("Reason", exact=True).fill("not yours")
    await operator.press("Reject")
    await operator.arrives(f"{LIST}?status=pending&decided={withdrawal_id}")
    assert await status_of(student, withdrawal_id) == ("rejected", "not yours")


async def test_the_list_and_the_overview_keep_up_by_themselves(operator: Visitor, student: Person) -> None:
    await student.top_up(1000)
    page = await operator.open(LIST)
    await expect(row_of(page, student)).to_have_count(0)
    await withdraw(student, "100")
    # As when the tab comes to the front again: no waiting for the ten seconds.
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(row_of(page, student)).to_have_count(1)
    assert "UTC" not in await row_of(page, student).inner_text(), "in the operator's own zone, as what was there before"

    page = await operator.open("/{locale}/admin")
    figure = page.get_by_role("region", name="Money in")
    before = await figure.inner_text()
    await page.get_by_text("As a table").first.click()
    await student.top_up("123.45", "kwd")
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(figure).not_to_have_text(before)
    await expect(page.get_by_role("table", name="By outcome")).to_be_visible()


async def test_money_that_fits_nothing_is_given_to_whose_it_is(operator: Visitor, student: Person, admin: Person) -> None:
    made = await student.deposit(900)
    told = {"outcome": "success", "amount": 100, "currency": "rsd"}
    assert (await admin.post(f"/mock/payments/{made['session_id']}", told)).status_code == 200
    item = await suspended(admin, made["payment_id"])
    page = await operator.open("/{locale}/admin/suspense")
    await page.locator(f"a[href$='{item}']").click()
    await operator.follow("Give it to a user")
    dialog = page.get_by_role("dialog", name="Give it to a user")
    await dialog.get_by_label("User ID").fill(student.id)
    await axe(page)
    await dialog.get_by_role("button", name="Credit the user").click()
    await expect(page.get_by_role("main")).to_contain_text(f"Given to{student.id}")
    await expect(page.get_by_role("main")).to_contain_text("Assigned")
    assert (await student.balance())["available_minor"] == 10_000


async def suspended(admin: Person, payment_id: str) -> str:
    """The id of what was kept of a payment."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            items = (await admin.get("/suspense", status="open")).json()["items"]
            found = [str(item["id"]) for item in items if item["payment_id"] == payment_id]
            if found:
                return found[0]
            await asyncio.sleep(0.05)


async def test_the_overview_shows_the_day_and_leads_on_to_the_work(operator: Visitor, student: Person) -> None:
    await student.top_up(5000)
    await withdraw(student, "700")
    page = await operator.open("/{locale}/admin")
    for name in ("Money in", "Money out", "On hold now", "Waiting now"):
        await expect(page.get_by_role("region", name=name)).to_be_visible()
    await expect(page.get_by_role("img", name="By outcome")).to_be_visible()
    await axe(page)
    await page.emulate_media(color_scheme="dark")
    await axe(page)
    await operator.follow("30 days")
    await operator.arrives("/en/admin?period=month#over-time")
    await tab_to(page, "link", "Withdrawals to approve")
    await page.keyboard.press("Enter")
    await operator.arrives(f"{LIST}?status=pending")
    await expect(row_of(page, student)).to_have_count(1)


async def test_nobody_else_gets_in(arrive: Arrive, stack: Stack, student: Person, mentor: Person, visitor: Visitor) -> None:
    for person in (student, mentor):
        other = await arrive(stack, person=person)
        page = await other.open("/{locale}/admin", status=403)
        await expect(page.get_by_role("alert")).to_be_visible()
        await expect(page.get_by_role("link", name="Operations")).to_have_count(0)
    page = await visitor.open("/en/admin")
    await visitor.arrives("/en/login?next=%2Fen%2Fadmin")
