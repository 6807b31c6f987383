"""<balance-widget> and a notifier that says and does what it is told to: odd frames, refusals, and how long the widget waits after each."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from playwright.async_api import Page, Route, WebSocketRoute, expect

from deploy.local.stack import Stack
from tests.browser.conftest import Arrive
from tests.browser.visitors import Visitor
from tests.browser.widget_world import ANY_PAGE, Line, Seen, listen
from tests.flow.people import Person

# What is asked of the clock is kept, some of it comes sooner, and chance is fixed.
_CLOCK: Final = """
window.waits = [];
const real = window.setTimeout;
window.setTimeout = (run, ms = 0, ...more) => { waits.push(ms); return real(run, SOONER(ms), ...more); };
Math.random = () => 1;
"""
OPENING, HIDDEN = 10_000, 300_000
AS_IT_IS: Final = "(ms) => ms"
ALL_BUT_OPENING: Final = f"(ms) => ms === {OPENING} ? ms : ms / 100"
OPENING_ONLY: Final = f"(ms) => ms === {OPENING} ? 100 : ms"
HIDDEN_ONLY: Final = f"(ms) => ms === {HIDDEN} ? 100 : ms"
BACKOFF: Final = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]


def balance(version: int, available_minor: int, held_minor: int = 0) -> dict[str, Any]:
    major = {"available": available_minor / 100, "held": held_minor / 100}
    return {"currency": "rsd", "available_minor": available_minor, "held_minor": held_minor, "version": version, **major}


def snapshot(*balances: dict[str, Any]) -> str:
    return json.dumps({"type": "balance.snapshot", "balances": balances})


def updated(version: int, available_minor: int) -> str:
    return json.dumps({"type": "balance.updated", **balance(version, available_minor), "change_minor": 1, "kind": "deposit"})


async def opened(visitor: Visitor, answer: Callable[[WebSocketRoute], object], *, sooner: str = AS_IT_IS) -> tuple[Line, Seen]:
    """A page whose sockets lead to `answer`."""
    await visitor.page.add_init_script(_CLOCK.replace("SOONER", f"({sooner})"))
    await visitor.page.route_web_socket("**/ws?ticket=*", answer)
    line = await listen(visitor)
    await visitor.open(ANY_PAGE, status=404)
    return line, Seen(visitor.page)


async def look(page: Page, *, away: bool) -> None:
    """The tab goes behind another one, or comes to the front."""
    await page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        away,
    )


async def waited(page: Page, wanted: list[int]) -> None:
    """The waits of these lengths, in this order, come to be among all that were asked for."""
    await page.wait_for_function(
        "wanted => waits.filter((ms) => wanted.includes(ms)).slice(0, wanted.length).join() === wanted.join()", arg=wanted
    )


async def test_versions_never_go_backwards(stack: Stack, arrive: Arrive, student: Person) -> None:
    said: list[WebSocketRoute] = []

    def answer(socket: WebSocketRoute) -> None:
        said.append(socket)
        socket.send(snapshot(balance(5, 5_000)))

    line, widget = await opened(await arrive(stack, person=student), answer)
    await widget.shows("RSD 50.00")
    odd = [json.dumps({"type": "something.new"}), updated(7, 7_000), updated(6, 6_000), updated(7, 1), snapshot(balance(4, 4_000))]
    for frame in (*odd, updated(8, 8_000)):
        said[0].send(frame)
    await widget.shows("RSD 80.00")
    assert [told["version"] for told in await line.told("balance")] == [5, 7, 8]
    await expect(widget.part("spoken")).to_have_text("Balance: RSD 80.00")


async def test_sums_are_exact_however_large_and_may_be_below_zero(stack: Stack, arrive: Arrive, student: Person) -> None:
    largest = snapshot(balance(1, 999_999_999_999_999, 123_456_789_012_345))
    _, widget = await opened(await arrive(stack, person=student), lambda socket: socket.send(largest))
    await widget.shows("RSD 9,999,999,999,999.99")
    await expect(widget.part("held")).to_have_text("RSD 1,234,567,890,123.45 on hold")
    _, widget = await opened(await arrive(stack, "sr", person=student), lambda socket: socket.send(snapshot(balance(1, -1_205))))
    await widget.shows("-12,05 RSD")


async def test_each_attempt_waits_longer_takes_a_new_ticket_and_asking_goes_on(stack: Stack, arrive: Arrive, student: Person) -> None:
    urls: list[str] = []

    async def refuse(socket: WebSocketRoute) -> None:
        urls.append(socket.url)
        await socket.close(code=1013)

    line, widget = await opened(await arrive(stack, person=student), refuse, sooner=ALL_BUT_OPENING)
    await waited(line.page, BACKOFF)
    await widget.is_("asking")
    await line.page.wait_for_function("waits.filter((ms) => Math.round(ms) === 33000).length > 2")
    assert len(set(urls)) == len(urls) >= len(BACKOFF)
    assert line.asked("GET /balance?currency=rsd") >= 2


async def test_a_restarting_notifier_is_dialled_again_sooner(stack: Stack, arrive: Arrive, student: Person) -> None:
    async def restart(socket: WebSocketRoute) -> None:
        socket.send(snapshot())
        await socket.close(code=1012)

    line, _ = await opened(await arrive(stack, person=student), restart)
    await waited(line.page, [250])


async def test_a_ticket_that_is_not_taken_is_replaced_at_once_but_only_once(stack: Stack, arrive: Arrive, student: Person) -> None:
    urls: list[str] = []

    async def refuse_twice(socket: WebSocketRoute) -> None:
        urls.append(socket.url)
        if len(urls) <= 2:
            await socket.close(code=4401)
        else:
            socket.send(snapshot())

    line, widget = await opened(await arrive(stack, person=student), refuse_twice)
    await widget.is_("live")
    assert len(set(urls)) == 3
    assert await line.page.evaluate("waits.filter((ms) => ms === 500 || ms === 1000).length") == 1, "before the third one only"
    assert line.asked("GET /me") == 2, "the session may be another one, and so is its token"


async def test_it_waits_as_long_as_it_is_told_to(stack: Stack, arrive: Arrive, student: Person) -> None:
    visitor = await arrive(stack, person=student)
    visitor.watch.expect("^status 429")

    async def too_many(route: Route) -> None:
        await route.fulfill(status=429, headers={"Retry-After": "7"}, body="{}")

    await visitor.page.route("**/api/v1/stream/ticket", too_many)
    line, widget = await opened(visitor, lambda _: None, sooner=ALL_BUT_OPENING)
    await waited(line.page, [7_000, 7_000])
    await widget.is_("asking")
    assert await line.page.evaluate("waits.filter((ms) => ms === 500).length") == 0


async def test_a_socket_that_says_nothing_is_given_up(stack: Stack, arrive: Arrive, student: Person) -> None:
    line, widget = await opened(await arrive(stack, person=student), lambda _: None, sooner=OPENING_ONLY)
    await waited(line.page, [OPENING, 500, OPENING])
    await widget.is_("asking")
    await widget.shows("RSD 0.00")


async def test_a_tab_that_nobody_looks_at_gives_its_socket_back(stack: Stack, arrive: Arrive, student: Person) -> None:
    ends: list[int | None] = []

    def answer(socket: WebSocketRoute) -> None:
        socket.on_close(lambda code, _: ends.append(code))
        socket.send(snapshot(balance(len(ends) + 1, 100 * (len(ends) + 1))))

    line, widget = await opened(await arrive(stack, person=student), answer, sooner=HIDDEN_ONLY)
    await widget.is_("live")
    await look(line.page, away=True)
    await line.page.wait_for_function("waits.includes(300000)")
    while not ends:
        await line.page.wait_for_timeout(20)
    asked = line.asked("GET /balance?currency=rsd")
    await look(line.page, away=False)
    await widget.shows("RSD 2.00")
    assert line.asked("GET /balance?currency=rsd") == asked, "the snapshot says it all"
