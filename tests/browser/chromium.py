"""Which Chromium the tests drive, and how it is started: nothing that it asks for may leave this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, async_playwright

CHOICE: Final = "PURSER_CHROMIUM"
"""The variable that names the program, where it is not found by itself."""

MISSING: Final = f"no Chromium: `make browser` installs one (Debian: apt-get install chromium), or {CHOICE} names it"

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_DOWNLOADED: Final = ("chromium-*/chrome-linux*/chrome", "chromium_headless_shell-*/chrome-linux*/headless_shell")
_START_SECONDS: Final = 60

_FLAGS: Final = (
    "--no-sandbox",  # CI is root in a container, where Chromium has no sandbox; it sees our own pages alone
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
)


def find_chromium() -> str | None:
    """The program: as chosen, else on PATH, else as Playwright has downloaded it. FileNotFoundError: the chosen one is not there."""
    chosen = os.environ.get(CHOICE)
    if chosen:
        if not (found := shutil.which(chosen)):
            raise FileNotFoundError(f"{CHOICE}: there is no program {chosen}")
        return found
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    downloaded = [str(path) for pattern in _DOWNLOADED for path in sorted(folder.glob(pattern))]
    return downloaded[-1] if downloaded else None


@asynccontextmanager
async def running_chromium(program: str) -> AsyncIterator[Browser]:
    """A browser without a window; each visitor is a context of its own in it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(_FLAGS), timeout=_START_SECONDS * 1000)
        try:
            yield browser
        finally:
            await browser.close()
