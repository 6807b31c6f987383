"""What a page costs whoever opens it for the first time: bytes over the wire, requests, and when something is seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.browser.visitors import Visitor


@dataclass(frozen=True, slots=True)
class Weight:
    """`wire_bytes`: heads and bodies as they were sent, compressed; sockets are not counted. Times from the click."""

    path: str
    wire_bytes: int
    requests: int
    first_paint_milliseconds: int
    loaded_milliseconds: int

    def __str__(self) -> str:
        sizes = f"{self.wire_bytes / 1000:7.1f} kB {self.requests:3d} requests"
        return f"{sizes} {self.first_paint_milliseconds:5d} ms first paint {self.loaded_milliseconds:5d} ms loaded  {self.path}"


async def weigh(visitor: Visitor, path: str) -> Weight:
    """The first page that this visitor's device ever opens: nothing is in its cache."""
    session = await visitor.context.new_cdp_session(visitor.page)
    sizes: dict[str, int] = {}
    session.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: int(event["encodedDataLength"])}))
    await session.send("Network.enable")
    page = await visitor.open(path)
    await page.wait_for_load_state("networkidle")
    times: dict[str, Any] = await page.evaluate(
        """() => ({
            paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
            loaded: performance.getEntriesByType("navigation")[0].loadEventEnd,
        })"""
    )
    await session.detach()
    return Weight(path, sum(sizes.values()), len(sizes), round(times["paint"]), round(times["loaded"]))
