"""<balance-widget> where something is broken, and on other sites' pages: cut lines, killed services, ended sessions, strangers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import jwt
import pytest
from playwright.async_api import expect

from deploy.local.ports import free_port
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitmqServer
from deploy.local.stack import Stack
from services.gateway.auth import COOKIE
from shared.contracts.base import utc_now
from tests.browser.another_site import AnotherSite, Page, another_site
from tests.browser.conftest import Arrive
from tests.browser.looking import axe, screenshot
from tests.browser.visitors import Visitor
from tests.browser.widget_world import Line, Seen, listen, watched
from tests.flow.people import Person, logged_in, newcomer
from tests.servers import PROJECT, shared_stack
from tests.tcp_proxy import TcpProxy

EXAMPLE = PROJECT / "docs" / "examples" / "balance-widget.html"


@dataclass
class Place:
    """A stack whose parts are killed and brought back; `wire` leads to its sockets, `site` is allowed to ask for balances."""

    stack: Stack
    wire: TcpProxy
    site: AnotherSite

    async def welcome(self, arrive: Arrive, person: Person | None = None) -> Visitor:
        visitor = await arrive(self.stack, person=person)
        visitor.watch.allow(f"ws://localhost:{self.wire.port}", self.site.origin, self.site.twin)
        visitor.watch.expect("^console error: WebSocket connection to", r"^failed request \w+: \S+/api/v1/")
        return visitor

    def token(self, user_id: str, seconds: float) -> str:
        claims = {"sub": user_id, "roles": ["student"], "iss": "purser", "aud": "purser", "exp": utc_now() + timedelta(seconds=seconds)}
        return jwt.encode(claims, self.stack.jwt_secret, algorithm="HS256")


@pytest.fixture(scope="module")
async def place(postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer) -> AsyncIterator[Place]:
    gateway, notifier = free_port(), free_port()
    async with AsyncExitStack() as exits:
        site = exits.enter_context(another_site())
        wire = TcpProxy("127.0.0.1", notifier)
        await wire.start()
        exits.push_async_callback(wire.close)
        settings = {
            "GATEWAY_PORT": str(gateway),
            "NOTIFIER_PORT": str(notifier),
            "NOTIFIER_PUBLIC_URL": f"ws://localhost:{wire.port}",
            "ALLOWED_ORIGINS": f"http://localhost:{gateway},http://127.0.0.1:{gateway},{site.origin}",
        }
        stack = await exits.enter_async_context(shared_stack(postgres_server, rabbitmq_server, settings))
        yield Place(stack, wire, site)


@pytest.fixture
async def student(place: Place) -> AsyncIterator[Person]:
    async with newcomer(place.stack) as person:
        yield person


async def impatient(visitor: Visitor) -> tuple[Line, Seen]:
    """A widget that asks every second, where others ask every thirty."""
    line, widget = await watched(visitor)
    await widget.element.evaluate("one => one.setAttribute('poll-seconds', '1')")
    return line, widget


async def test_without_a_socket_it_asks_and_with_one_again_it_listens(place: Place, arrive: Arrive, student: Person) -> None:
    line, widget = await impatient(await place.welcome(arrive, student))
    await place.wire.cut()
    try:
        await widget.is_("asking")
        await student.top_up(10)
        await widget.shows("RSD 10.00")
    finally:
        place.wire.restore()
    await widget.is_("live")
    asked = line.asked("GET /balance?currency=rsd")
    await student.top_up(5)
    await widget.shows("RSD 15.00")

    assert asked >= 2
    assert [told["state"] for told in await line.told("connection")] == ["live", "asking", "live"]
    assert [told["version"] for told in await line.told("balance")] == [0, 1, 2], "each once, whoever told it"
    assert len({socket.url for socket in line.sockets}) == len(line.sockets) >= 2, "a ticket each"
    assert len(line.open_sockets) == 1


async def test_what_happened_while_the_line_was_cut_comes_with_the_next_snapshot(place: Place, arrive: Arrive, student: Person) -> None:
    line, widget = await watched(await place.welcome(arrive, student))
    await place.wire.drop()
    await student.top_up(20)
    await widget.shows("RSD 20.00")
    await widget.is_("live")
    assert len(line.open_sockets) == 1


@pytest.mark.slow
async def test_a_line_that_is_dead_without_a_word_is_noticed(place: Place, arrive: Arrive, student: Person) -> None:
    line, widget = await impatient(await place.welcome(arrive, student))
    place.wire.hang()
    try:
        await student.top_up(30)
        await widget.shows("RSD 30.00")
        async with widget.page.expect_event("websocket"):
            pass
    finally:
        place.wire.restore()
    await widget.is_("live")
    assert line.asked("GET /balance?currency=rsd") == 1, "that was enough to know"


@pytest.mark.parametrize("end", ["killed", pytest.param("stopped", marks=pytest.mark.slow)])
async def test_the_notifier_goes_and_comes_back(place: Place, arrive: Arrive, student: Person, end: str) -> None:
    line, widget = await impatient(await place.welcome(arrive, student))
    await (place.stack.kill("notifier") if end == "killed" else place.stack.stop_service("notifier"))
    try:
        await widget.is_("asking")
        await student.top_up(40)
        await widget.shows("RSD 40.00")
    finally:
        await place.stack.start_service("notifier")
    await widget.is_("live")
    await student.top_up(2)
    await widget.shows("RSD 42.00")
    assert "lost" not in [told["state"] for told in await line.told("connection")]


async def test_when_nothing_answers_it_says_so_and_recovers_by_itself(place: Place, arrive: Arrive, student: Person) -> None:
    await student.top_up(50)
    visitor = await place.welcome(arrive, student)
    line, widget = await watched(visitor)
    await place.wire.cut()
    await place.stack.kill("gateway")
    try:
        await widget.is_("lost")
        await expect(widget.part("message")).to_have_text(visitor.say("The balance cannot be refreshed."))
        await widget.shows("RSD 50.00")
        tickets = line.asked("POST /stream/ticket")
        await widget.element.get_by_role("button", name=visitor.say("Retry"), exact=True).click()
        await expect(widget.part("retry")).not_to_have_attribute("aria-disabled", "true")
        await widget.is_("lost")
        assert line.asked("POST /stream/ticket") > tickets
    finally:
        await place.stack.start_service("gateway")
        place.wire.restore()
    await widget.is_("live")
    await expect(widget.part("error")).to_be_hidden()
    await student.top_up(1)
    await widget.shows("RSD 51.00")
    assert {"state": "lost", "reason": "unreachable"} in await line.told("connection")


async def test_a_session_that_has_run_out_asks_for_a_new_login(place: Place, arrive: Arrive, student: Person) -> None:
    visitor = await place.welcome(arrive)
    visitor.watch.expect("^status 401")
    until = time.time() + 3
    # Browsers drop the cookie when its token ends.
    cookie = {"name": COOKIE, "value": place.token(student.id, 3), "url": visitor.origin, "httpOnly": True, "expires": until}
    await visitor.context.add_cookies([cookie])  # type: ignore[list-item]
    line, widget = await watched(visitor)
    await widget.is_("lost")
    await expect(widget.part("message")).to_have_text(visitor.say("You are logged out."))
    assert (await line.told("connection"))[-1] == {"state": "lost", "reason": "login"}
    await visitor.log_in_as(student)
    await widget.part("retry").click()
    await widget.is_("live")


async def test_another_site_s_page_is_kept_up_to_date_as_the_example_shows(place: Place, arrive: Arrive) -> None:
    addresses = {"http://localhost:8000": place.stack.gateway_url.replace("127.0.0.1", "localhost")}
    text = EXAMPLE.read_text()
    for written, real in addresses.items():
        assert text.count(f'"{written}') == 2
        text = text.replace(written, real)
    place.site.pages["/balance-widget.html"] = ("text/html", text, {})
    visitor = await place.welcome(arrive)
    line = await listen(visitor)
    async with logged_in(place.stack.gateway_url, place.stack.notifier_urls[0]) as person:
        before = (await person.balance())["available_minor"]
        assert before == 0
        await visitor.open(f"{place.site.origin}/balance-widget.html")
        chip, serbian, euros = (Seen(visitor.page, number) for number in range(3))
        await euros.shows("€0.00")
        await person.top_up("1500.50")
    await chip.shows("RSD 1,500.50")
    await serbian.shows("1.500,50 RSD")
    await expect(visitor.page.locator("#log li").first).to_be_visible()
    await expect(visitor.page.locator("#log")).to_contain_text("1500.5 rsd available")
    await axe(visitor.page)
    await screenshot(visitor.page, "widget-example")
    assert len(line.sockets) == line.asked("POST /stream/ticket") == 1, "three widgets, one line"


STRICT = """<!doctype html><html lang="en"><title>Strict</title><main><h1>Strict</h1>
<balance-widget currency="rsd" credentials="omit"><a href="/">Your balance</a></balance-widget></main>
<script type="module" src="{purser}/static/balance-widget.js"></script><script type="module" src="/own.js"></script></html>"""
OWN = """window.calls = [];
document.querySelector("balance-widget").getToken = async ({ expired }) => {
    window.calls.push(expired);
    return (await fetch("/token")).text();
};"""


def strict_page(place: Place) -> Page:
    """The policy is the one that docs/widget.md names."""
    gateway = place.stack.gateway_url.replace("127.0.0.1", "localhost")
    policy = f"default-src 'none'; script-src 'self' {gateway}; connect-src 'self' {gateway} ws://localhost:{place.wire.port}"
    return "text/html", STRICT.format(purser=gateway), {"Content-Security-Policy": policy}


async def test_a_token_that_runs_out_is_renewed_under_a_strict_policy(place: Place, arrive: Arrive, student: Person) -> None:
    place.site.pages |= {
        "/strict": strict_page(place),
        "/own.js": ("text/javascript", OWN, {}),
        "/token": lambda: ("text/plain", place.token(student.id, 3), {}),
    }
    visitor = await place.welcome(arrive)
    visitor.watch.expect("^status 401")
    line = await listen(visitor)
    await visitor.open(f"{place.site.origin}/strict")
    widget = Seen(visitor.page)
    await widget.is_("live")
    await visitor.page.wait_for_function("() => calls.length === 2")
    await widget.is_("live")
    await student.top_up(60)
    await widget.shows("RSD 60.00")
    assert (await visitor.page.evaluate("calls"))[:2] == [False, True]
    assert {told["state"] for told in await line.told("connection")} == {"live"}


async def test_a_site_that_is_not_allowed_gets_no_widget_and_shows_what_it_has_written_itself(place: Place, arrive: Arrive) -> None:
    place.site.pages["/strict"] = strict_page(place)
    visitor = await place.welcome(arrive)
    visitor.watch.expect("^console error: Access to script", "^status 403", "^failed request .*balance-widget.js")
    async with visitor.page.expect_event("requestfailed") as failed:
        await visitor.open(f"{place.site.twin}/strict")
    assert (await failed.value).url.endswith("/static/balance-widget.js")
    await expect(visitor.page.get_by_role("link", name="Your balance")).to_be_visible()
