"""<balance-widget> on our own pages: what it shows and tells, while nothing is broken."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from deploy.local.stack import Stack
from services.gateway.hypertext.formats import Formats
from tests.browser.conftest import Arrive
from tests.browser.furnished import withdraw
from tests.browser.looking import axe, screenshot
from tests.browser.visitors import SMALL_PHONE
from tests.browser.widget_world import Seen, put, watched
from tests.flow.people import Person, newcomer

NOW = "GET /balance?currency=rsd"


async def test_the_first_snapshot_is_shown_and_nothing_is_asked_besides(stack: Stack, arrive: Arrive, student: Person) -> None:
    await student.top_up("2000.50")
    line, widget = await watched(await arrive(stack, person=student))

    await widget.shows("RSD 2,000.50")
    assert (len(line.sockets), line.asked("POST /stream/ticket"), line.asked(NOW)) == (1, 1, 0)
    assert await line.told("connection") == [{"state": "live"}]
    (told,) = await line.told("balance")
    assert (told["currency"], told["available_minor"], told["version"]) == ("rsd", 200_050, 1)
    assert await widget.element.evaluate("one => one.balance.available_minor") == 200_050


async def test_who_has_nothing_sees_zero(stack: Stack, arrive: Arrive, student: Person) -> None:
    _, widget = await watched(await arrive(stack, person=student))
    await widget.shows("RSD 0.00")


async def test_a_completed_deposit_is_shown_and_told_without_a_reload(stack: Stack, arrive: Arrive, student: Person) -> None:
    await student.top_up(2000)
    visitor = await arrive(stack, person=student)
    line, widget = await watched(visitor)
    made = await student.top_up(500)

    await widget.shows("RSD 2,500.00")
    await expect(widget.part("change")).to_have_text("+RSD 500.00")
    await screenshot(visitor.page, "widget-change")
    await expect(widget.part("spoken")).to_have_text("Balance: RSD 2,500.00")
    await line.hears("balance", available_minor=250_000, change_minor=50_000, kind="deposit", payment_id=made["payment_id"])
    await line.hears("payment", payment_id=made["payment_id"], status="completed")
    assert [told["version"] for told in await line.told("balance")] == [1, 2], "both in the life of one page"
    assert line.asked(NOW) == 0


async def test_held_money_is_shown_beside_and_its_withdrawal_is_told(stack: Stack, arrive: Arrive, student: Person) -> None:
    await student.top_up(2000)
    line, widget = await watched(await arrive(stack, person=student))
    await expect(widget.part("held")).to_be_hidden()
    withdrawal = await withdraw(student, "300")

    await widget.shows("RSD 1,700.00")
    await expect(widget.part("held")).to_have_text("RSD 300.00 on hold")
    await expect(widget.part("change")).to_have_text("−RSD 300.00")
    await line.hears("withdrawal", withdrawal_id=withdrawal, status="pending")


async def test_several_widgets_share_one_socket_and_tell_the_page_once(stack: Stack, arrive: Arrive, student: Person) -> None:
    await student.top_up(100)
    visitor = await arrive(stack, person=student)
    line, header = await watched(visitor)
    again, euros = await put(visitor.page, currency="rsd"), await put(visitor.page, currency="EUR")
    spoken = [await widget.part("told").get_attribute("aria-live") for widget in (header, again, euros)]
    assert spoken == ["polite", "off", "off"], "what has broken is said once"
    await again.shows("RSD 100.00")
    await euros.shows("€0.00")
    await visitor.page.evaluate("""() => {
        window.own = [];
        for (const one of document.querySelectorAll("balance-widget"))
            one.addEventListener("purser:balance", ({ detail }) => own.push([one.getAttribute("currency"), detail.version]));
    }""")
    await student.top_up(20, "eur")
    await student.top_up(50)

    await header.shows("RSD 150.00")
    await again.shows("RSD 150.00")
    await euros.shows("€20.00")
    assert (len(line.sockets), line.asked("POST /stream/ticket")) == (1, 1)
    told = [(told["currency"], told["version"]) for told in await line.told("balance")]
    assert told == [("rsd", 1), ("eur", 0), ("eur", 1), ("rsd", 2)]
    assert sorted(await visitor.page.evaluate("own")) == [["EUR", 1], ["rsd", 2], ["rsd", 2]]


async def test_two_tabs_move_together(stack: Stack, arrive: Arrive, student: Person) -> None:
    visitor = await arrive(stack, person=student)
    _, here = await watched(visitor)
    await visitor.new_tab()
    _, there = await watched(visitor)
    await student.top_up(70)
    await here.shows("RSD 70.00")
    await there.shows("RSD 70.00")


async def test_the_last_widget_takes_the_socket_with_it_and_the_next_one_opens_another(
    stack: Stack, arrive: Arrive, student: Person
) -> None:
    visitor = await arrive(stack, person=student)
    line, _ = await watched(visitor)
    (first,) = line.sockets
    async with visitor.page.expect_event("websocket"):
        await visitor.page.evaluate("""() => {
            const one = document.querySelector("balance-widget");
            one.remove();
            setTimeout(() => document.querySelector(".live").append(one), 1200);
        }""")
    await Seen(visitor.page).is_("live")
    assert first.is_closed()
    assert len(line.open_sockets) == 1
    assert line.asked("POST /stream/ticket") == 2, "a ticket opens one socket"


async def test_a_widget_that_is_only_moved_keeps_its_socket(stack: Stack, arrive: Arrive, student: Person) -> None:
    visitor = await arrive(stack, person=student)
    line, widget = await watched(visitor)
    await visitor.page.evaluate("document.querySelector('main').append(document.querySelector('balance-widget'))")
    await student.top_up(10)
    await widget.shows("RSD 10.00")
    assert len(line.sockets) == 1


@pytest.mark.parametrize("locale", ["en", "ru", "sr"])
async def test_sums_are_written_as_the_pages_write_them(stack: Stack, arrive: Arrive, student: Person, locale: str) -> None:
    """With all decimals of ISO 4217, for none of which Intl would have to be asked: two of RSD, none of JPY, three of KWD."""
    for amount, currency in (("1234567.89", "rsd"), ("5000", "jpy"), ("1234.567", "kwd"), ("50", "usd")):
        await student.top_up(amount, currency)
    await withdraw(student, "100")
    visitor = await arrive(stack, locale, person=student)
    _, widget = await watched(visitor)
    money = Formats(locale).money

    await widget.shows(money(123_446_789, "rsd"))
    await expect(widget.part("label")).to_have_text(visitor.say("Balance"))
    await expect(widget.part("held")).to_have_text(visitor.say("%(amount)s on hold", amount=money(10_000, "rsd")))
    for amount_minor, currency in ((5_000, "jpy"), (1_234_567, "kwd"), (5_000, "usd")):
        await (await put(visitor.page, currency=currency)).shows(money(amount_minor, currency))


async def test_the_language_is_that_of_the_place_and_of_the_attribute(stack: Stack, arrive: Arrive, student: Person) -> None:
    visitor = await arrive(stack, person=student)
    _, widget = await watched(visitor)
    own = await put(visitor.page, currency="rsd", lang="ru")
    await own.shows("0,00 RSD")
    await expect(own.part("label")).to_have_text("Баланс")
    await own.element.evaluate("one => one.setAttribute('lang', 'no such language')")
    await expect(own.part("label")).to_have_text("Balance")
    await own.element.evaluate("one => { one.removeAttribute('lang'); one.setAttribute('currency', 'eur'); }")
    await own.shows("€0.00")
    await widget.shows("RSD 0.00")


async def test_without_a_currency_it_shows_the_servers_default(stack: Stack, arrive: Arrive, student: Person) -> None:
    await student.top_up(30)
    visitor = await arrive(stack, person=student)
    await watched(visitor)
    plain = await put(visitor.page)
    await plain.shows("RSD 30.00")
    await student.top_up(1)
    await plain.shows("RSD 31.00")


async def test_a_change_moves_only_for_those_who_want_motion(stack: Stack, arrive: Arrive, student: Person) -> None:
    moving, still = [await watched(await arrive(stack, person=student, still=still)) for still in (False, True)]
    for line, widget in (moving, still):
        await line.page.evaluate("window.moved = 0")
        await widget.element.evaluate("one => one.shadowRoot.addEventListener('animationstart', () => (window.moved += 1))")
    await student.top_up(500)
    for line, widget in (moving, still):
        await expect(widget.part("change")).to_have_text("+RSD 500.00")
        await expect(widget.part("change")).to_be_hidden()
        assert await line.page.evaluate("moved") == (1 if line is moving[0] else 0)


async def test_a_page_that_is_put_away_gives_its_socket_back(stack: Stack, arrive: Arrive, student: Person) -> None:
    """The back button's memory takes no page with an open socket; back from there it shows what happened meanwhile."""
    visitor = await arrive(stack, person=student)
    line, widget = await watched(visitor)
    async with line.sockets[0].expect_event("close"):
        await visitor.page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    await student.top_up(40)
    await visitor.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    await widget.shows("RSD 40.00")
    assert len(line.open_sockets) == 1


