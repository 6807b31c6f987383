"""The watch itself: what a page must never do is seen."""

from __future__ import annotations

from playwright.async_api import Browser, Route

from tests.browser.visitors import Visitor, visiting

ORIGIN = "http://localhost:9"  # nothing listens there: every answer is made up below

PAGES = {
    "/good": (200, "<h1>Good</h1>", {}),
    "/missing": (404, "<h1>Nothing here</h1>", {}),
    "/broken": (500, "<h1>Broken</h1>", {}),
    "/foreign": (200, "<img src='https://elsewhere.example/pixel.gif' alt=''>", {}),
    "/errors": (200, "<script>console.error('I failed'); fetch('/missing'); undefinedName();</script>", {}),
    "/strict": (200, "<script>1</script>", {"Content-Security-Policy": "default-src 'none'"}),
    "/socket": (200, "<script>new WebSocket('ws://elsewhere.example/')</script>", {}),
}


async def answer(route: Route) -> None:
    status, body, headers = PAGES[route.request.url.removeprefix(ORIGIN)]
    await route.fulfill(status=status, body=body, headers={"Content-Type": "text/html", **headers})


async def complaints(browser: Browser, path: str, *, status: int = 200, expected: tuple[str, ...] = ()) -> list[str]:
    async with visiting(browser, ORIGIN, [ORIGIN]) as visitor:
        visitor.watch.expect(*expected)
        await visitor.context.route(f"{ORIGIN}/**", answer)
        await visitor.open(path, status=status)
        await settled(visitor)
        return visitor.watch.complaints


async def settled(visitor: Visitor) -> None:
    await visitor.page.wait_for_load_state("networkidle")


async def test_a_good_page_and_one_that_is_not_there_are_nothing_to_complain_of(browser: Browser) -> None:
    assert await complaints(browser, "/good") == []
    assert await complaints(browser, "/missing", status=404) == []


async def test_errors_of_the_server_and_of_scripts_are_seen(browser: Browser) -> None:
    assert await complaints(browser, "/broken", status=500) == [f"status 500: GET {ORIGIN}/broken"]
    assert await complaints(browser, "/broken", status=500, expected=("^status 500",)) == []
    seen = "\n".join(await complaints(browser, "/errors"))
    for part in ("console error: I failed", "page error: undefinedName is not defined", f"status 404: GET {ORIGIN}/missing"):
        assert part in seen


async def test_what_the_policy_forbids_and_what_leads_elsewhere_is_seen(browser: Browser) -> None:
    (refused,) = await complaints(browser, "/strict")
    assert "Content Security Policy" in refused
    assert "foreign request GET: https://elsewhere.example/pixel.gif" in await complaints(browser, "/foreign")
    assert "foreign socket: ws://elsewhere.example/" in await complaints(browser, "/socket")
