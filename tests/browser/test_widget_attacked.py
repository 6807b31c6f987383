"""<balance-widget> between a page that trusts it and an API that is not what it was: whom it tells the token."""

from __future__ import annotations

from typing import Final

from playwright.async_api import Route

from deploy.local.stack import Stack
from tests.browser.another_site import another_site
from tests.browser.conftest import Arrive
from tests.browser.widget_world import Seen

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
