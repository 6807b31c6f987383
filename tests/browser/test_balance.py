"""The balance page in a real browser: it keeps itself up to date, asks once, says what the server says, needs neither mouse nor script."""

from __future__ import annotations

import asyncio
import csv
from decimal import Decimal
from typing import Any

from playwright.async_api import Page, expect

from deploy.local.stack import Stack
from services.gateway.amounts import AmbiguousAmount, parse_amount
from shared.money import EXPONENTS, AmountOutOfRange, MoneyError, TooManyDecimals
from tests.browser.conftest import Arrive
from tests.browser.furnished import ACCOUNT, answered, withdraw
from tests.browser.looking import axe, is_within_its_width
from tests.browser.visitors import SMALL_PHONE, Visitor
from tests.browser.words import LANGUAGES
from tests.flow.people import Person
from tests.unit.test_amounts import READ

PAGE = "/{locale}/balance"


async def fill_in(visitor: Visitor, amount: str = "400") -> None:
    await visitor.fill("Amount", amount)
    await visitor.fill("Account number or IBAN", ACCOUNT)
    await visitor.fill("Account holder's name", "Jelena Jovanović")


async def withdrawals(person: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await person.get("/balance/withdrawals")).json()["items"]
    return found


async def never_reloaded(page: Page) -> None:
    assert await page.evaluate("window.neverReloaded === true"), "the page was loaded anew"


# ---- it keeps itself up to date


async def test_what_moves_is_seen_without_a_reload_and_what_is_being_typed_stays(arrive: Arrive, stack: Stack, student: Person) -> None:
    await student.top_up(1000)
    visitor = await arrive(stack, person=student)
    page = await visitor.open(PAGE)
    await visitor.has(100_000)
    await page.evaluate("window.neverReloaded = true")
    await visitor.fill("Amount", "12")
    rows = page.locator("table.history tbody tr")
    await expect(rows).to_have_count(1)

    await student.top_up("250.50")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("+RSD\xa0250.50")
    await student.top_up(45, "eur")
    await visitor.has(4_500, "eur")
    waiting = await withdraw(student, "100")
    await expect(page.locator(f"[data-withdrawal='{waiting}']")).to_contain_text("Pending")
    await expect(page.locator(".purse").first).to_contain_text("RSD\xa0100.00 on hold")
    assert (await answered(student, f"/withdrawals/{waiting}/cancel", status=200))["status"] == "canceled"
    await expect(page.locator("#news")).to_have_text("RSD\xa0100.00 Canceled")

    await expect(page.get_by_label("Amount", exact=True)).to_have_value("12")
    await visitor.fill("Amount", "1250.51")
    await visitor.press("Withdraw")
    await expect(page.locator("#amount-error")).to_have_text("You can withdraw at most RSD\xa01,250.50.")
    await never_reloaded(page)


async def test_while_there_is_no_socket_it_asks_by_itself(arrive: Arrive, stack: Stack, student: Person, admin: Person) -> None:
    await student.top_up(1000)
    mine = await withdraw(student, "300")
    visitor = await arrive(stack, person=student)
    visitor.watch.expect(r"stream/ticket", r"WebSocket")
    await visitor.context.route("**/api/v1/stream/ticket", lambda route: route.abort())
    # The page's clock is ours: half a minute is not waited for.
    await visitor.page.clock.install()
    page = await visitor.open(PAGE)
    item = page.locator(f"[data-withdrawal='{mine}']")
    await expect(item).to_contain_text("Pending")
    await answered(admin, f"/withdrawals/{mine}/reject", {"reason": "not today"}, 200)
    await page.clock.run_for(31_000)
    await expect(item).to_contain_text("Reason: not today")


# ---- it asks once


