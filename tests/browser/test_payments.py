"""Payments in a browser: a mentor sends a part back, an admin the rest, the payer watches; and the road is drawn for whoever looks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Locator, expect

from deploy.local.stack import Stack
from tests.browser.conftest import Arrive
from tests.browser.furnished import coaching_session, session_paid
from tests.browser.looking import axe, is_within_its_width
from tests.browser.visitors import SMALL_PHONE, Visitor
from tests.flow.people import Person, newcomer

PRICE_MINOR = 250_000


@dataclass(frozen=True, slots=True)
class Paid:
    """A session that a student has paid a mentor for: 2,500.00 RSD."""

    student: Person
    mentor: Person
    payment_id: str

    @property
    def path(self) -> str:
        return f"/{{locale}}/payments/{self.payment_id}"


@pytest.fixture
async def paid(stack: Stack) -> AsyncIterator[Paid]:
    async with newcomer(stack) as student, newcomer(stack, "mentor") as mentor:
        yield Paid(student, mentor, await session_paid(student, mentor, await coaching_session(mentor, PRICE_MINOR)))


def status_of(visitor: Visitor) -> Locator:
    return visitor.page.locator("#status .badge")


def refund_form(visitor: Visitor) -> Locator:
    return visitor.page.locator("#refund form[method=post]")


async def test_a_part_goes_back_by_keyboard_then_the_rest_and_the_payer_sees_it(
    arrive: Arrive, stack: Stack, paid: Paid, admin: Person
) -> None:
    payer = await arrive(stack, "sr", person=paid.student)
    await payer.open(paid.path)
    await expect(status_of(payer)).to_have_text(payer.say("Completed"))
    await expect(refund_form(payer)).to_have_count(0)

    mentor = await arrive(stack, person=paid.mentor)
    page = await mentor.open("/{locale}/payments")
    await mentor.page.get_by_role("link", name="An hour of coaching").press("Enter")
    await mentor.arrives(paid.path)
    amount = page.locator("#amount")
    await expect(amount).to_have_value("2500.00")
    await amount.focus()
    await page.keyboard.press("ControlOrMeta+A")
    await page.keyboard.type("1,000.50")
    await page.keyboard.press("Tab")
    await page.keyboard.type("shorter than booked")
    await page.keyboard.press("Enter")
    dialog = mentor.find("dialog", "Send this back?")
    await expect(dialog).to_contain_text("RSD\u00a01,000.50")
    await axe(page)
    await page.keyboard.press("Enter")
    await mentor.sees("%(amount)s has been sent back.", amount="RSD\u00a01,000.50")
    await expect(status_of(mentor)).to_have_text("Partly refunded")
    await expect(page.locator("#refunds")).to_contain_text("shorter than booked")
    await expect(page.locator("#amount")).to_have_value("1499.50")
    assert (await paid.mentor.balance())["available_minor"] == 149_950

    await expect(status_of(payer)).to_have_text(payer.say("Partly refunded"))
    await expect(payer.page.locator("#refunds")).to_contain_text("shorter than booked")

    operator = await arrive(stack, person=admin)
    await operator.open(paid.path)
    await operator.press("Send back")
    await operator.find("dialog", "Send this back?").get_by_role("button", name="Send back").click()
    await expect(status_of(operator)).to_have_text("Refunded")
    await expect(refund_form(operator)).to_have_count(0)
    await expect(status_of(payer)).to_have_text(payer.say("Refunded"))


async def test_whoever_thinks_better_of_it_sends_nothing_and_a_wrong_sum_is_told_at_once(arrive: Arrive, stack: Stack, paid: Paid) -> None:
    mentor = await arrive(stack, "ru", person=paid.mentor)
    page = await mentor.open(paid.path)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" and request.url.endswith("/refund") else None)
    for text, words in (
        ("2500,01", "That is too much: at most %(amount)s can still go back."),
        ("0", "The amount must be above 0, and no more than can be moved at once."),
    ):
        await page.locator("#amount").fill(text)
        await mentor.press("Send back")
        await expect(page.locator("#amount-error")).to_have_text(
            mentor.say(words, amount=mentor.money(PRICE_MINOR, "rsd")) if "%" in words else mentor.say(words)
        )
        await expect(page.locator("#amount")).to_be_focused()
    await page.locator("#amount").fill("10")
    await mentor.press("Send back")
    await expect(mentor.find("dialog", "Send this back?")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(mentor.find("dialog", "Send this back?")).to_be_hidden()
    assert sent == []


async def test_without_a_script_a_page_of_its_own_asks_once_more(arrive: Arrive, stack: Stack, paid: Paid) -> None:
    mentor = await arrive(stack, person=paid.mentor, scripts=False)
    page = await mentor.open(paid.path)
    await page.locator("#amount").fill("300")
    await mentor.press("Send back")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Send this back?")
    await mentor.press("Send back")
    await mentor.sees("%(amount)s has been sent back.", amount="RSD\u00a0300.00")
    assert (await paid.mentor.balance())["available_minor"] == PRICE_MINOR - 30_000


async def test_the_road_of_a_payment_is_drawn_from_the_request_to_open_pages(arrive: Arrive, stack: Stack, paid: Paid) -> None:
    mentor = await arrive(stack, person=paid.mentor)
    page = await mentor.open(paid.path)
    stops = page.locator(".road .stop")
    await expect(stops.first).to_contain_text("Payment requested")
    await expect(stops.last).to_contain_text("Open pages got the new balance")
    lanes = await page.locator(".road .dot").evaluate_all("dots => dots.map((one) => Math.round(one.getBoundingClientRect().left))")
    stations = await page.locator(".stations span").evaluate_all(
        "names => names.map((one) => { const box = one.getBoundingClientRect(); return Math.round(box.left + box.width / 2) - 8; })"
    )
    assert [min(range(5), key=lambda place: abs(stations[place] - left)) for left in lanes] == [1, 2, 0, 1, 1, 1, 3, 3, 3, 4]
    await stops.nth(2).get_by_text("Details").first.click()
    await expect(stops.nth(2)).to_contain_text("event_id")
    await expect(stops.nth(2)).not_to_contain_text("webhook-signature")
    await axe(page)
    await page.set_viewport_size(SMALL_PHONE)
    await is_within_its_width(page)
    await expect(page.locator(".stations")).to_be_hidden()
    await axe(page)


async def test_the_list_moves_by_itself_and_is_left_for_what_is_still_to_be_paid(
    arrive: Arrive, stack: Stack, student: Person, admin: Person
) -> None:
    first, second = await student.deposit(700), await student.deposit(800)
    payer = await arrive(stack, person=student, viewport=SMALL_PHONE)
    page = await payer.open("/{locale}/payments")
    await is_within_its_width(page)
    await axe(page)
    badges = page.locator("tbody .badge")
    await expect(badges).to_have_text(["Pending", "Pending"])
    assert (await student.complete(first["session_id"])).status_code == 200
    await expect(badges).to_have_text(["Pending", "Completed"])

    # Nobody tells an admin of other people's payments: their page asks.
    operator = await arrive(stack, person=admin)
    await operator.open(f"/{{locale}}/payments/{second['payment_id']}")
    await expect(operator.find("link", "Continue to payment")).to_have_count(0)

    await page.locator("tbody a").first.click()
    await payer.arrives(f"/{{locale}}/payments/{second['payment_id']}")
    await expect(payer.find("link", "Continue to payment")).to_be_visible()
    await payer.press("Cancel the payment")
    await payer.find("dialog", "Cancel this payment?").get_by_role("button", name="Cancel the payment").click()
    await expect(status_of(payer)).to_have_text("Canceled")
    await expect(payer.find("link", "Continue to payment")).to_have_count(0)
    await expect(status_of(operator)).to_have_text("Canceled")
    await expect(operator.page.locator(".road")).to_contain_text("Payment canceled")


async def test_an_operator_records_what_went_back_elsewhere(arrive: Arrive, stack: Stack, paid: Paid, admin: Person) -> None:
    operator = await arrive(stack, person=admin)
    page = await operator.open(paid.path)
    dialog = operator.find("dialog", "Send this back?")
    await operator.press("Send back")
    await expect(dialog).to_contain_text("cannot be undone")
    await expect(dialog).not_to_contain_text("Only recorded", use_inner_text=True)
    await dialog.get_by_role("button", name="Not now").click()
    await page.get_by_text("For operators").click()
    await operator.fill("Reference at the provider", "PR-2026-17")
    await page.get_by_label("Even if the balance does not cover it").check()
    await operator.fill("Amount, RSD", "500")
    await operator.press("Send back")
    await expect(dialog).to_contain_text("Only recorded", use_inner_text=True)
    await expect(dialog).to_contain_text("the platform bears the rest", use_inner_text=True)
    await dialog.get_by_role("button", name="Send back").click()
    await expect(page.locator("#refunds")).to_contain_text("recorded by hand")
    await expect(status_of(operator)).to_have_text("Partly refunded")