async def test_whose_session_ends_is_told_so_and_sees_whoever_logs_in_next(stack: Stack, arrive: Arrive, student: Person) -> None:
    await student.top_up(900)
    await student.top_up(90)
    visitor = await arrive(stack, person=student)
    visitor.watch.expect("^status 401", "^status 403")
    line, widget = await watched(visitor)
    await widget.shows("RSD 990.00")
    await visitor.context.clear_cookies()
    await visitor.page.evaluate("dispatchEvent(new Event('offline'))")  # the socket goes; the next one would need a ticket
    await widget.is_("lost")
    await expect(widget.part("message")).to_have_text("You are logged out.")
    await expect(widget.part("login")).to_have_attribute("href", re.compile("/en/login$"))
    assert (await line.told("connection"))[-1] == {"state": "lost", "reason": "login"}

    async with newcomer(stack) as next_one:
        await next_one.top_up(5)
        await visitor.log_in_as(next_one)
        await widget.part("retry").press("Enter")
        await widget.shows("RSD 5.00")
        await widget.is_("live")
        await expect(widget.part("error")).to_be_hidden()
        assert await visitor.page.evaluate("document.activeElement.localName") == "balance-widget", "the keyboard does not lose its place"
        await next_one.top_up(1)
        await widget.shows("RSD 6.00")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_nothing_hinders_anybody(stack: Stack, arrive: Arrive, student: Person, dark: bool) -> None:
    await student.top_up(2000)
    await withdraw(student, "300")
    visitor = await arrive(stack, "ru", person=student, viewport=SMALL_PHONE, dark=dark)
    _, widget = await watched(visitor)
    await axe(visitor.page)
    await screenshot(visitor.page, f"widget-live-{'dark' if dark else 'light'}")
    visitor.watch.expect("^failed request", "^console error: WebSocket")
    await visitor.context.set_offline(True)
    await widget.is_("lost")
    await axe(visitor.page)
    await screenshot(visitor.page, f"widget-lost-{'dark' if dark else 'light'}")
    box = await widget.part("retry").bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 44
    await visitor.context.set_offline(False)
    await widget.is_("live")