async def test_a_double_click_the_back_button_and_a_reload_are_one_withdrawal(arrive: Arrive, stack: Stack, student: Person) -> None:
    await student.top_up(1000)
    visitor = await arrive(stack, person=student)
    page = await visitor.open(PAGE)
    await fill_in(visitor)
    await visitor.find("button", "Withdraw").dblclick()
    await visitor.arrives(f"{PAGE}?withdrawal=*")
    await visitor.sees("Your withdrawal of %(amount)s is on hold now. It is paid out once it has been approved.", amount="RSD\xa0400.00")
    await page.reload()
    await page.go_back()
    await fill_in(visitor)
    await visitor.press("Withdraw")
    await visitor.arrives(f"{PAGE}?withdrawal=*")

    assert len(await withdrawals(student)) == 1
    await page.go_back()
    await fill_in(visitor, "300")
    await visitor.press("Withdraw")
    await visitor.sees("This form was sent before, with other values. If the list lacks what you want, send it again.")
    assert len(await withdrawals(student)) == 1
    await visitor.press("Withdraw")
    await visitor.arrives(f"{PAGE}?withdrawal=*")
    assert [one["amount_minor"] for one in await withdrawals(student)] == [30_000, 40_000]


# ---- it says what the server says


async def test_a_sum_is_read_by_the_page_as_by_the_server(arrive: Arrive, stack: Stack, student: Person) -> None:
    visitor = await arrive(stack, person=student)
    odd = ("", "x", "1e3", ".5", "5,", "1..5", "٣", "+1", "1 23", "12 34,5", "01 234", "1,5 000", "1.234 567,00", "1,234.567,00", "0", "-5")
    more = ("−5,00", "10000000000000,01", "1" * 61, "1,234.567", "12.345", "1.2345", "99999999999999999999", "00012", "\u2009 7 ")
    texts = [(row[0], row[1]) for row in READ] + [(text, currency) for text in (*odd, *more) for currency in ("rsd", "jpy", "kwd")]
    for locale in LANGUAGES:
        page = await visitor.open(f"/{locale}/balance")
        read = await page.evaluate(
            """texts => texts.map(([text, digits]) => {
                try { return purserAmounts.parse(text, digits); } catch (error) { return error.message; }
            })""",
            [[text, EXPONENTS[currency]] for text, currency in texts],
        )
        assert read == [by_the_server(text, currency, locale) for text, currency in texts]


def by_the_server(text: str, currency: str, locale: str) -> int | str:
    try:
        return parse_amount(text, currency, locale).amount_minor
    except AmbiguousAmount:
        return "ambiguous"
    except TooManyDecimals:
        return "decimals"
    except AmountOutOfRange:
        return "range"
    except MoneyError:
        return "malformed"


async def test_what_cannot_be_is_told_beside_its_field_before_anything_is_sent(arrive: Arrive, stack: Stack, student: Person) -> None:
    await student.top_up(1000)
    visitor = await arrive(stack, "sr", person=student, viewport=SMALL_PHONE)
    page = await visitor.open(PAGE)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" and "/balance" in request.url else None)
    told = {
        "": "Unesite iznos ciframa",
        "1.000,01": "Možete da isplatite najviše 1.000,00 RSD.",
        "2,000": "na dva načina",
        "0": "veći od nule",
    }
    for amount, words in told.items():
        await visitor.fill("Amount", amount)
        await visitor.press("Withdraw")
        await expect(page.locator("#amount-error")).to_contain_text(words.replace(" RSD", "\xa0RSD"))
        await expect(page.locator("#amount")).to_be_focused()
    await expect(page.locator("#amount")).to_have_attribute("aria-describedby", "amount-error")
    await axe(page)
    await is_within_its_width(page)
    assert sent == []
    await fill_in(visitor, "1.000,00")
    await expect(page.locator("#amount-error")).to_have_count(0)
    await visitor.press("Withdraw")
    await visitor.arrives(f"{PAGE}?withdrawal=*")
    assert [one["amount_minor"] for one in await withdrawals(student)] == [100_000]


