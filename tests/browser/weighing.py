"""What a page costs whoever opens it for the first time: bytes over the wire, requests, and when something is seen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Page

from tests.browser.looking import screenshots_folder


@dataclass(slots=True)
class Weight:
    """`sizes`: bytes as they were sent, heads and bodies, by request; sockets are not counted. Times in milliseconds from the click."""

    name: str
    sizes: dict[str, int] = field(default_factory=dict)
    first_paint: int = 0
    loaded: int = 0

    @property
    def wire_bytes(self) -> int:
        return sum(self.sizes.values())

    def __str__(self) -> str:
        sizes = f"{self.wire_bytes / 1000:5.1f} kB in {len(self.sizes):2d} requests"
        return f"{sizes}, first paint after {self.first_paint:4d} ms, loaded after {self.loaded:4d} ms: {self.name}"


@asynccontextmanager
async def weighed(page: Page, name: str) -> AsyncIterator[Weight]:
    """Inside, a new device opens its first page: nothing is in its cache. Known after, and kept as the test's output."""
    session = await page.context.new_cdp_session(page)
    weight = Weight(name)
    session.on("Network.loadingFinished", lambda event: weight.sizes.update({event["requestId"]: int(event["encodedDataLength"])}))
    await session.send("Network.enable")
    yield weight
    await page.wait_for_load_state("networkidle")
    times: dict[str, Any] = await page.evaluate(
        """() => ({
            paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
            loaded: performance.getEntriesByType("navigation")[0].loadEventEnd,
        })"""
    )
    weight.first_paint, weight.loaded = round(times["paint"]), round(times["loaded"])
    await session.detach()
    folder = screenshots_folder() / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_text(f"{weight}\n", encoding="utf-8")
