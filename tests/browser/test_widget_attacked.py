"""<balance-widget> between a page that trusts it and an API that is not what it was, or a visitor who is not: whom it tells what."""

from __future__ import annotations

from typing import Final

from playwright.async_api import Route, expect

from deploy.local.stack import Stack
from tests.browser.another_site import another_site
from tests.browser.conftest import Arrive
from tests.browser.widget_world import Seen, watched
from tests.flow.people import Person

# Without a policy of its own, as most pages of the world are.
PAGE: Final = """<!doctype html><title>Theirs</title>
<script type="module" src="/static/balance-widget.js"></script>
<balance-widget></balance-widget>
<script type="module">document.querySelector("balance-widget").getToken = async () => "the token";</script>"""


async def test_an_answer_that_sends_it_elsewhere_is_no_answer(arrive: Arrive, stack: Stack) -> None:
    visitor = await arrive(stack)
    page = visitor.page
    visitor.watch.expect("net::ERR_FAILED", "Fetch API cannot load", r"status 307")
    with another_site() as thief:
        thief.pages["/taken"] = ("application/json", "{}", {"Access-Control-Allow-Origin": "*"})

        async def elsewhere(route: Route) -> None:
            await route.fulfill(status=307, headers={"Location": f"{thief.origin}/taken"})

        await page.route("**/theirs", lambda route: route.fulfill(content_type="text/html", body=PAGE))
        await page.route("**/api/v1/**", elsewhere)
        await page.goto("/theirs")
        await Seen(page).is_("lost")
        assert thief.asked == [], "neither the token nor who looks at their balance is anybody else's business"


async def test_a_tab_that_was_forgotten_tells_nothing_more_after_the_log_out(arrive: Arrive, stack: Stack, student: Person) -> None:
    """Its socket was opened in time, and would stay open until the session would have ended."""
    visitor = await arrive(stack, person=student)
    visitor.watch.expect("^status 401")
    line, widget = await watched(visitor)
    forgotten = visitor.page
    await visitor.new_tab("/{locale}/payments")
    await visitor.press("Log out")
    await visitor.arrives("/")
    await widget.refresh()  # as it does by itself, when somebody looks again, or after two minutes
    await widget.is_("lost")
    await expect(widget.part("message")).to_have_text("You are logged out.")
    assert line.open_sockets == []
    await student.top_up(50)
    assert not [told for told in await line.told("balance") if told["available_minor"]]
    await forgotten.close()