# ---- filters


async def test_days_are_the_visitors_own_and_the_csv_has_the_same_rows(arrive: Arrive, stack: Stack, student: Person) -> None:
    await student.top_up(1000)
    await student.top_up(45, "eur")
    await withdraw(student, "300")
    visitor = await arrive(stack, person=student)
    page = await visitor.open(PAGE)
    await page.get_by_text("Filter", exact=True).click()
    await page.get_by_label("Kind", exact=True).select_option("deposit")
    await visitor.fill("From", "2026-01-01")
    await visitor.press("Show")
    await visitor.arrives(f"{PAGE}?kind=deposit&from=2026-01-01&zone=Europe%2FBelgrade*")
    await axe(page)
    shown = [" ".join(text.split()) for text in await page.locator("table.history td.change").all_inner_texts()]
    async with page.expect_download() as download:
        await visitor.follow("Download as CSV")
    lines = list(csv.DictReader((await (await download.value).path()).read_text(encoding="utf-8").splitlines()))

    assert shown == ["+€45.00", "+RSD 1,000.00"]
    assert [(line["currency"], Decimal(line["amount"])) for line in lines] == [("eur", Decimal(45)), ("rsd", Decimal(1000))]
    await visitor.fill("Until", "2025-01-01")
    await visitor.press("Show")
    await expect(page.get_by_label("Until", exact=True)).to_have_attribute("aria-invalid", "true")


# ---- with a keyboard, without a script


async def test_with_a_keyboard_alone_one_is_asked_for_and_called_off(arrive: Arrive, stack: Stack, student: Person) -> None:
    await student.top_up(1000)
    visitor = await arrive(stack, person=student, dark=True)
    page = await visitor.open(PAGE)
    await page.get_by_label("Amount", exact=True).focus()
    for text in ("75", None, ACCOUNT, "Jelena Jovanović"):
        if text is not None:
            await page.keyboard.type(text)
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await visitor.arrives(f"{PAGE}?withdrawal=*")

    cancel = page.get_by_role("link", name="Cancel the withdrawal of RSD\xa075.00", exact=True)
    dialog = visitor.find("dialog", "Cancel this withdrawal?")
    await cancel.press("Enter")
    await expect(dialog.get_by_role("button", name="Keep it", exact=True)).to_be_focused()
    await axe(page)
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(cancel).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Enter")
    await visitor.sees("Your withdrawal of %(amount)s was canceled. The money is back on your balance.", amount="RSD\xa075.00")
    assert [one["status"] for one in await withdrawals(student)] == ["canceled"]


async def test_without_a_script_all_of_it_works_too(arrive: Arrive, stack: Stack, student: Person) -> None:
    await asyncio.gather(*(student.top_up(amount) for amount in (1000, 200)))
    visitor = await arrive(stack, "ru", person=student, scripts=False, viewport=SMALL_PHONE)
    page = await visitor.open(PAGE)
    await expect(page.locator("balance-widget").first).to_have_text("1\xa0200,00\xa0RSD")
    await fill_in(visitor, "1 200,01")
    await visitor.press("Withdraw")
    await expect(page.locator("#amount-error")).to_have_text("Можно вывести не больше 1\xa0200,00\xa0RSD.")
    await visitor.fill("Amount", "1 200,00")
    await visitor.press("Withdraw")
    await visitor.arrives(f"{PAGE}?withdrawal=*")
    await page.locator("[data-withdrawal] a").click()
    await visitor.press("Cancel the withdrawal")
    await visitor.arrives(f"{PAGE}?withdrawal=*")
    await expect(page.locator("[data-withdrawal]")).to_contain_text(visitor.say("Canceled"))

    await page.locator("summary").click()
    await page.get_by_label(visitor.say("Kind"), exact=True).select_option("deposit")
    await visitor.press("Show")
    await expect(page.locator("table.history tbody tr")).to_have_count(2)
