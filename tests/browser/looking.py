"""What eyes, a screen reader and a ruler find on a page: axe, its width, its picture."""

from __future__ import annotations

import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page, expect

from tests.browser.visitors import Role
from tests.servers import PROJECT

_TABS_MAX: Final = 80
_TAGS: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


def screenshots_folder() -> Path:
    """PURSER_SCREENSHOTS, else below .local/."""
    return Path(os.environ.get("PURSER_SCREENSHOTS") or PROJECT / ".local" / "screenshots")


async def screenshot(page: Page, name: str) -> Path:
    """The whole page as a picture, kept as the test's output."""
    path = screenshots_folder() / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=path, full_page=True, animations="disabled")
    return path


async def axe(page: Page) -> None:
    """axe-core finds nothing wrong: WCAG 2.2 A and AA, and its best practices."""
    await _run_axe(page, {"type": "tag", "values": _TAGS})


async def axe_of_colours(page: Page) -> None:
    """The contrasts alone: for a page that axe has seen whole, in other colours."""
    await _run_axe(page, {"type": "rule", "values": ["color-contrast"]})


async def _run_axe(page: Page, run_only: dict[str, Any]) -> None:
    # Evaluated by the debugger, which a page's Content-Security-Policy does not bind; nothing is injected into the document.
    if not await page.evaluate("typeof axe === 'object'"):
        await page.evaluate(_axe_script())
    options = {"runOnly": run_only, "resultTypes": ["violations"]}
    result: dict[str, Any] = await page.evaluate("options => axe.run(document, options)", options)
    found = [
        f"{rule['id']}: {rule['help']}: {node['target']} {node['html'][:200]} {node['failureSummary']}"
        for rule in result["violations"]
        for node in rule["nodes"]
    ]
    assert not found, f"{page.url}\n" + "\n".join(found)


async def is_within_its_width(page: Page) -> None:
    """Nothing makes the page scroll sideways."""
    wide: list[str] = await page.evaluate(
        """() => {
            const width = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= width) return [];
            return [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > width + 0.5)
                .map((one) => `${one.tagName} ${one.className} ${Math.round(one.getBoundingClientRect().right)} > ${width}`);
        }"""
    )
    assert not wide, f"{page.url}\n" + "\n".join(wide)


async def tab_to(page: Page, role: Role, name: str) -> None:
    """With the Tab key alone, and its focus is seen."""
    wanted = page.get_by_role("main").get_by_role(role, name=name, exact=True).first
    await expect(wanted).to_be_visible()
    await page.evaluate("document.activeElement?.blur()")
    for _ in range(_TABS_MAX):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("one => one === document.activeElement"):
            break
    else:
        raise AssertionError(f"{page.url}: {name} is not reached")
    ring = await wanted.evaluate("one => { const s = getComputedStyle(one); return [s.outlineStyle, s.boxShadow]; }")
    assert ring != ["none", "none"], f"{page.url}: nobody sees that {name} has the focus"


@cache
def _axe_script() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
